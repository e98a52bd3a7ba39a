"""Images: from an application to a build recipe, a build context, an image in an engine, a tag in a registry.

Knows nothing of state, roles or tasks: snapshots and applications come in, facts and findings come out.
"""
