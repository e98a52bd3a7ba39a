"""A registry in memory: it keeps what came of a request that was cut, and fails as a test wrote down.

(The distribution project's registry drops an upload that was cut within a request; the big ones do not.)
"""

import contextlib
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.images.registry.handmade import digest

Answer = tuple[int, dict[str, str], bytes]


def refusal(status: int, code: str, message: str, **headers: str) -> Answer:
    """An error answer as the specification has it."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return status, names, json.dumps({"errors": [{"code": code, "message": message}]}).encode()


class ScriptedRegistry:
    """What it holds, what it was asked, and what it is to answer instead of the right thing."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.uploads: dict[str, bytearray] = {}
        self.manifests: dict[str, tuple[str, bytes]] = {}
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        """Method, path with query and headers (lower-case names) of all requests."""
        self.faults: list[tuple[str, int, Answer]] = []
        """Pattern of `METHOD path`, how many times (-1: always), and what is answered then."""
        self.storage = ""
        """Blobs are redirected to this address."""
        self.longest = 0
        """Requests with more bytes get 413; 0: all are taken."""
        self._lock = threading.Lock()
        owner = self

        class Bound(_Handler):
            registry = owner

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Bound)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self.host = f"127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()

    def asked(self, pattern: str) -> list[tuple[str, str, dict[str, str]]]:
        """The requests whose `METHOD path` `pattern` fits."""
        return [one for one in self.seen if re.search(pattern, f"{one[0]} {one[1]}")]

    def put(self, name: str, media_type: str, manifest: bytes) -> None:
        """Hold `manifest`, under its digest and under the tag `name`."""
        self.manifests[name] = self.manifests[digest(manifest)] = (media_type, manifest)

    def fault(self, line: str) -> Answer | None:
        """What the test wants to be answered to `line`."""
        with self._lock:
            for at, (pattern, times, answer) in enumerate(self.faults):
                if times and re.search(pattern, line):
                    self.faults[at] = (pattern, times - 1, answer)
                    return answer
        return None


class _Handler(BaseHTTPRequestHandler):
    registry: ScriptedRegistry
    protocol_version = "HTTP/1.1"

    def handle(self) -> None:
        with contextlib.suppress(OSError):
            super().handle()

    def do_GET(self) -> None:
        self._serve()

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

    def _serve(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.registry.seen.append((self.command, self.path, headers))
        size = int(headers.get("content-length", "0"))
        if self.command == "PATCH" and self.registry.longest and size > self.registry.longest:
            self.close_connection = True
            return self._say(413, {"Connection": "close"}, b"<html>too large</html>")
        answer = self.registry.fault(f"{self.command} {self.path}")
        if answer is not None:
            self.rfile.read(size)
            return self._say(*answer)
        parts = urlsplit(self.path)
        found = re.fullmatch(
            r"/v2/(.+)/(manifests|blobs|uploads)/(.*)", parts.path.replace("/blobs/uploads/", "/uploads/")
        )
        if found is None:
            return self._say(404, {}, b"")
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        return getattr(self, f"_{found[2]}")(found[3], query, size)

    def _manifests(self, name: str, query: dict[str, str], size: int) -> None:
        held = self.registry.manifests
        if self.command == "PUT":
            data = self.rfile.read(size)
            self.registry.put(name, self.headers["Content-Type"], data)
            return self._say(201, {"Docker-Content-Digest": digest(data)}, b"")
        if name not in held:
            return self._say(*refusal(404, "MANIFEST_UNKNOWN", "manifest unknown"))
        if self.command == "DELETE":
            del held[name]
            return self._say(202, {}, b"")
        media_type, data = held[name]
        return self._say(200, {"Content-Type": media_type, "Docker-Content-Digest": digest(data)}, data)

    def _blobs(self, name: str, query: dict[str, str], size: int) -> None:
        if self.registry.storage:
            return self._say(307, {"Location": f"{self.registry.storage}{self.path}?signature=s1gned"}, b"")
        data = self.registry.blobs.get(name)
        if data is None:
            return self._say(*refusal(404, "BLOB_UNKNOWN", "blob unknown"))
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if wanted:
            start = int(wanted[1])
            return self._say(
                206, {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"}, data[start:]
            )
        return self._say(200, {}, data)

    def _uploads(self, name: str, query: dict[str, str], size: int) -> None:
        uploads = self.registry.uploads
        if self.command == "POST":
            name = f"u{len(uploads)}"
            uploads[name] = bytearray()
            return self._state(202, name)
        upload = uploads.get(name)
        if upload is None or query.get("state") != "of the tests":
            return self._say(*refusal(404, "BLOB_UPLOAD_UNKNOWN", "no such upload"))
        if self.command == "GET":
            return self._state(204, name)
        sent = re.fullmatch(r"(\d+)-(\d+)", self.headers.get("Content-Range", ""))
        if (int(sent[1]) if sent else 0) != (len(upload) if self.command == "PATCH" else 0):
            return self._state(416, name)
        while size > 0 and (piece := self.rfile.read1(min(size, 1 << 16))):
            upload += piece
            size -= len(piece)
        if size:
            self.close_connection = True
            return None
        if self.command == "PUT":
            if digest(bytes(upload)) != query["digest"]:
                return self._say(*refusal(400, "DIGEST_INVALID", "digest invalid"))
            self.registry.blobs[query["digest"]] = bytes(uploads.pop(name))
            return self._say(201, {}, b"")
        return self._state(202, name)

    def _state(self, status: int, name: str) -> None:
        size = len(self.registry.uploads[name])
        location = f"/v2/x/blobs/uploads/{name}?state=of%20the%20tests"
        self._say(status, {"Location": location, "Range": f"0-{max(size - 1, 0)}"}, b"")

    def _say(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD" and status != 204:
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        return


@contextlib.contextmanager
def scripted_registry() -> Iterator[ScriptedRegistry]:
    """A registry for as long as the context lasts."""
    registry = ScriptedRegistry()
    try:
        yield registry
    finally:
        registry.close()
