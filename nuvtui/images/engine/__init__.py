"""Engines that build, keep, run and push images: Docker Engine or Podman, and the built-in `oci`.

`protocol` is what exports want of one; `docker_engine` and `oci_engine` are the two that there are, `discovery`
finds the one that answers. A call goes through docker's client (`client`, `ssh`), what is sent and told is in
`load`, `build_context`, `messages`, `classic_builder` and `buildkit`.
"""
