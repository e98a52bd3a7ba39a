"""Tests of the services about remotes."""
