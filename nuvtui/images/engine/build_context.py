"""The build context of the install steps as a tar: a Dockerfile, and the scripts and package lists that it adds.

Deterministic: same recipe, same bytes, so that an engine finds its cached steps again. Nothing of the workspace
is in it: files are laid on top of what the steps made.
"""

import tarfile

from nuvtui.images.oci.layers import build_layer
from nuvtui.images.recipe import BUILD_ARCHIVE, Recipe


def context(recipe: Recipe) -> bytes:
    """The context of `recipe`, which has install steps. It is small: package lists and constant scripts."""
    parts = []
    for name, data in (
        ("Dockerfile", recipe.dockerfile.encode()),
        (BUILD_ARCHIVE, b"".join(build_layer(recipe.build_files, recipe.mtime).stream())),
    ):
        info = tarfile.TarInfo(name)
        info.size, info.mtime = len(data), max(0, recipe.mtime)
        parts += [info.tobuf(tarfile.GNU_FORMAT), data, bytes(-len(data) % 512)]
    return b"".join([*parts, bytes(1024)])
