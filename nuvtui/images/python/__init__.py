"""Python packages for an image that no engine builds: its interpreter, pip, what becomes a layer."""
