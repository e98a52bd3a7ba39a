"""Exports: an application of a snapshot becomes a Docker image."""
