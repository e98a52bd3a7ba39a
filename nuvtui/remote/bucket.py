"""A remote in an object store (S3 and what speaks its protocol, Google Cloud Storage, Azure), through obstore.

Credentials come from where the providers' own tools look for them: environment variables (`AWS_ACCESS_KEY_ID`,
`AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `GOOGLE_APPLICATION_CREDENTIALS`, `AZURE_STORAGE_ACCOUNT_NAME`, …), for S3 also
the profile (`AWS_PROFILE`, or the remote's own) in `~/.aws/credentials` and `~/.aws/config`, and a machine's role. They are
kept nowhere, and taken out of every message.
"""

import configparser
import contextlib
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nuvtui.errors import Exit, NuvError
from nuvtui.model.remote import RemoteSettings
from nuvtui.remote import bucket_failure
from nuvtui.remote.blobs import MAXIMUM, Blob, checked_key, checked_listing
from nuvtui.remote.failure import AbsentError, DamagedError, RemoteError, TransientError
from nuvtui.remote.url import Address, check_endpoint

if TYPE_CHECKING:
    from obstore.store import ObjectStore

WRITE = timedelta(minutes=30)
"""For a whole request: a pack is one, and the line may be slow (four at once take 20 minutes at 0.5 Mbit/s)."""
STALL = timedelta(minutes=1)
"""Without a byte of what is read, until it is given up. Of a write it would count the whole sending too."""
_CONFLICT = ("ConditionalRequestConflict", "OperationAborted")
"""Somebody else writes the same key at this moment: who wins is not known yet."""
_NO_CONDITION = {"NotImplemented", "501"}


