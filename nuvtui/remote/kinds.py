"""The one place that knows all kinds of remotes."""

from pathlib import Path

from nuvtui.config import Settings, bytes_a_second, seconds
from nuvtui.model.remote import RemoteSettings
from nuvtui.remote.blobs import Blobs
from nuvtui.remote.url import BUCKETS, Address
from nuvtui.remote.wrappers import Limited, Rate, Retrying
from nuvtui.reporter import Reporter, Silent

UNTOLD = 10.0
"""Seconds for which a remote is tried again at most where nobody is told that it is waited for."""


def open_blobs(
    address: Address, remote: RemoteSettings, settings: Settings, reporter: Reporter, *, create: bool = False
) -> Blobs:
    """The blobs at `address`; `create`: a folder that is not there is made.

    Raises RemoteError where it cannot be opened, NuvError where a setting or a package is missing.
    """
    return wrapped(_kind(address, remote, create), settings, reporter)


def wrapped(blobs: Blobs, settings: Settings, reporter: Reporter) -> Blobs:
    """`blobs`, tried again where that may help, at the rate that the settings allow."""
    up, down = bytes_a_second(settings.limit_upload), bytes_a_second(settings.limit_download)
    if up or down:
        blobs = Limited(blobs, Rate(up, reporter.check), Rate(down, reporter.check))
    patience = seconds(settings.remote_patience)
    if type(reporter) is Silent:  # a reporter made from it may well tell
        patience = min(patience, UNTOLD)
    return Retrying(blobs, patience, reporter)


def _kind(address: Address, remote: RemoteSettings, create: bool) -> Blobs:
    if address.kind == "folder":
        from nuvtui.remote.folder import FolderBlobs

        return FolderBlobs(Path(address.path), create=create)
    if address.kind in BUCKETS:
        from nuvtui.remote.bucket import BucketBlobs

        return BucketBlobs(address, remote)
    from nuvtui.remote.ssh import open_ssh

    return open_ssh(address, remote, create=create)
