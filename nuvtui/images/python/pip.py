"""pip as a process, for another Python than the one it runs with: its settings, its log, its end, its errors."""

import json
import os
import re
import select
import signal
import ssl
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from nuvtui.config import Settings
from nuvtui.errors import Exit, NuvError
from nuvtui.images import site
from nuvtui.images.python.interpreter import ImagePython
from nuvtui.images.redact import Redactor
from nuvtui.reporter import Reporter

_WAY_OUT = (
    "Export with an engine (`--engine docker`), which can build it inside the image; "
    "or name a version that has a wheel for this platform."
)
_KEPT_SETTINGS = (
    "CACHE_DIR", "CERT", "CLIENT_CERT", "CONFIG_FILE", "CONSTRAINT", "DEFAULT_TIMEOUT", "EXTRA_INDEX_URL",
    "FIND_LINKS", "INDEX_URL", "KEYRING_PROVIDER", "NO_CACHE_DIR", "NO_INDEX", "PRE", "PREFER_BINARY", "PROXY",
    "RETRIES", "TIMEOUT", "TRUSTED_HOST", "USE_DEPRECATED", "USE_FEATURE",
)  # fmt: skip
_KEPT_VARIABLES = {
    "PATH", "HOME", "USER", "LOGNAME", "NETRC", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "DBUS_SESSION_BUS_ADDRESS",
    *(f"PIP_{name}" for name in _KEPT_SETTINGS),
}  # fmt: skip
"""What pip gets of this process's environment: how the index is reached, never what is to be done."""
_KEPT_PREFIXES = ("XDG_", "SSL_CERT_")
_PROXIES = frozenset({"http_proxy", "https_proxy", "no_proxy", "all_proxy"})
_PATHS = {
    f"PIP_{name}" for name in ("CACHE_DIR", "CERT", "CLIENT_CERT", "CONFIG_FILE", "CONSTRAINT", "FIND_LINKS")
}
"""Variables with paths: pip runs in another folder, where relative ones would lead nowhere."""
_NEUTRAL = {
    "LANG": "C.UTF-8",
    "PIP_REQUIRE_VIRTUALENV": "0",
    "PIP_NO_DEPS": "0",
    "PIP_REQUIRE_HASHES": "0",
}
"""Settings that a user's pip.conf may have for installs of their own, and that would spoil this one."""
_MACHINES = ("x86_64", "aarch64", "i686", "armv7l", "ppc64le", "s390x", "riscv64")
_TAIL = 1 << 18
"""So much of pip's output is kept to say what went wrong."""

_BUILDERS = ("python", "git", "hg", "svn", "bzr")
_BUILDS = 86
"""The runner's exit status where pip began to build something."""
_RUNNER = f"""\
import json, os, platform, runpy, sys, threading

def end():
    os.read(0, 1)  # returns when the process at the other end is gone, however it went
    os._exit(1)

def alone(event, arguments):
    if event == "subprocess.Popen":
        program = os.path.basename(os.fsdecode(arguments[0]))
        if program != "keyring":
            begun.append(program)
            raise PermissionError(f"{{program}} is not started: nothing is built here")

threading.Thread(target=end, daemon=True).start()
begun = []
sys.addaudithook(alone)
for name, value in json.loads(sys.argv.pop(1)).items():
    setattr(platform, name, lambda value=value: value)
try:
    runpy.run_module("pip", run_name="__main__", alter_sys=True)
except SystemExit as ended:
    built = [program for program in begun if program.startswith({_BUILDERS!r})]
    sys.exit({_BUILDS} if ended.code and built else ended.code)
"""
"""pip for another machine. As it is, pip has two habits that would spoil the result: it judges
`; python_version < "3.13"` by the Python that it runs with, as the standard library's `platform` describes it; and
it builds what a package asks for by URL in spite of `--only-binary`, which is done by processes that it starts."""


