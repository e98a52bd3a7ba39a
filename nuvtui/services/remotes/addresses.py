"""Addresses of remotes as people type them."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nuvtui.remote.url import Address


def typed(text: str, start: Path) -> "Address":
    """The address that somebody typed: a path may begin with `~`, or at the folder `start`.

    Raises NuvError (2) where it says none, or holds a password.
    """
    from nuvtui.remote import url

    if text and ":" not in text:
        text = str(start / os.path.expanduser(text))  # noqa: PTH111  (Path.expanduser raises for unknown users)
    return url.parse(text)
