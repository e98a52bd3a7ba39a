"""A log that known secret values cannot get into."""

import base64
from collections.abc import Callable, Sequence
from urllib.parse import quote

_HOLD = 1 << 16
_SHOWN = b"***"


def forms(value: str) -> list[bytes]:
    """The ways in which `value` may be written: as it is, URL-encoded, in base64 (both alphabets)."""
    raw = value.encode("utf-8", "surrogateescape")
    found = [raw, quote(raw, safe="").encode(), quote(raw).encode()]
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        found.append(encode(raw).rstrip(b"="))
    return sorted(dict.fromkeys(found), key=len, reverse=True)


class Redactor:
    """Passes bytes on to `log`, with `values` replaced; holds back an unfinished line as long as it must."""

    def __init__(self, log: Callable[[bytes], None], values: Sequence[str]) -> None:
        self._log = log
        self._forms = [form for value in values if value for form in forms(value)]
        self._longest = max(map(len, self._forms), default=0)
        self._held = b""

    def write(self, data: bytes) -> None:
        """Pass `data` on."""
        if not self._forms:
            self._log(data)
            return
        self._held += data
        end = self._held.rfind(b"\n") + 1
        if len(self._held) - end > _HOLD:
            # A line without end: all but what could be the beginning of a value.
            self._held = self._replace(self._held)
            end = len(self._held) - self._longest
        if end > 0:
            out, self._held = self._held[:end], self._held[end:]
            self._log(self._replace(out))

    def flush(self) -> None:
        """Pass on what is held back."""
        if self._held:
            out, self._held = self._held, b""
            self._log(self._replace(out))

    def text(self, text: str) -> str:
        """`text` with the values replaced."""
        return self._replace(text.encode("utf-8", "surrogateescape")).decode("utf-8", "replace")

    def _replace(self, data: bytes) -> bytes:
        for form in self._forms:
            data = data.replace(form, _SHOWN)
        return data