class BucketBlobs:
    """Blobs as objects under one prefix of a bucket."""

    def __init__(self, address: Address, settings: RemoteSettings) -> None:
        """Raises NuvError (6) where obstore is not there, (2) where a setting is wrong."""
        self._address = address
        self._hidden = bucket_failure.secrets_of_environment()
        self.conditional = True  # until the store says that it does not know conditions
        config = self._config(settings)
        self._writing = self._opened(config, timeout=WRITE)
        self._reading = self._opened(config, timeout=WRITE, read_timeout=STALL)

    @property
    def url(self) -> str:
        """`s3://bucket/prefix`."""
        return self._address.url

    def _opened(self, config: dict[str, str], **timeouts: timedelta) -> "ObjectStore":
        try:
            from obstore import store
        except ImportError:
            raise NuvError(
                "Object stores need more than nuvtui itself",
                "the package obstore is not installed",
                "Install its extra remote: `pipx inject nuvtui obstore cryptography pyrage`.",
                Exit.REFUSED,
            ) from None
        kinds: dict[str, Any] = {"s3": store.S3Store, "gs": store.GCSStore, "az": store.AzureStore}
        client: dict[str, Any] = {"connect_timeout": timedelta(seconds=10), **timeouts}
        if any(value.startswith("http://") for value in config.values()):
            client["allow_http"] = True
        try:
            opened: ObjectStore = kinds[self._address.kind](
                self._address.host,
                prefix=self._address.path or None,
                config=config,
                client_options=client,
                retry_config={"max_retries": 0, "retry_timeout": timedelta(seconds=1)},
            )
        except Exception as error:
            raise self._failed(error, "Opening it") from None
        return opened

    def _config(self, settings: RemoteSettings) -> dict[str, str]:
        """What is told to obstore; the rest it takes from the environment itself."""
        if self._address.kind == "s3":
            config = self._s3(settings)
        elif settings.profile or settings.region:
            raise NuvError(
                f"{self.url} has neither a region nor a profile",
                "they are for `s3://` only",
                "Leave out `--region` and `--profile`.",
                Exit.USAGE,
            )
        else:
            name = {"gs": "base_url", "az": "endpoint"}[self._address.kind]
            config = {name: settings.endpoint} if settings.endpoint else {}
        for endpoint in (config.get("endpoint"), config.get("base_url")):
            if endpoint:
                check_endpoint(endpoint)
        return config

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
            if "access_key_id" not in config and "AWS_ACCESS_KEY_ID" not in environ:
                _refuse_foreign_keys(settings.profile, profile)
        return {key: value for key, value in config.items() if value}

    def _failed(self, error: BaseException, what: str) -> RemoteError:
        return bucket_failure.failed(error, self._address, what, self._hidden)

    def list(self, prefix: str) -> Iterator[Blob]:
        """Every object whose key begins with `prefix`."""
        import obstore

        folder = prefix.rpartition("/")[0]
        try:
            found = (
                (item["path"], item["size"])
                for batch in obstore.list(self._reading, folder or None, chunk_size=1000)
                for item in batch
            )
            yield from checked_listing(self.url, prefix, found)
        except RemoteError:
            raise
        except Exception as error:
            raise self._failed(error, "Listing") from None

    def stat(self, key: str) -> Blob:
        """One object."""
        import obstore

        checked_key(key)
        try:
            found = obstore.head(self._reading, key)
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
                found = obstore.get(self._reading, key)
                if found.meta["size"] > MAXIMUM:
                    raise DamagedError(f"{key} on {self.url} is too long", f"{found.meta['size']} bytes", "")
                return bytes(found.bytes())
            end = MAXIMUM if length is None else length
            if end <= 0:
                return b""
            size = obstore.head(self._reading, key)["size"] if length is None else None
            if size is not None:
                end = min(end, size - start)
            return bytes(obstore.get_range(self._reading, key, start=start, length=end))
        except RemoteError:
            raise
        except FileNotFoundError as error:
            raise self._absent(error, key) from None
        except Exception as error:
            if "InvalidRange" in bucket_failure.codes(error):
                return b""  # it ends before
            raise self._failed(error, f"Reading {key}") from None

    def put_if_absent(self, key: str, data: bytes | memoryview) -> bool:
        """Write an object."""
        import obstore
        from obstore import exceptions

        checked_key(key)
        what = f"Writing {key}"
        try:
            if self.conditional:
                try:
                    obstore.put(self._writing, key, data, mode="create", use_multipart=False)
                    return True
                except exceptions.AlreadyExistsError as error:
                    if bucket_failure.codes(error).isdisjoint(_CONFLICT):
                        return False
                    raise TransientError(
                        f"The remote at {self.url} failed",
                        f"{what}: somebody else writes it at this moment",
                        "Try again.",
                    ) from None
                except (exceptions.NotSupportedError, exceptions.GenericError) as error:
                    if isinstance(error, exceptions.GenericError) and bucket_failure.codes(error).isdisjoint(
                        _NO_CONDITION
                    ):
                        raise
                    self.conditional = False
            try:
                obstore.head(self._reading, key)
                return False
            except FileNotFoundError:
                obstore.put(self._writing, key, data, use_multipart=False)
                return True
        except RemoteError:
            raise
        except Exception as error:
            raise self._failed(error, what) from None

    def delete(self, key: str) -> None:
        """Remove an object."""
        import obstore

        checked_key(key)
        try:
            obstore.delete(self._writing, key)
        except FileNotFoundError as error:
            found = self._absent(error, key)
            if not isinstance(found, AbsentError):
                raise found from None
        except Exception as error:
            raise self._failed(error, f"Removing {key}") from None

    def close(self) -> None:
        """Connections end with the last use of the store."""


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


def _refuse_foreign_keys(name: str, profile: dict[str, str]) -> None:
    """Raise NuvError (2) where a profile gets its keys in a way that only its own tools know."""
    for key in ("credential_process", "sso_session", "sso_start_url", "role_arn"):
        if key in profile:
            option = f" --profile {name}" if name else ""
            raise NuvError(
                f"The keys of the profile {name or 'in use'} cannot be read",
                f"it gets them through `{key}`, which only the `aws` command can do",
                f'Run `eval "$(aws configure export-credentials{option} --format env)"` first.',
                Exit.USAGE,
            )
