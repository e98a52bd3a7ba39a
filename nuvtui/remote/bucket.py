"""A remote in an object store (S3 and what speaks its protocol, Google Cloud Storage, Azure), through obstore.

Credentials come from where the providers' own tools look for them: environment variables (`AWS_ACCESS_KEY_ID`,
`AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `GOOGLE_APPLICATION_CREDENTIALS`, `AZURE_STORAGE_ACCOUNT_NAME`, …), for S3 also
the profile (`AWS_PROFILE`, or the remote's own) in `~/.aws/credentials` and `~/.aws/config`, and a machine's role. They are
kept nowhere, and taken out of every message.
"""

import configparser
import contextlib
import os
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nuvtui.errors import Exit, NuvError
from nuvtui.model.remote import RemoteSettings
from nuvtui.remote.blobs import MAXIMUM, Blob, checked_key, is_key
from nuvtui.remote.failure import (
    AbsentError,
    DamagedError,
    DeniedError,
    FullError,
    RemoteError,
    TransientError,
)
from nuvtui.remote.url import Address

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_CODE = re.compile(r"<Code>(\w{1,60})</Code>|[Ss]tatus(?: code)?:? (\d{3})|[Rr]esponse status (\d{3})")
_BUCKET_CODES = ("NoSuchBucket", "ContainerNotFound", "InvalidBucketName")
_CLOCK_CODES = ("RequestTimeTooSkewed", "RequestExpired")
_KEY_CODES = (
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "InvalidToken",
    "ExpiredToken",
    "AuthenticationFailed",
)
_REGION_CODES = ("AuthorizationHeaderMalformed", "PermanentRedirect", "301")
_FULL_CODES = ("QuotaExceeded", "XMinioStorageFull", "InsufficientCapacity", "507")
_SECRETS = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ACCESS_KEY_ID", "AZURE_STORAGE_ACCOUNT_KEY")


