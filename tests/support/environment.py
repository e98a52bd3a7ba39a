"""What a test may see of the machine: nothing but the search path and a fixed, neutral environment."""

import os
import sys
from pathlib import Path

KEPT = ("PATH", "TMPDIR")
KEPT_PREFIXES = ("PYTEST_", "TEXTUAL_SNAPSHOT_", "OPENBLAS_", "COVERAGE_")
FIXED = {
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
    "TERM": "xterm-256color",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "Ada Test",
    "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_COMMITTER_NAME": "Ada Test",
    "GIT_COMMITTER_EMAIL": "ada@example.org",
}
UMASK = 0o022

PACKAGE_INDEX_PREFIXES = ("PIP_", "SSL_CERT_")
PACKAGE_INDEX = {
    "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
    "http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
    "all_proxy", "ALL_PROXY",
}  # fmt: skip
"""Variables by which this machine's package clients find their registry: for the tests that need it."""

machine = dict(os.environ)
"""The environment that the run of the tests was started with."""


def package_index() -> dict[str, str]:
    """The variables by which pip finds its registry on this machine, the user's settings file included."""
    found = {
        name: value
        for name, value in machine.items()
        if name in PACKAGE_INDEX or name.startswith(PACKAGE_INDEX_PREFIXES)
    }
    if "PIP_CONFIG_FILE" not in found:
        home = Path(machine.get("HOME", "/nonexistent"))
        settings = Path(machine.get("XDG_CONFIG_HOME") or home / ".config") / "pip" / "pip.conf"
        for file in (settings, home / ".pip" / "pip.conf"):
            if file.is_file():
                found["PIP_CONFIG_FILE"] = str(file)
                break
    return found


def scrub(home: Path) -> None:
    """Make the environment of this process the neutral one, with `home` as home folder."""
    for name in list(os.environ):
        if name not in KEPT and not name.startswith(KEPT_PREFIXES):
            del os.environ[name]
    os.environ.update(neutral(home))
    os.umask(UMASK)


def neutral(home: Path) -> dict[str, str]:
    """The neutral environment; the engine it names does not exist: no test meets the machine's own."""
    return {
        **{name: os.environ[name] for name in KEPT if name in os.environ},
        **FIXED,
        "HOME": str(home),
        "DOCKER_HOST": f"unix://{home}/no-engine.sock",
        "DOCKER_CONFIG": f"{home}/.docker",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        if str(Path(sys.executable).parent) not in os.environ.get("PATH", "").split(os.pathsep)
        else os.environ["PATH"],
    }