def download(
    requirements: str,
    python: ImagePython,
    work: Path,
    settings: Settings,
    reporter: Reporter,
    secret_values: Sequence[str],
) -> None:
    """Put the wheels of `requirements`, and of all that they need, into `work`/wheels, which is new.

    `work`/tmp is pip's scratch room. Raises NuvError and Cancelled; pip and all that it started have ended then.
    """
    (work / "tmp").mkdir()
    listed = work / "tmp" / "requirements.txt"
    listed.write_text(requirements, "utf-8")
    environ = _environment(settings, work / "tmp")
    values = [*secret_values, *site.secret_values(settings), *_credentials(environ)]
    tail = bytearray()

    def log(data: bytes) -> None:
        reporter.log(data)
        tail.extend(data)
        del tail[:-_TAIL]

    status = _follow(_command(python, listed, work), environ, work, Redactor(log, values), reporter)
    if status:
        raise _failure(tail.decode("utf-8", "replace"), python, status)


def _command(python: ImagePython, listed: Path, work: Path) -> list[str]:
    arguments = ["download", "--dest", str(work / "wheels")]
    for tag in python.platforms:
        arguments += ["--platform", tag]
    arguments += ["--python-version", python.version, "--implementation", "cp"]
    arguments += ["--abi", f"cp{python.version.replace('.', '')}", "--only-binary=:all:", "--no-input"]
    arguments += ["--disable-pip-version-check", "--progress-bar=off", "--no-color", "-r", str(listed)]
    # -I: neither the current folder nor PYTHON… variables have a say in what runs here.
    return [sys.executable, "-I", "-c", _RUNNER, json.dumps(_platform(python)), *arguments]


def _platform(python: ImagePython) -> dict[str, str | list[str]]:
    """What `; python_version < "3.13"` and its like are judged by: functions of `platform` and their answers."""
    machine = next((name for name in _MACHINES if any(tag.endswith(name) for tag in python.platforms)), "")
    return {
        "machine": machine,
        "python_implementation": "CPython",
        "python_version": f"{python.version}.0",
        "python_version_tuple": [*python.version.split("."), "0"],
        "release": "",
        "system": "Linux",
        "version": "",
    }


def _environment(settings: Settings, temporary: Path) -> dict[str, str]:
    environ = {
        name: value
        for name, value in os.environ.items()
        if name in _KEPT_VARIABLES or name.startswith(_KEPT_PREFIXES) or name.lower() in _PROXIES
    }
    for name in _PATHS & environ.keys():
        environ[name] = " ".join(_absolute(word) for word in environ[name].split(" "))
    if settings.pip_index:
        # In the environment, not on the command line: that one every user of the machine can read.
        environ["PIP_INDEX_URL"] = settings.pip_index
    if settings.ca_bundle:
        bundle = temporary / "certificates.pem"
        bundle.write_bytes(_certificates(settings, environ))
        environ["PIP_CERT"] = str(bundle)
    return {**environ, **_NEUTRAL, "TMPDIR": str(temporary)}


def _absolute(word: str) -> str:
    return str(Path(word).absolute()) if word and "://" not in word and Path(word).exists() else word


def _certificates(settings: Settings, environ: Mapping[str, str]) -> bytes:
    """The site's certificates and those that pip would have used without them."""
    default = ssl.get_default_verify_paths().cafile
    others = (environ.get("PIP_CERT"), environ.get("SSL_CERT_FILE"), default)
    files = [settings.ca_bundle, next((name for name in others if name and Path(name).is_file()), None)]
    return b"\n".join(Path(name).expanduser().read_bytes() for name in files if name)


def _credentials(environ: Mapping[str, str]) -> list[str]:
    """User and password of every URL that pip is set up with: its variables, and its files of settings."""
    texts = [value for name, value in environ.items() if name.startswith("PIP_") or name.lower() in _PROXIES]
    home = Path(environ.get("HOME") or "/nonexistent")
    folders = [Path(environ.get("XDG_CONFIG_HOME") or home / ".config")]
    folders += [Path(name) for name in (environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":")]
    files = [folder / "pip" / "pip.conf" for folder in folders]
    files += [home / ".pip" / "pip.conf", Path("/etc/pip.conf"), Path(sys.prefix) / "pip.conf"]
    if "PIP_CONFIG_FILE" in environ:
        files.append(Path(environ["PIP_CONFIG_FILE"]))
    for file in files:
        try:
            texts.append(file.read_text("utf-8", "replace"))
        except OSError:
            continue
    urls = [url for text in texts for url in re.findall(r"[a-z+]+://[^\s'\"]*@[^\s'\"]*", text)]
    found: list[str] = []
    for url in urls:
        try:
            found += site.url_secrets([url])
        except ValueError:
            continue
    return found


