"""Whether an image does what was promised: run as strangers will run it, or where nothing can, looked into."""

from __future__ import annotations

import contextlib
import posixpath
import re
import time
from typing import TYPE_CHECKING

from nuvtui import clock
from nuvtui.errors import Exit, NuvError
from nuvtui.model.export import Check, ExportRecord, Report, Verification
from nuvtui.reporter import Reporter

if TYPE_CHECKING:
    from nuvtui.images.engine.image_tree import ImageTree
    from nuvtui.images.engine.protocol import Daemon
    from nuvtui.images.facts import ImageFacts
    from nuvtui.services.exports.parts import Images

USER = "54321:54321"
"""A user that no image knows."""
RUN_SECONDS = 600.0
"""So long a command that ends by itself may take, or a service until it answers."""
_SHOWN = 300
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where engines look in an image that sets no PATH: moby's `oci.DefaultPathEnv`."""
_HEAD = 256
"""Bytes of a script that Linux reads to find its interpreter (`BINPRM_BUF_SIZE`)."""
_SCRIPTS = 4
"""So many scripts may interpret each other, as in Linux (`exec_binprm`)."""
_INFO = re.compile(r"(?:site|dist)-packages/(?P<name>[^/]+?)-(?P<version>[^-/]+)\.(?:dist|egg)-info(?:/|$)")
_CONDA = re.compile(r"conda-meta/(?P<name>.+)-(?P<version>[^-]+)-[^-]+\.json$")


def verify(images: Images, record: ExportRecord, report: Report, reporter: Reporter) -> Verification:
    """Look at the image of an export in every way that there is here. Raises NuvError, Cancelled."""
    checks = [_run(images, record, report, reporter)]
    reporter.progress(1, 3, "steps", "packages")
    if record.engine == "oci":
        with images.oci.tree(record.image, reporter) as tree:
            paths = tree.paths
            checks += [_packages(paths, report), *_looked(tree, record, images)]
    else:
        engine = images.discovery.required()
        paths = [fact.path for fact in engine.list_files(record.image, "/", reporter)]
        checks.append(_packages(paths, report))
    return Verification(clock.now(), checks)


def _run(images: Images, record: ExportRecord, report: Report, reporter: Reporter) -> Check:
    """Run it: no network, read-only root, a user that it does not know."""
    discovery = images.discovery
    other = record.engine == "oci"
    if other and discovery.engine is None:
        return Check(
            "run", "not done", "no engine is here that could run it; what can be checked without was"
        )
    engine = discovery.required()
    loaded = False
    try:
        if other:
            reporter.progress(0, 3, "bytes", "handing the image to an engine")
            had = engine.inspect(record.image) is not None
            engine.load_from(images.oci.pieces(record.image), record.image, reporter)
            loaded = not had
        return _answers(engine, record, report, reporter)
    except NuvError as error:
        if error.exit_code == Exit.CANCELLED:
            raise
        return Check("run", "failed", str(error)[:1000])
    finally:
        if loaded:
            with contextlib.suppress(NuvError):
                engine.remove(record.image)


def _answers(engine: Daemon, record: ExportRecord, report: Report, reporter: Reporter) -> Check:
    """The command ends well; a service answers its health check, or stays up."""
    reporter.progress(1, 3, "steps", "running it")
    # Licence and secrets are not there: only that the image says so, and starts, can be seen.
    with engine.trial(record.image, reporter, USER) as running:
        deadline = time.monotonic() + RUN_SECONDS
        healthy = ""
        while True:
            reporter.check()
            state = running.state()
            if not state.running:
                break
            if report.healthcheck and running.execute(report.healthcheck) == 0:
                healthy = (
                    f"it answers its health check as user {USER}, without network, on a read-only system"
                )
                break
            if not report.healthcheck and report.ports and running.age() > 10:
                healthy = "it stays up (it has ports, but no health check that could be asked)"
                break
            if time.monotonic() > deadline:
                what = "no answer to its health check" if report.healthcheck else "no end"
                return Check("run", "failed", f"{what} within {RUN_SECONDS:g} s. {_last(running.output())}")
            time.sleep(0.2)
        output = running.output()
        if healthy:
            return Check("run", "passed", healthy)
        if state.exit_code == 0:
            return Check(
                "run",
                "passed",
                f"its command ends well as user {USER}, without network, on a read-only system",
            )
        ended = f"its command ends with exit code {state.exit_code}. {_last(output)}"
        if report.license_variables or report.license_files or report.secrets:
            return Check("run", "not done", f"it lacks its licence or secrets here; without them {ended}")
        return Check("run", "failed", ended)


def _last(output: bytes) -> str:
    text = " ".join(output.decode("utf-8", "replace").split())
    return f"It said last: {text[-_SHOWN:]}" if text else "It said nothing."


