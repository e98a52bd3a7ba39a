"""A TCP proxy on the loopback that has the faults of a bad line: cuts, slowness, silence."""

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Iterator

_PIECE = 1 << 15


class Flaky:
    """Passes everything on to a port of the loopback, but for the faults that a test has set."""

    def __init__(self, target: int) -> None:
        self.cut_up: list[int] = []
        """Each entry cuts one connection, once that many bytes of it went to the server."""
        self.cut_down: list[int] = []
        """The same, for bytes that went to the client."""
        self.rate = 0
        """Bytes a second, per connection and direction; 0: as many as may be."""
        self.up = 0
        """Bytes that went to the server in all."""
        self.down = 0
        """Bytes that went to the client in all."""
        self.cuts = 0
        self.connections = 0
        self._target = target
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.host = f"127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """End it and all its connections."""
        for one in [self._listener, *self._sockets]:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                return
            self.connections += 1
            self._sockets += [client, server]
            threading.Thread(target=self._pass, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self._pass, args=(server, client, False), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, up: bool) -> None:
        done = 0
        try:
            while data := source.recv(_PIECE):
                limit = self._limit(up, done + len(data))
                data = data if limit is None else data[: max(limit - done, 0)]
                if self.rate:
                    time.sleep(len(data) / self.rate)
                target.sendall(data)
                done += len(data)
                with self._lock:
                    self.up += len(data) if up else 0
                    self.down += 0 if up else len(data)
                if limit is not None:
                    self.cuts += 1
                    self._cut(source, target, up)
                    return
            target.shutdown(socket.SHUT_WR)
        except OSError:
            for one in (source, target):
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def _limit(self, up: bool, reached: int) -> int | None:
        """The entry that cuts here, taken from its list; None: none."""
        with self._lock:
            limits = self.cut_up if up else self.cut_down
            return limits.pop(0) if limits and reached >= limits[0] else None

    def _cut(self, source: socket.socket, target: socket.socket, up: bool) -> None:
        """A client that sends sees a reset; one that receives gets what was on its way, and then an end."""
        if up:
            with contextlib.suppress(OSError):
                source.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        for one in (target, source):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


@contextlib.contextmanager
def flaky(target: int) -> Iterator[Flaky]:
    """A bad line to `target` for as long as the context lasts."""
    proxy = Flaky(target)
    try:
        yield proxy
    finally:
        proxy.close()
