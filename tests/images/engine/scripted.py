"""An engine that answers what a test wrote down: for the faults that a real one cannot be made to have."""

import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

VERSION = re.compile(r"/v1\.\d+/")
"""Of the engine's interface, at the beginning of a path."""
Answer = Callable[[socket.socket], None]
ID = "sha256:" + "ab" * 32


def chunk(data: bytes) -> bytes:
    """`data` as one piece of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def line(**message: object) -> bytes:
    """A message as the engine writes it."""
    return json.dumps(message, ensure_ascii=False).encode() + b"\r\n"


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


def whole(value: object, status: str = "200 OK") -> bytes:
    """A complete answer."""
    body = json.dumps(value).encode()
    return b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status.encode(), len(body), body)


class Scripted:
    """Answers by path, without its version: the longest beginning that fits. A request's body is read to its end first.

    A list is answered one by one, its last one from then on.
    """

    def __init__(self, socket_path: Path) -> None:
        self.url = f"unix://{socket_path}"
        self.answers: dict[str, bytes | Answer | list[bytes]] = {
            "GET /_ping": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK",
            "": whole({"message": "No such image"}, "404 Not Found"),
        }
        self.requests: list[str] = []
        self.bodies: list[tuple[str, bytes]] = []
        """Path and body of every chunked request that was read to its end."""
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(socket_path))
        self._listener.listen(16)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as reader:
            try:
                first = VERSION.sub("/", reader.readline().decode(), count=1)
                headers = {}
                while (header := reader.readline().strip()) != b"":
                    name, _, value = header.partition(b":")
                    headers[name.lower()] = value.strip()
                self.requests.append(first.strip())
                matching = [key for key in self.answers if first.startswith(key)]
                answer = self.answers[max(matching, key=len)]
                if isinstance(answer, list):
                    answer = answer.pop(0) if len(answer) > 1 else answer[0]
                if headers.get(b"transfer-encoding") == b"chunked" and isinstance(answer, bytes):
                    body = []
                    while size := int(reader.readline(), 16):
                        body.append(reader.read(size + 2)[:size])
                    reader.readline()
                    self.bodies.append((first.split()[1], b"".join(body)))
                if isinstance(answer, bytes):
                    connection.sendall(answer)
                else:
                    answer(connection)
            except (OSError, ValueError):
                return

    def stop(self) -> None:
        """End it."""
        self._listener.close()


@contextmanager
def scripted(folder: Path) -> Iterator[Scripted]:
    """A scripted engine in `folder` for as long as the context lives."""
    engine = Scripted(folder / "e.sock")
    try:
        yield engine
    finally:
        engine.stop()
