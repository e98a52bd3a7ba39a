"""What digest an application's base image was pinned by: `.nuvtui/apps/<slug>.lock`, beside the application's file.

A tag names another image tomorrow. At its first use the digest is written down, snapshots carry it along, and
every later export is built on the same image. The file is YAML, made to be read and committed; deleting it, or
naming another image, is how to move on to what the tag names by then.
"""

import re

from nuvtui import atomic
from nuvtui.errors import NuvError
from nuvtui.paths import Workspace

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_LIMIT = 4096


def read(workspace: Workspace, slug: str, image: str) -> str:
    """The digest that `image` is pinned by (`sha256:…`); empty where it is not."""
    import yaml

    try:
        with open(atomic.open_file(workspace.base_pin(slug)), "rb") as file:
            found = yaml.safe_load(file.read(_LIMIT))
        pin = found["base"]
        digest = str(pin["digest"])
        return digest if pin["image"] == image and _DIGEST.fullmatch(digest) else ""
    except (OSError, yaml.YAMLError, KeyError, TypeError):
        return ""


def write(workspace: Workspace, slug: str, image: str, digest: str) -> None:
    """Pin `image` by `digest`. Raises NuvError where that cannot be written."""
    import yaml

    text = (
        "# Written by nuvtui: the base image that this application is exported on, whatever its tag names later.\n"
        "# Delete this file to take what the tag names now.\n"
    ) + yaml.safe_dump({"base": {"image": image, "digest": digest}}, sort_keys=False)
    try:
        atomic.write_file(workspace.base_pin(slug), text.encode(), 0o644)
    except OSError as error:
        raise NuvError(
            f"The base image of {slug} cannot be pinned",
            f"{workspace.base_pin(slug)}: {error.strerror or error}",
        ) from error