def _follow(
    command: list[str], environ: dict[str, str], folder: Path, redactor: Redactor, reporter: Reporter
) -> int:
    """Run `command` in a process group of its own and pass its output on. Returns its status."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environ,
        cwd=folder / "tmp",
        umask=0o022,
        process_group=0,
    )
    assert process.stdout is not None
    assert process.stdin is not None

    def kill() -> None:
        if process.returncode is None:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                return

    try:
        with reporter.on_cancel(kill):
            reporter.check()
            output = process.stdout.fileno()
            while True:
                if not select.select([output], [], [], 0.5)[0]:
                    reporter.check()
                    continue
                data = os.read(output, 1 << 16)
                if not data:
                    break
                redactor.write(data)
                reporter.check()
            redactor.flush()
            status = process.wait()
    finally:
        kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()
    reporter.check()
    return status


def _failure(output: str, python: ImagePython, status: int) -> NuvError:
    """The error that pip's output stands for."""
    errors = re.findall(r"^ERROR: (.*)$", output, re.MULTILINE)
    where = f"Python {python.version} on {python.platforms[0]}"
    if status == _BUILDS:
        # `Collecting name@ https://…`, or `Processing /path/name-2.0.tar.gz`: the last is what it stopped at.
        asked = re.findall(
            r"^(?:Collecting ([A-Za-z0-9._-]+)|Processing /(?:\S*/)?(\S+?)(?:-\d[^-\s]*)?\s)",
            output,
            re.MULTILINE,
        )
        name = "".join(asked[-1]) if asked else "a package"
        return _no_wheel(name, f"it would have to be built for {where}")
    unreachable = re.search(
        r"^(?:WARNING: Retrying .*|WARNING: Could not fetch URL .*|ERROR: Could not install packages due to an OSError: "
        r"(?:HTTP|SOCKS).*|.*Max retries exceeded.*|ERROR: (?:HTTP error|401|403|5\d\d).*)$",
        output,
        re.MULTILINE,
    )
    if unreachable:
        return NuvError(
            "The package index does not answer",
            unreachable[0].removeprefix("WARNING: ").removeprefix("ERROR: ")[:500],
            "Settings pip_index and ca_bundle say where it is and what certificates it has; the log has it all.",
        )
    for error in errors:
        missing = re.match(r"No matching distribution found for (.+)", error)
        if missing:
            return _no_wheel(missing[1].strip(), f"the package index has none for {where}")
        wrong = re.match(r"(\S+\.whl) is not a supported wheel on this platform", error)
        if wrong:
            return NuvError(
                f"{wrong[1]} does not run in the image",
                f"expected a wheel for {where}",
                _WAY_OUT,
                Exit.REFUSED,
            )
    if "ResolutionImpossible" in output or "conflicting dependencies" in output:
        conflict = re.search(r"The conflict is caused by:\n((?:[ \t]+.*\n)+)", output)
        rows = [row.strip() for row in conflict[1].splitlines()] if conflict else errors[:1]
        return NuvError(
            "The packages cannot be installed together",
            "; ".join(rows)[:1000],
            "Change the versions under `packages.pip`; one that fits may have no wheel here: then use an engine.",
            Exit.REFUSED,
        )
    # Where pip itself broke, its error is the last line of a traceback.
    said = [error for error in errors if error != "Exception:"] or output.strip().splitlines()[-1:]
    last = said[0] if said else f"it ended with status {status}"
    return NuvError("pip failed", last[:500], "The log has all that it said.")


def _no_wheel(package: str, why: str) -> NuvError:
    return NuvError(f"No wheel of {package}", why, _WAY_OUT, Exit.REFUSED)
