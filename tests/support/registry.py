"""The suite's own image registry on the loopback: with and without sign-in, with and without TLS."""

import base64
import json
import shutil
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.support.environment import neutral
from tests.support.service import Service, ServiceError, new_folder
from tests.support.waiting import free_port, listens

USER = "ada"
PASSWORD = "a-password-of-the-tests-%/+"  # with signs that URL-encoding changes
MANIFESTS = (
    "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.oci.image.index.v1+json"
)


def missing() -> str:
    """Why no registry can be started here; empty: it can."""
    for program in ("docker-registry", "htpasswd"):
        if shutil.which(program) is None:
            return f"needs {program} (scripts/system-packages installs it)"
    return ""


def certificate(folder: Path) -> tuple[Path, Path, Path]:
    """CA, certificate of the loopback signed by it, and its key: PEM files in `folder`, made anew."""
    if shutil.which("openssl") is None:
        raise ServiceError("needs openssl (scripts/system-packages installs it)")
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    (folder / "san").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    for words in (
        (
            *("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem"),
            *("-days", "2", "-subj", "/CN=CA of tests", "-addext", "keyUsage=critical,keyCertSign,cRLSign"),
        ),
        ("req", *key, "-keyout", "tls.key", "-out", "tls.csr", "-subj", "/CN=localhost"),
        (
            *("x509", "-req", "-in", "tls.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"),
            *("-out", "tls.pem", "-days", "2", "-extfile", "san"),
        ),
    ):
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)
    return folder / "ca.pem", folder / "tls.pem", folder / "tls.key"


class Registry:
    """A running registry of the tests' own; deletion is enabled."""

    def __init__(
        self, signed: bool = False, tls: bool = False, auth: Mapping[str, object] | None = None
    ) -> None:
        """Start it; `signed`: only for `user` with `password`. Raises ServiceError where that fails.

        `tls`: over TLS, with a certificate of the CA in the file `ca`. `auth`: the registry's own setting of
        that name, instead of `signed`.
        """
        self.user, self.password = (USER, PASSWORD) if signed else ("", "")
        self.tls = tls
        self._auth = auth
        for attempt in range(5):
            try:
                self._service = self._start()
                return
            except ServiceError:  # somebody else took the port in between
                if attempt == 4:
                    raise

    def _start(self) -> Service:
        self.folder = new_folder("registry")
        self.port = free_port()
        self.host = f"127.0.0.1:{self.port}"
        config: dict[str, object] = {
            "version": "0.1",
            "log": {"accesslog": {"disabled": False}, "level": "info"},
            "storage": {
                "filesystem": {"rootdirectory": str(self.folder / "data")},
                "delete": {"enabled": True},
            },
            "http": {"addr": self.host, "secret": "of the tests"},
        }
        http = config["http"]
        assert isinstance(http, dict)
        self.ca = self.folder / "ca.pem"
        if self.tls:
            self.ca, cert, key = certificate(self.folder)
            http["tls"] = {"certificate": str(cert), "key": str(key)}
        if self._auth:
            config["auth"] = self._auth
        elif self.user:
            line = subprocess.run(
                ["htpasswd", "-Bin", self.user], input=self.password.encode(), capture_output=True, check=True
            ).stdout
            (self.folder / "htpasswd").write_bytes(line)
            config["auth"] = {"htpasswd": {"realm": "tests", "path": str(self.folder / "htpasswd")}}
        (self.folder / "config.yml").write_text(json.dumps(config))  # JSON is YAML
        return Service(
            "registry",
            ["docker-registry", "serve", self.folder / "config.yml"],
            self.folder,
            neutral(self.folder),
            lambda: listens(self.port),
        )

    def stop(self) -> None:
        """End it and remove all it had."""
        self._service.stop()

    def docker_config(self, folder: Path) -> Path:
        """Write a Docker config that is signed in to this registry into `folder`. Returns `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        word = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        (folder / "config.json").write_text(json.dumps({"auths": {self.host: {"auth": word}}}))
        return folder

    def request(self, method: str, path: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers (lower-case names) and body of a request of the registry's own API (`/v2/…`)."""
        scheme = "https" if self.tls else "http"
        context = ssl.create_default_context(cafile=str(self.ca)) if self.tls else None
        request = urllib.request.Request(f"{scheme}://{self.host}{path}", method=method)
        request.add_header("Accept", MANIFESTS)
        if self.user:
            word = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
            request.add_header("Authorization", f"Basic {word}")
        try:
            with urllib.request.urlopen(request, timeout=120, context=context) as answer:
                return answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, {k.lower(): v for k, v in error.headers.items()}, error.read()

    def digest(self, repository: str, tag: str) -> str | None:
        """Digest of `repository:tag`; None where there is no such image."""
        status, headers, _ = self.request("HEAD", f"/v2/{repository}/manifests/{tag}")
        return headers["docker-content-digest"] if status == 200 else None

    def repositories(self) -> list[str]:
        """Names of all repositories."""
        return list(json.loads(self.request("GET", "/v2/_catalog")[2])["repositories"])

    def tags(self, repository: str) -> list[str]:
        """Tags of `repository`; empty where it has none."""
        status, _, body = self.request("GET", f"/v2/{repository}/tags/list")
        return list(json.loads(body).get("tags") or []) if status == 200 else []


def running_registry(signed: bool = False) -> Iterator[Registry]:
    """A registry for as long as the generator lives."""
    registry = Registry(signed)
    try:
        yield registry
    finally:
        registry.stop()
