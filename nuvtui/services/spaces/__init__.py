"""Spaces, their instances and members."""
