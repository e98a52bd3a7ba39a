"""Engines that build, keep, run and push images: Docker Engine or Podman, and the built-in `oci`."""
