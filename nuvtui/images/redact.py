"""The ways in which a secret value may be written, and a log that none of them gets into."""

import base64
import json
import re
from collections.abc import Callable, Iterator, Sequence
from urllib.parse import quote, quote_plus

_HOLD = 1 << 16
_SHOWN = b"***"
_MINIMUM = 6
"""The middle of a base64 text says little where it is shorter than this: it would be found anywhere."""
_LINE = 12
"""Lines of a value of several lines that are replaced on their own."""
_ESCAPED = re.compile(rb"%[0-9A-F]{2}")


def forms(value: str) -> list[bytes]:
    r"""The ways in which `value` may be written, longest first.

    As it is, URL-encoded (space as `%20` or `+`, either case of the digits), in base64 (both alphabets, alone or
    at any place inside of a longer text), in hexadecimal digits, in UTF-16, and escaped as in JSON.
    """
    raw = value.encode("utf-8", "surrogateescape")
    found = [raw]
    for quoted in (quote(raw, safe=""), quote(raw), quote_plus(raw)):
        upper = quoted.encode()
        found += [upper, _ESCAPED.sub(lambda match: match[0].lower(), upper)]
    found += _base64(raw)
    found += [raw.hex().encode(), raw.hex().upper().encode()]
    found += [value.encode(name, "surrogatepass") for name in ("utf-16-le", "utf-16-be")]
    for ascii_only in (True, False):
        escaped = json.dumps(value, ensure_ascii=ascii_only)[1:-1].encode("utf-8", "surrogateescape")
        found += [escaped, escaped.replace(b"/", b"\\/")]
    return sorted(dict.fromkeys(form for form in found if form), key=len, reverse=True)


def _base64(raw: bytes) -> Iterator[bytes]:
    """`raw` in base64: alone, and what is always the same of it behind any number of other bytes."""
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(raw).rstrip(b"=")
        for before in range(3):
            text = encode(bytes(before) + raw)
            # The characters at the border also carry bits of what stands before and behind.
            first = (0, 2, 3)[before]
            last = (before + len(raw)) * 8 // 6
            if last - first >= _MINIMUM:
                yield text[first:last]


class Redactor:
    """Passes bytes on to `log`, with `values` replaced; holds back an unfinished line as long as it must."""

    def __init__(self, log: Callable[[bytes], None], values: Sequence[str]) -> None:
        # A log is passed on by lines: of a value of several lines each one is replaced.
        lines = [line.strip() for value in values if "\n" in value.strip() for line in value.splitlines()]
        parts = [*values, *(line for line in lines if len(line) >= _LINE)]
        found = {form for value in parts if value for form in forms(value)}
        self._log = log
        self._forms = sorted(found, key=len, reverse=True)
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
