"""What an object store answered, as what can be done about it.

obstore passes on an answer's status and the protocol's own code as text only, and no header (so no `Retry-After`): both
are read from it here and nowhere else. What the store says besides is shown only where nothing better is known.
"""

import os
import re
from collections.abc import Iterable
from http import HTTPStatus

from nuvtui.errors import Exit
from nuvtui.remote.failure import DeniedError, FullError, RemoteError, TransientError
from nuvtui.remote.url import Address

BUSY = 5.0
"""Seconds that a store is left alone that says it is asked too much."""

_CODE = re.compile(r"<Code>(\w{1,60})</Code>|\b[Cc]ode:? \"?(\w{1,60})|\b[Ss]tatus:? (\d{3})\b")
_BUCKET = ("NoSuchBucket", "ContainerNotFound", "InvalidBucketName")
_CLOCK = ("RequestTimeTooSkewed", "RequestExpired")
_REGION = ("AuthorizationHeaderMalformed", "PermanentRedirect", "301")
_FULL = ("QuotaExceeded", "XMinioStorageFull", "InsufficientCapacity", "507")
_KEY = (
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "InvalidToken",
    "ExpiredToken",
    "AuthenticationFailed",
    "401",
)
_DENIED = ("AccessDenied", "AuthorizationFailure", "403")
_BUSY = ("SlowDown", "ServerBusy", "TooManyRequests", "429", "503")
_PASSING = {"408", "409", "425", "429"}
"""Of the answers that blame the request, those that another try may change."""
_LASTING = {"501", "505"}
"""Of the answers that blame the store, those that no other try changes."""
_METADATA = "169.254.169.254"
"""Where a machine in a cloud asks for its role: asked when there is no key."""

_KEYS = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile in ~/.aws/credentials",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS (the path of a key's file)",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}
_SECRET_NAME = re.compile(r"(?:AWS|AZURE|GOOGLE)_\w*(?:KEY|SECRET|TOKEN|SAS|PASSWORD)")


def secrets_of_environment() -> set[str]:
    """Values of variables that hold credentials of object stores: never to be shown."""
    return {value for name, value in os.environ.items() if _SECRET_NAME.match(name) and len(value) >= 6}


def codes(error: BaseException) -> set[str]:
    """Statuses and codes of the protocol in what obstore says; no number of the operating system is one of them."""
    found = {code for groups in _CODE.findall(str(error)) for code in groups if code}
    return {code for code in found if not code.isdigit() or re.fullmatch("[3-5][0-9]{2}", code)}


def failed(error: BaseException, address: Address, what: str, secrets: Iterable[str] = ()) -> RemoteError:
    """`error` of obstore while it did `what` (`Listing`), as a RemoteError; none of `secrets` is in it."""
    from obstore import exceptions

    text, said = str(error), codes(error)
    title = f"The remote at {address.url} failed"

    def says(*known: str) -> bool:
        return not said.isdisjoint(known)

    if says(*_BUCKET):
        return no_bucket(address)
    if _METADATA in text:
        return DeniedError(
            title,
            "there are no credentials for it",
            f"Set {_KEYS[address.kind]}.",
        )
    if says(*_CLOCK):
        return DeniedError(
            title, "this machine's clock is wrong: the store refuses its signature", "Set the clock."
        )
    if says(*_REGION) or "incorrectly configured region" in text:
        return RemoteError(title, "the bucket is in another region", "Give it: `--region`, or AWS_REGION.")
    if says(*_FULL):
        return FullError(title, f"{what}: there is no room left", "Free some room there, then try again.")
    if isinstance(error, exceptions.UnauthenticatedError) or says(*_KEY):
        return DeniedError(
            title, "the store does not know the key that was used", f"Check {_KEYS[address.kind]}."
        )
    if isinstance(error, exceptions.PermissionDeniedError) or says(*_DENIED):
        return DeniedError(
            title,
            f"{what}: the key that was used may not do that",
            "Ask the bucket's owner for the right to list, read and write there.",
        )
    if "InvalidCertificate" in text:
        return RemoteError(
            title,
            "its certificate is not one that this system trusts",
            "Is the endpoint the right one? If so, add its issuer to the system's trusted certificates.",
        )
    status = next((code for code in sorted(said) if code.isdigit()), "")
    message = f"{what}: {_described(text, status, said) or _shown(text, secrets)}"
    passing = status in _PASSING or isinstance(error, exceptions.GenericError)
    if _unset(text):
        return RemoteError(title, message, f"Check {_KEYS[address.kind]}.")
    if not passing or _lasting(status):
        return RemoteError(title, message, "Check its address, its endpoint and its region.")
    hint = "Is it up, and can it be reached from here? Try again then."
    return TransientError(title, message, hint, BUSY if says(*_BUSY) else 0.0)


def no_bucket(address: Address) -> RemoteError:
    """What is said where the bucket is not there."""
    return RemoteError(
        f"There is no bucket {address.host}",
        f"the object store that {address.url} leads to does not have it",
        "Make the bucket, or correct its name; is the endpoint the right one?",
        Exit.NOT_FOUND,
    )


def _lasting(status: str) -> bool:
    return status in _LASTING or (status.startswith(("3", "4")) and status not in _PASSING)


def _unset(text: str) -> bool:
    """True where obstore itself lacks or refuses a setting: nothing was asked yet."""
    return any(
        sign in text
        for sign in ("MissingAccount", "InvalidAccessKey", "DecodeCredentials", "OpenCredentials")
    )


def _described(text: str, status: str, said: set[str]) -> str:
    """In words what happened; empty: nothing better is known than what obstore says."""
    if status:
        phrase = HTTPStatus(int(status)).phrase if status in _STATUSES else ""
        names = sorted(code for code in said if not code.isdigit())
        return f"the store answers {' '.join((status, phrase)).strip()}" + (f" ({names[0]})" if names else "")
    for sign, words in (
        ("dns error", "the name of the store's server is not known here"),
        ("tcp connect error", "nothing answers at the store's address"),
        ("TimedOut", "no answer came in time"),
        ("error sending request", "the connection broke"),
        ("body error", "the connection broke"),
    ):
        if sign in text:
            return words
    return ""


_STATUSES = {str(int(status)) for status in HTTPStatus}


def _shown(text: str, secrets: Iterable[str]) -> str:
    """What obstore says, without what may be secret: bodies of answers, queries and users in URLs, known secrets."""
    shown = " ".join(text.split("Debug source")[0].partition("<")[0].split())
    shown = re.sub(r"\?\S+", "?…", re.sub(r"//[^/@\s]+@", "//", shown))
    for secret in secrets:
        shown = shown.replace(secret, "…")
    return shown[:300]
