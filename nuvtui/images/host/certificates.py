"""The certificate authorities of the distribution, without those that the site added."""

import base64
import os
import re
import textwrap
from collections.abc import Iterator

from nuvtui.images.host.files import read_small
from nuvtui.images.host.notes import Notes

BUNDLE = "etc/ssl/certs/ca-certificates.crt"
"""Where the image has them, without leading slash."""
_BUNDLES = (
    f"/{BUNDLE}",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
_SHIPPED = "/usr/share/ca-certificates/mozilla"
"""Where Debian and its relatives keep the authorities that the distribution ships, one a file."""
_ANCHORS = (
    "/usr/local/share/ca-certificates",
    "/etc/pki/ca-trust/source",
    "/usr/share/pki/ca-trust-source/anchors",
    "/etc/ca-certificates/trust-source",
    "/etc/pki/trust/anchors",
    "/usr/share/pki/trust/anchors",
)
"""Where administrators put the site's own authorities."""
_PEM = re.compile(rb"-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----(.*?)-----END ", re.DOTALL)


def certificates(notes: Notes) -> bytes:
    """The certificate authorities of the distribution, as PEM; empty: there are none."""
    bundle = next((path for path in _BUNDLES if os.path.isfile(path)), None)
    if bundle is None:
        notes.warn("This machine has no certificate authorities; the image cannot check secure connections")
        return b""
    every = list(dict.fromkeys(certificates_in(read_small(os.path.realpath(bundle)))))
    shipped = set(_certificates_below(_SHIPPED))
    # Where the distribution's own are known one by one, nothing else passes, whoever added it and how.
    site = set() if shipped else {one for folder in _ANCHORS for one in _certificates_below(folder)}
    kept = [one for one in every if (one in shipped if shipped else one not in site)]
    if len(kept) < len(every):
        notes.left_out(
            f"{len(every) - len(kept)} certificate authorities of this machine",
            "not the distribution's own",
        )
    return b"".join(_pem(one) for one in kept)


def certificates_in(data: bytes) -> Iterator[bytes]:
    """The certificates in a PEM or DER file, each as DER."""
    if data[:1] == b"\x30":
        yield _cut(data)
        return
    for match in _PEM.finditer(data):
        try:
            yield _cut(base64.b64decode(b"".join(match.group(1).split()), validate=True))
        except ValueError:
            continue


def _certificates_below(folder: str) -> Iterator[bytes]:
    for root, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            yield from certificates_in(read_small(os.path.realpath(f"{root}/{name}")))


def _cut(data: bytes) -> bytes:
    """The first DER object: a TRUSTED CERTIFICATE has OpenSSL's own data behind it."""
    if len(data) < 4 or data[1] < 0x82:
        return data
    octets = data[1] - 0x80
    return data[: 2 + octets + int.from_bytes(data[2 : 2 + octets], "big")]


def _pem(certificate: bytes) -> bytes:
    body = "\n".join(textwrap.wrap(base64.b64encode(certificate).decode(), 64))
    return f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n".encode()
