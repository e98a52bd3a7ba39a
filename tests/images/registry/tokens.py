"""A token service for the suite's registry: who signs in gets a signed token for what was asked.

Format: the distribution project's "Token Authentication Implementation"; signatures are openssl's.
"""

import base64
import contextlib
import json
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.registry import PASSWORD, USER


class Tokens:
    """The service; `auth` is the setting by which a registry trusts it."""

    def __init__(self, folder: Path) -> None:
        self.scopes: list[list[str]] = []
        """What was asked for, request by request."""
        self.seconds = 60
        """So long a token is good; some seconds of leeway come on top at the registry."""
        self.denied: set[str] = set()
        """Repositories for which no token says anything."""
        self._key, certificate = folder / "token.key", folder / "token.pem"
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
                *("-subj", "/CN=tokens", "-keyout", str(self._key), "-out", str(certificate)),
            ],
            check=True,
            capture_output=True,
        )
        self._chain = ["".join(certificate.read_text().split("-----")[2].split())]
        owner = self

        class Bound(_Handler):
            tokens = owner

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Bound)
        self.host = f"127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.auth = {
            "token": {
                "realm": f"http://{self.host}/token",
                "service": "tests",
                "issuer": "tests",
                "rootcertbundle": str(certificate),
            }
        }

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()

    def token(self, scopes: list[str]) -> str:
        """A token for `scopes`."""
        self.scopes.append(scopes)
        access = []
        for scope in scopes:
            kind, name, actions = scope.split(":")
            if name not in self.denied:
                access.append({"type": kind, "name": name, "actions": actions.split(",")})
        now = int(time.time())
        times = {"exp": now + self.seconds, "nbf": now - 5, "iat": now}
        claims = {"iss": "tests", "sub": USER, "aud": "tests", "jti": str(now), "access": access, **times}
        header = {"typ": "JWT", "alg": "RS256", "x5c": self._chain}
        text = ".".join(_encoded(json.dumps(part).encode()) for part in (header, claims))
        signature = subprocess.run(
            ["openssl", "dgst", "-sha256", "-sign", str(self._key)],
            input=text.encode(),
            check=True,
            capture_output=True,
        ).stdout
        return f"{text}.{_encoded(signature)}"


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class _Handler(BaseHTTPRequestHandler):
    tokens: Tokens

    def do_GET(self) -> None:
        good = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        signed = self.headers.get("Authorization") == f"Basic {good}"
        scopes = parse_qs(urlsplit(self.path).query).get("scope", [])
        body = json.dumps({"token": self.tokens.token(scopes)}).encode() if signed else b"{}"
        self.send_response(200 if signed else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        return


@contextlib.contextmanager
def tokens(folder: Path) -> Iterator[Tokens]:
    """A token service for as long as the context lasts."""
    service = Tokens(folder)
    try:
        yield service
    finally:
        service.close()
