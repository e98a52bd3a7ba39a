"""What the content guard found in files that it looked into before, so that the same ones need no second look.

One small file of findings in the cache, for this user alone. It is named after the content (the key of the layer),
the search and the values that were searched for; these go in through scrypt, with a salt of this user's, so that
nobody can try values out on the name.
"""

import contextlib
import hashlib
import importlib.metadata
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from nuvtui import atomic
from nuvtui.errors import NuvError
from nuvtui.model.export import Finding


class GuardMemory:
    """Findings by what was looked into."""

    def __init__(self, cache: Path) -> None:
        """`cache`: the cache folder of the store home."""
        self._folder = cache / f"guard-{os.geteuid()}"

    def findings(
        self, content: str, values: Sequence[str], look: Callable[[], list[Finding]]
    ) -> list[Finding]:
        """The findings in `content` (its key) by `values`; `look` is asked where they are not known."""
        try:
            file = self._folder / f"{self._name(content, values)}.json"
        except (
            OSError,
            NuvError,
            ValueError,
        ):  # no room for the salt, or no scrypt here: looked at each time
            return look()
        try:
            return msgspec.json.decode(atomic.read_file(file), type=list[Finding])
        except (OSError, msgspec.DecodeError):
            found = look()
        with contextlib.suppress(OSError):  # a full disk: looked at again next time
            atomic.write_file(file, msgspec.json.encode(found), 0o600, durable=False)
        return found

    def _name(self, content: str, values: Sequence[str]) -> str:
        from nuvtui.images.guard import scans

        parts = [str(scans.VERSION), importlib.metadata.version("detect-secrets"), content]
        if values:
            text = "\0".join(sorted(values)).encode("utf-8", "surrogateescape")
            parts.append(hashlib.scrypt(text, salt=self._salt(), n=1 << 14, r=8, p=1).hex())
        else:
            self._salt()
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def _salt(self) -> bytes:
        file = self._folder / "salt"
        try:
            salt = atomic.read_file(file)
        except FileNotFoundError:
            atomic.make_folder(self._folder)
            self._folder.chmod(0o700)  # nobody else says what the guard has found, in a shared store either
            salt = os.urandom(32)
            atomic.write_file(file, salt, 0o600)
        if len(salt) != 32:
            raise ValueError("the salt is damaged")
        return salt