def _packages(paths: list[str], report: Report) -> Check:
    """The packages inside against the lock and what was installed."""
    inside: set[tuple[str, str]] = set()
    for path in paths:
        found = _INFO.search(path) or _CONDA.search(path)
        if found:
            inside.add((_normal(found["name"]), found["version"]))
    wanted = {(_normal(name), version) for name, version in report.installed}
    lock = report.lock
    if lock is not None and lock.manager in ("venv", "conda"):
        wanted |= {(_normal(p.name), p.version) for p in lock.packages if p.source in ("pip", "conda")}
    if lock is not None and lock.manager == "R":
        return Check(
            "packages",
            "not done",
            "the versions of R packages are not in their names; they were not compared",
        )
    if not wanted:
        return Check("packages", "passed", "no lock and nothing installed: there is nothing to compare")
    have = {name for name, _ in inside}
    missing = sorted(f"{n} {v}" for n, v in wanted - inside if n not in ("pip", "setuptools", "wheel"))
    if not missing:
        return Check(
            "packages", "passed", f"all packages of the lock ({len(wanted):,}) are in it, in their versions"
        )
    other = [item for item in missing if item.split()[0] in have]
    said = f"{len(missing)} of {len(wanted):,} packages are missing or of another version: {', '.join(missing[:10])}"
    return Check("packages", "failed", said + (f" ({len(other)} in another version)" if other else ""))


def _looked(tree: ImageTree, record: ExportRecord, images: Images) -> list[Check]:
    """What can be told without running: shared libraries, interpreter, configuration."""
    from nuvtui.images.host.libraries import missing
    from nuvtui.images.host.trees import VirtualTree

    lacking = missing(VirtualTree(tree.openers(), tree.links))
    checks = []
    if lacking:
        shown = "; ".join(f"{file} needs {library}" for file, library in lacking[:5])
        checks.append(Check("libraries", "failed", f"{len(lacking)} shared libraries are missing: {shown}"))
    else:
        checks.append(
            Check("libraries", "passed", "every shared library that a program in it needs is there")
        )
    return [*checks, _configuration(tree, record, images)]


def configuration(images: Images, record: ExportRecord, reporter: Reporter) -> Check:
    """Whether an image of the engine `oci` can start at all: its command, interpreter and working folder are in it."""
    with images.oci.tree(record.image, reporter) as tree:
        return _configuration(tree, record, images)


def _configuration(tree: ImageTree, record: ExportRecord, images: Images) -> Check:
    facts = images.oci.inspect(record.image)
    assert facts is not None
    words = [*facts.entrypoint, *facts.command]
    if not words:
        return Check("configuration", "failed", "it has no command")
    if problem := _start_problem(words[0], tree, facts):
        return Check("configuration", "failed", problem)
    scripts = [w for w in facts.command[1:2] if w.endswith((".py", ".sh", ".R")) and record.with_files]
    below = facts.workdir.strip("/")
    missing = [w for w in scripts if not (tree.find(f"{below}/{w}".strip("/")) or tree.find(w.strip("/")))]
    if missing:
        return Check("configuration", "failed", f"its command needs {', '.join(missing)}, which is not in it")
    if facts.workdir.startswith("/files") and tree.find(facts.workdir.strip("/")) is None:
        return Check("configuration", "failed", f"its working folder {facts.workdir} is not in it")
    return Check("configuration", "passed", "command, interpreter and working folder are in it")


def _start_problem(word: str, tree: ImageTree, facts: ImageFacts, scripts: int = _SCRIPTS) -> str:
    """Why an engine cannot start the program `word`; empty where nothing speaks against it.

    As runc does it: a name with a slash is looked for from the working folder, any other one along PATH; the first
    that may be executed counts; a script's interpreter has to be there under the very name in its first line.
    """
    folders = [facts.workdir] if "/" in word else (facts.env.get("PATH") or _PATH).split(":")
    places = [posixpath.normpath(posixpath.join("/", folder, word)).lstrip("/") for folder in folders]
    there = [place for place in places if tree.find(place)]
    if not there:
        return f"its command needs {word}, which is not in it"
    program = next((place for place in there if tree.executable(place)), None)
    if program is None:
        return f"its command {word} may not be executed: chmod +x {word}"
    head = tree.read(program, _HEAD) or b""
    if not head.startswith(b"#!"):
        return ""
    line = head.partition(b"\n")[0]
    if line.endswith(b"\r"):
        return f"the first line of its command {word} ends as on Windows (CR LF): no system finds that interpreter"
    words = line[2:].decode("utf-8", "replace").split()
    if not words or not tree.find(words[0].lstrip("/")):
        return (
            f"its command {word} needs the interpreter {words[0] if words else '(none)'}, which is not in it"
        )
    if posixpath.basename(words[0]) == "env" and len(words) == 2 and "/" not in words[1]:
        if not scripts:
            return f"its command {word} is a script whose interpreters are scripts without end"
        return _start_problem(words[1], tree, facts, scripts - 1)
    return ""


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
