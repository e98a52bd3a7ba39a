"""An object store that answers whatever a test wants: a small HTTP server on loopback."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple


class Answer(NamedTuple):
    """What one request is answered."""

    status: int = 200
    body: bytes = b""
    cut: bool = False
    """Half of the body goes out, then the connection breaks."""


class Asked(NamedTuple):
    """What was asked."""

    verb: str
    path: str
    conditional: bool


def error(status: int, code: str, said: str = "") -> Answer:
    """An error in the form of the S3 protocol."""
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{said}</Message></Error>"
    return Answer(status, body.encode())


class Answering:
    """The server's address, and what it was asked."""

    def __init__(self, port: int) -> None:
        self.endpoint = f"http://127.0.0.1:{port}"
        self.asked: list[Asked] = []


@contextmanager
def answering(
    answer: Callable[[Asked], Answer], context: ssl.SSLContext | None = None
) -> Iterator[Answering]:
    """A server that gives each request what `answer` says; over TLS where there is a `context`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            return

        def _any(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            asked = Asked(self.command, self.path, "if-none-match" in self.headers)
            state.asked.append(asked)
            given = answer(asked)
            body = b"" if self.command == "HEAD" else given.body
            self.send_response(given.status)
            self.send_header("content-length", str(len(body)))
            self.send_header("etag", '"x"')
            self.send_header("last-modified", "Wed, 21 Oct 2015 07:28:00 GMT")
            self.end_headers()
            if given.cut:
                self.wfile.write(body[: len(body) // 2])
                self.wfile.flush()
                self.connection.shutdown(socket.SHUT_WR)
                self.close_connection = True
            else:
                self.wfile.write(body)

        do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = _any

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign] # a client that hangs up
    state = Answering(server.server_port)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        state.endpoint = f"https://localhost:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
