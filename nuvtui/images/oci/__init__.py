"""Images as files: layers, configuration, manifests, the layout that keeps them, archives."""
