"""Applications of a workspace: their files, templates, locks of installed packages, pins of base images."""
