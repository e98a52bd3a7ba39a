"""Images: from an application to a recipe, to layers, to an image in an engine or in the store, to a registry.

Knows nothing of state, roles or tasks: snapshots and applications come in, facts and findings come out.
"""
