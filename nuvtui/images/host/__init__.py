"""What an image takes from this machine: its Python, shared libraries and certificates."""
