"""What an engine's classic builder tells while it runs the install steps: the log, the progress, and what it made.

Docker's builder and Podman's say the same in other words.
"""

import re
from collections.abc import Callable

from nuvtui.errors import NuvError
from nuvtui.images.engine.messages import Message
from nuvtui.images.redact import Redactor
from nuvtui.reporter import Reporter

_STEP = re.compile(r"Step (\d+)/(\d+) : (.*)")
_RUNNING = re.compile(r" ---> Running in ([0-9a-f]{12,64})")
_IMAGE = re.compile(r" ---> ([0-9a-f]{12,64})")
_BUILT = re.compile(r"Successfully built ([0-9a-f]{12,64})")
_BARE_ID = re.compile(r"(?:sha256:)?([0-9a-f]{64})")


class LayerLog:
    """The layers that an engine moves: each change of a status as a line of the log, the bytes as progress."""

    def __init__(self, reporter: Reporter, log: Callable[[bytes], None]) -> None:
        self._reporter, self._log = reporter, log
        self._seen: dict[str, tuple[str, int, int]] = {}
        """By layer: status, bytes done, bytes in all."""

    def take(self, message: Message) -> None:
        """Tell what a message says of a layer. An error in it is the caller's."""
        if message.raw:
            self._log(message.raw)
        if message.error or message.raw:
            return
        status, done, total = self._seen.get(message.id, ("", 0, 0))
        if message.status and (message.status != status or not message.id):
            prefix = f"{message.id}: " if message.id else ""
            self._log(f"{prefix}{message.status}\n".encode("utf-8", "replace"))
        if not message.id:
            return
        self._seen[message.id] = (message.status, message.current or done, message.total or total)
        if total := sum(size for _, _, size in self._seen.values()):
            done = sum(current for _, current, _ in self._seen.values())
            self._reporter.progress(min(done, total), total, "bytes", message.status)


class ClassicBuild:
    """What the messages of a build have told so far."""

    def __init__(self, reporter: Reporter, redactor: Redactor) -> None:
        self.containers: list[str] = []
        self.images: list[str] = []
        """Untagged images that this build made, oldest first."""
        self.redactor = redactor
        self._layers = LayerLog(reporter, redactor.write)
        self._reporter = reporter
        self._id = ""
        self._error = ""
        self._step = ""
        self._cached = False

    def take(self, message: Message) -> None:
        """Tell what a message says, and remember what it names."""
        if message.error:
            self._error = self._error or message.error
            self.redactor.write(f"{message.error}\n".encode("utf-8", "replace"))
        if message.stream:
            self.redactor.write(message.stream.encode("utf-8", "replace"))
            if len(message.stream) < 4096:
                self._read(message.stream)
        else:
            self._layers.take(message)
        if found := message.aux.get("ID"):
            self._id = str(found)

    def _read(self, text: str) -> None:
        """Note step, container and image of the builder's own lines."""
        if found := _STEP.match(text):
            self._step = found[0].strip()
            self._cached = False
            self._reporter.progress(int(found[1]) - 1, int(found[2]), "steps", found[3].strip()[:200])
        elif found := _RUNNING.match(text):
            self.containers.append(found[1])
        elif text.startswith(" ---> Using cache"):
            self._cached = True
        elif found := _IMAGE.match(text):
            # The one of `FROM` is the base image.
            if not self._cached and not self._step.partition(" : ")[2].upper().startswith("FROM "):
                self.images.append(found[1])
            self._cached = False
        elif found := _BUILT.match(text):
            self._id = self._id or found[1]
        elif found := _BARE_ID.fullmatch(text.strip()):
            self._id = self._id or f"sha256:{found[1]}"

    def finish(self) -> str:
        """The id of the image. Raises NuvError where the build failed, or ended without one."""
        if self._error:
            raise NuvError(
                "The build failed",
                self.redactor.text(f"{self._step}: {self._error}" if self._step else self._error),
                hint(self._error),
            )
        if not self._id:
            raise NuvError("The build failed", "the engine ended it without naming an image")
        return self._id


def hint(message: str) -> str:
    """What to do about an engine's error."""
    if re.search(r"no space left", message, re.I):
        return "The engine's disk is full: `docker system df` shows what could go."
    if re.search(r"network (?:bridge|mode).*not found|failed to create endpoint", message, re.I):
        return "The engine has no bridge network: set `build_network: host` (NUVTUI_BUILD_NETWORK=host)."
    if re.search(r"no such host|name resolution|i/o timeout|connection refused|TLS handshake", message, re.I):
        return "Is the network reachable from the engine? Settings: ca_bundle, pip_index, apt_mirror, build_network."
    return "The log's last lines say more."
