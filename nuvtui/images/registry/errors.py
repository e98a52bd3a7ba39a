"""What a registry's refusal means, in words: its status and its error body to a sentence and a hint.

Format of the body: the OCI distribution specification, "Error Codes": `{"errors": [{"code", "message"}]}`.
Registries put what they like into it, so that full disks and quotas are recognised by their words.
"""

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from nuvtui import sanitise
from nuvtui.errors import Exit, NuvError
from nuvtui.images.http.status import phrase

WORDS = 300
"""So many characters of a registry's own words are shown."""
LONGEST_WAIT = 30.0
"""So many seconds a registry may make its clients wait before they try again."""

_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_DISK = re.compile(r"no space left|disk (?:is )?full|insufficient storage|ENOSPC|\"Err\": 28\b", re.I)
# The last is how the distribution project's registry writes that error: as its number.
_QUOTA = re.compile(r"quota|storage limit|exceed(?:s|ed) the (?:storage|size|limit)", re.I)


class RegistryError(NuvError):
    """A registry refused something for good. `status` is that of its answer; 0: there was none."""

    def __init__(self, title: str, message: str, hint: str = "", status: int = 0) -> None:
        super().__init__(title, message, hint, Exit.FAILED)
        self.status = status


class TransientError(Exception):
    """Something that may go well the next time: a lost connection, an overloaded registry."""

    def __init__(self, words: str, hint: str = "", wait: float = 0.0) -> None:
        super().__init__(words)
        self.words = words
        self.hint = hint
        self.wait = wait
        """Seconds that the registry asks to wait; 0: it does not say."""


@dataclass(frozen=True)
class Refusal:
    """An error answer, understood."""

    words: str
    hint: str = ""
    again: bool = False
    """True where it may go well the next time."""
    wait: float = 0.0


def refusal(
    status: int, headers: Mapping[str, str], said: str, host: str, repository: str, pushing: bool
) -> Refusal:
    """What the answer with `status`, `headers` and the registry's words `said` means for `repository`."""
    login = f"Sign in with the Docker CLI: `docker login {host}`."
    tail = f": {said}" if said else ""
    if status == 507 or (status >= 400 and _DISK.search(said)):
        return Refusal(
            f"the registry's disk is full{tail}", "Whoever runs the registry has to make room there."
        )
    if status in (400, 402, 403, 413, 500) and _QUOTA.search(said):
        return Refusal(
            f"the quota at the registry is used up{tail}", "Delete old images there, or ask for more room."
        )
    scope = "insufficient_scope" in headers.get("WWW-Authenticate", "")
    if status == 403 or (status == 401 and scope):
        return Refusal(
            f"the registry does not let you {'push to' if pushing else 'pull from'} {repository}{tail}",
            f"Does the repository exist, and is it yours? {login}",
        )
    if status == 401:
        return Refusal(f"the sign-in was refused{tail}", login)
    if status == 404:
        return Refusal(
            f"no such repository, or no such image in it{tail}",
            f"Is the name right? If it is private: {login}",
        )
    if status == 413:
        return Refusal(
            f"it is too large for the registry{tail}", "A proxy before the registry may have a limit."
        )
    if status == 429:
        return Refusal(
            f"the registry asks for fewer requests (429){tail}",
            f"Try again later. Many registries allow more to those who are signed in: `docker login {host}`.",
            again=True,
            wait=_wait(headers.get("Retry-After", "")),
        )
    return Refusal(
        f"the registry answers {phrase(status)}{tail}",
        again=status in _AGAIN,
        wait=_wait(headers.get("Retry-After", "")),
    )


def said(body: bytes, redact: Callable[[str], str]) -> str:
    """The registry's own words in the body of an error answer: one harmless line of limited length, without
    the secrets that `redact` knows.
    """
    try:
        errors = json.loads(body)["errors"]
        parts = [
            ": ".join(str(error[key]) for key in ("code", "message") if error.get(key)) for error in errors
        ]
        details = [error["detail"] for error in errors if error.get("detail")]
        texts = (one if isinstance(one, str) else json.dumps(one, ensure_ascii=False) for one in details)
        text = "; ".join([*parts, *texts])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        text = body.decode("utf-8", "replace").strip()
        if text.startswith("<"):  # a page of a proxy
            text = " ".join(
                re.sub(r"<[^>]*>", " ", re.sub(r"(?s)<(style|script).*?</\1>", " ", text)).split()
            )
    text = sanitise.line(redact(text).strip())
    return text if len(text) <= WORDS else text[: WORDS - 1] + "…"


def _wait(text: str) -> float:
    """Seconds of a Retry-After header, which holds seconds or a date."""
    if text.strip().isdigit():
        return min(float(text.strip()[:6]), LONGEST_WAIT)
    try:
        return min(max(parsedate_to_datetime(text).timestamp() - time.time(), 0.0), LONGEST_WAIT)
    except (TypeError, ValueError, OverflowError):
        return 0.0
