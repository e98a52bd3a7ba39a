"""Registries: sign-in, tags, pull and push without an engine."""
