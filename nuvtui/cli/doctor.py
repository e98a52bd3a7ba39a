"""`doctor`: what works here, what does not, what to do."""

import os
import shutil
import sys

import click

from nuvtui import logfile, sanitise
from nuvtui.bootstrap import Services
from nuvtui.cli.common import formatted, services
from nuvtui.cli.output import emit, size
from nuvtui.errors import NuvError
from nuvtui.model.export import Finding


@click.command()
@click.option(
    "--log", is_flag=True, help="Print where the program's own log lies, and its last lines, instead."
)
@formatted
@click.pass_context
def doctor(ctx: click.Context, log: bool, form: str) -> None:
    """Say what works here, what does not, and what to do."""
    opened = services(ctx)
    if log:
        _log(opened, form)
        return
    findings = [*_terminal(), *_store(opened), *_remotes(opened), *_engine(opened)]
    emit(findings, form)
    if form == "tabulated":
        marks = {"note": "ok", "warning": "warn", "push": "warn", "stop": "bad"}
        for finding in findings:
            print(sanitise.line(f"{marks[finding.level]:<5} {finding.subject:<10} {finding.text}"))
            if finding.hint:
                print(sanitise.line(f"{'':<16} {finding.hint}"))


def _log(opened: Services, form: str) -> None:
    """Path and last lines of the log."""
    path, lines = logfile.path(opened.home), logfile.tail(opened.home)
    emit({"path": str(path), "lines": lines}, form)
    if form == "tabulated":
        print(sanitise.line(str(path)))
        for each in lines or ["Nothing is in it yet."]:
            print(sanitise.line(each))


def _terminal() -> list[Finding]:
    term = os.environ.get("TERM", "")
    found = []
    if term in ("", "dumb", "unknown"):
        found.append(
            Finding(
                "warning",
                "terminal",
                f"TERM is {term!r}: the screens need a real one",
                "Set TERM=xterm-256color.",
            )
        )
    else:
        width, height = shutil.get_terminal_size()
        found.append(Finding("note", "terminal", f"{term}, {width}x{height}"))
    encoding = (sys.stdout.encoding or "").lower()
    if encoding.replace("-", "") != "utf8":
        found.append(
            Finding("warning", "terminal", f"the encoding is {encoding}", "Use a UTF-8 locale, or --ascii.")
        )
    return found


def _store(opened: Services) -> list[Finding]:
    root = opened.home.root
    place = root
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    found = [Finding("note", "store", f"{root}, {size(free)} free")]
    if not os.access(place, os.W_OK):
        found = [
            Finding("stop", "store", f"{root} cannot be written", "Set NUVTUI_HOME to a folder of yours.")
        ]
    elif free < 1 << 30:
        found.append(
            Finding(
                "warning", "store", f"only {size(free)} free", "Free some, or move the store: NUVTUI_HOME."
            )
        )
    if opened.home.state.exists():
        found += _state(opened)
    return found


def _state(opened: Services) -> list[Finding]:
    state = opened.context.state
    repair = "nuvtui store repair adds what is missing."
    listed = {record.id for record in state.read().snapshots.all()}
    found = [
        Finding("warning", "state", f"a damaged state was kept as {path.name}", repair)
        for path in state.damaged()
    ]
    unlisted = [snapshot for snapshot in opened.context.store.manifest_ids() if snapshot not in listed]
    if unlisted:
        found.append(
            Finding("warning", "state", f"{len(unlisted)} snapshots are in the store, but not listed", repair)
        )
    return found


def _remotes(opened: Services) -> list[Finding]:
    """Every remote, asked once: can it be reached, and read with the keys that are here?"""
    if not opened.home.state.exists():
        return []
    found = []
    for remote in opened.remotes.list():
        subject = f"remote {remote.name}"
        if remote.write_only:
            found.append(Finding("note", subject, "this machine can only push to it: not asked"))
            continue
        status = opened.remotes.status(remote.name)
        if status.reachable:
            text = f"{status.snapshots:,} snapshots, {size(status.bytes)}, {'sealed' if status.encrypted else 'not sealed'}"
            found.append(Finding("note", subject, text))
        else:
            found.append(Finding("warning", subject, status.problem, f"nuvtui remotes show {remote.name}"))
    return found


def _engine(opened: Services) -> list[Finding]:
    """The engine that exports would use, every place where one was looked for, and how it builds."""
    from nuvtui.images.engine import buildkit
    from nuvtui.images.engine.discovery import discover

    discovery = discover(opened.settings, all_answers=True)
    wanted = opened.settings.engine
    found = [discovery.finding()]
    for attempt in discovery.tried if discovery.engine is not None else []:
        found.append(Finding("note", "engine", f"not at {attempt.where}: {attempt.problem}"))
    for other in discovery.others:
        hint = "DOCKER_HOST chooses another engine than the one above."
        found.append(Finding("note", "engine", f"{other} answers as well", hint))
    if wanted == "docker" and discovery.engine is None:
        text = "the setting engine asks for docker, and no engine answers"
        found.append(Finding("warning", "engine", text, "Settings `engine: auto` and `oci` need no engine."))
    if discovery.engine is not None and discovery.product.name != "Podman":
        buildx = buildkit.find()
        text = f"docker buildx {buildx.version}: builds run in BuildKit"
        if buildx.problem:
            text = f"{buildx.problem}: builds run in the engine's classic builder"
        found.append(Finding("note", "buildx", text))
    chosen = wanted == "oci" or (wanted == "auto" and discovery.engine is None)
    text = "built in, needs no engine and no root: always there"
    found.append(Finding("note", "oci", f"{text}; exports use it" if chosen else text))
    return [*found, *_registry(opened)]


def _registry(opened: Services) -> list[Finding]:
    from nuvtui.images import reference as references
    from nuvtui.images.registry.credentials import credentials

    target = opened.settings.registry
    try:
        signed = credentials(target.split("/")[0]) is not None
    except NuvError as error:
        return [Finding("warning", "registry", str(error), error.hint)]
    public = references.is_public(target, opened.settings.private_registries)
    text = f"{target}: {'signed in' if signed else 'not signed in'}, {'public' if public else 'private'}"
    hint = "" if signed else f"Sign in where the registry asks for it: docker login {target.split('/')[0]}"
    return [Finding("note" if signed else "warning", "registry", text, hint)]