class BucketBlobs:
    """Blobs as objects under one prefix of a bucket."""

    conditional = True
    """Tried when the remote is made; what a store without it needs is recorded in the remote's `config`."""

    def __init__(self, address: Address, settings: RemoteSettings) -> None:
        """Raises NuvError (6) where obstore is not there, (2) where a setting is wrong."""
        self._address = address
        self._hidden: set[str] = {value for name in _SECRETS if (value := os.environ.get(name))}
        self._store = self._opened(settings)

    @property
    def url(self) -> str:
        """`s3://bucket/prefix`."""
        return self._address.url

    def _opened(self, settings: RemoteSettings) -> "ObjectStore":
        try:
            from obstore import store
        except ImportError:
            raise NuvError(
                "Object stores need more than nuvtui itself",
                "the package obstore is not installed",
                "Install `nuvtui[remote]`: `pipx inject nuvtui obstore cryptography pyrage`.",
                Exit.REFUSED,
            ) from None
        prefix = self._address.path or None
        client: Any = {"timeout": timedelta(minutes=5), "connect_timeout": timedelta(seconds=10)}
        if settings.endpoint.startswith("http://"):
            client["allow_http"] = True
        retry: Any = {"max_retries": 0, "retry_timeout": timedelta(seconds=1)}
        try:
            if self._address.kind == "gs":
                return store.GCSStore(
                    self._address.host, prefix=prefix, client_options=client, retry_config=retry
                )
            if self._address.kind == "az":
                return store.AzureStore(
                    self._address.host, prefix=prefix, client_options=client, retry_config=retry
                )
            config: Any = self._s3(settings)
            if str(config.get("endpoint", "")).startswith("http://"):
                client["allow_http"] = True
            return store.S3Store(
                self._address.host, prefix=prefix, config=config, client_options=client, retry_config=retry
            )
        except Exception as error:
            raise self._failed(error, "Opening it") from None

    def _s3(self, settings: RemoteSettings) -> dict[str, str]:
        """What the remote's settings, environment and profile say, in this order."""
        profile = _profile(
            settings.profile or os.environ.get("AWS_PROFILE", ""), explicit=bool(settings.profile)
        )
        environ = os.environ
        config = {
            "endpoint": settings.endpoint
            or environ.get("AWS_ENDPOINT_URL_S3", "")
            or environ.get("AWS_ENDPOINT_URL", "")
            or profile.get("endpoint_url", ""),
            "region": settings.region
            or environ.get("AWS_REGION", "")
            or environ.get("AWS_DEFAULT_REGION", "")
            or profile.get("region", "")
            or "us-east-1",
        }
        if settings.profile or "AWS_ACCESS_KEY_ID" not in environ:
            for name, key in (
                ("access_key_id", "aws_access_key_id"),
                ("secret_access_key", "aws_secret_access_key"),
                ("session_token", "aws_session_token"),
            ):
                if profile.get(key):
                    config[name] = profile[key]
                    self._hidden.add(profile[key])
        return {key: value for key, value in config.items() if value}

    def _failed(self, error: BaseException, what: str) -> RemoteError:
        """What obstore said, as what can be done about it; secrets and everything after a few lines left out."""
        from obstore import exceptions

        text = str(error)
        for secret in self._hidden:
            text = text.replace(secret, "…")
        codes = _codes(error)
        detail = f"{what}: {' '.join(text.split('Debug source')[0].split('<?xml')[0].split())[:300]}"
        title = f"The remote at {self.url} failed"

        def says(*known: str) -> bool:
            return not codes.isdisjoint(known)

        if says(*_BUCKET_CODES):
            return RemoteError(
                f"There is no bucket {self._address.host}",
                f"the object store that {self.url} leads to does not have it",
                "Make the bucket, or correct its name; is the endpoint (`AWS_ENDPOINT_URL`) the right one?",
                Exit.NOT_FOUND,
            )
        if says(*_CLOCK_CODES):
            return DeniedError(
                title, "this machine's clock is wrong: the store refuses its signature", "Set the clock."
            )
        if says(*_REGION_CODES):
            return RemoteError(
                title, "the bucket is in another region", "Give it: `--region`, or AWS_REGION."
            )
        if says(*_FULL_CODES):
            return FullError(title, f"{what}: there is no room left", "Free some room there, then try again.")
        if isinstance(error, exceptions.UnauthenticatedError) or says(*_KEY_CODES):
            return DeniedError(
                title,
                "the store does not know the key that was used",
                "Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the profile in ~/.aws/credentials.",
            )
        if isinstance(error, exceptions.PermissionDeniedError):
            return DeniedError(
                title,
                f"{what}: the key that was used may not do that",
                "Ask the bucket's owner for the right to list, read and write there.",
            )
        if isinstance(error, exceptions.GenericError):
            return TransientError(title, detail, "Is it up, and can it be reached from here? Try again then.")
        return RemoteError(title, detail, "Check its address and settings: `nuvtui remotes show`.")

    def list(self, prefix: str) -> Iterator[Blob]:
        """Every object whose key begins with `prefix`."""
        import obstore

        folder = prefix.rpartition("/")[0]
        try:
            seen = ""
            for batch in obstore.list(self._store, folder or None, chunk_size=1000):
                for item in batch:
                    key, size = item["path"], item["size"]
                    if not key.startswith(prefix) or not is_key(key) or key == seen:
                        continue
                    if not 0 <= size <= 1 << 50:
                        raise DamagedError(
                            f"The listing of {self.url} is wrong", f"{key} has {size} bytes", ""
                        )
                    seen = key
                    yield Blob(key, size)
        except RemoteError:
            raise
        except Exception as error:
            raise self._failed(error, "Listing") from None

    def stat(self, key: str) -> Blob:
        """One object."""
        import obstore

        checked_key(key)
        try:
            found = obstore.head(self._store, key)
        except FileNotFoundError as error:
            raise self._absent(error, key) from None
        except Exception as error:
            raise self._failed(error, f"Looking for {key}") from None
        return Blob(key, found["size"])

    def _absent(self, error: BaseException, key: str) -> RemoteError:
        found = self._failed(error, f"Reading {key}")
        return found if found.exit_code == Exit.NOT_FOUND else AbsentError(self.url, key)

    def read(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """Bytes of an object."""
        import obstore

        checked_key(key)
        try:
            if start == 0 and length is None:
                found = obstore.get(self._store, key)
                if found.meta["size"] > MAXIMUM:
                    raise DamagedError(f"{key} on {self.url} is too long", f"{found.meta['size']} bytes", "")
                return bytes(found.bytes())
            end = MAXIMUM if length is None else length
            if end <= 0:
                return b""
            size = obstore.head(self._store, key)["size"] if length is None else None
            if size is not None:
                end = min(end, size - start)
            return bytes(obstore.get_range(self._store, key, start=start, length=end))
        except RemoteError:
            raise
        except FileNotFoundError as error:
            raise self._absent(error, key) from None
        except Exception as error:
            if "InvalidRange" in _codes(error):
                return b""  # it ends before
            raise self._failed(error, f"Reading {key}") from None

    def put_if_absent(self, key: str, data: bytes | memoryview) -> bool:
        """Write an object."""
        import obstore
        from obstore import exceptions

        checked_key(key)
        try:
            obstore.put(self._store, key, data, mode="create", use_multipart=False)
        except exceptions.AlreadyExistsError:
            return False
        except Exception as error:
            raise self._failed(error, f"Writing {key}") from None
        return True

    def delete(self, key: str) -> None:
        """Remove an object."""
        import obstore

        checked_key(key)
        try:
            with contextlib.suppress(FileNotFoundError):
                obstore.delete(self._store, key)
        except Exception as error:
            raise self._failed(error, f"Removing {key}") from None

    def close(self) -> None:
        """Connections end with the last use of the store."""


def _codes(error: BaseException) -> set[str]:
    """Codes and statuses of the protocol in what obstore says: the only form in which it passes them on."""
    return {code for found in _CODE.findall(str(error)) for code in found if code}


def _profile(name: str, *, explicit: bool) -> dict[str, str]:
    """What the S3 tools' own files say of a profile. Raises NuvError (2) where one that was asked for is not there."""
    home = Path.home() / ".aws"
    files = {
        os.environ.get("AWS_SHARED_CREDENTIALS_FILE") or home / "credentials": name or "default",
        os.environ.get("AWS_CONFIG_FILE") or home / "config": f"profile {name}"
        if name not in ("", "default")
        else "default",
    }
    found: dict[str, str] = {}
    for file, section in files.items():
        parser = configparser.ConfigParser(interpolation=None)
        with contextlib.suppress(OSError, configparser.Error, UnicodeDecodeError):
            parser.read(file)
        if parser.has_section(section):
            found |= {key: value for key, value in parser.items(section) if key not in found}
    if explicit and not found:
        raise NuvError(
            f"There is no profile {name}",
            "neither ~/.aws/credentials nor ~/.aws/config has it",
            "Correct the name, or add it (`aws configure --profile NAME`).",
            Exit.USAGE,
        )
    return found
