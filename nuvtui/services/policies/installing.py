"""Installing a schedule: as a timer of the user's systemd, or as a line of the user's crontab.

What others wrote stays byte for byte: units have names of their own, the crontab's block stands between two marks at
the top, where no variable that others set reaches it.
"""

import contextlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from nuvtui import atomic, clock
from nuvtui.errors import Exit, NuvError
from nuvtui.model.plan_digest import plan_digest
from nuvtui.model.policy import Installed, Policy
from nuvtui.model.schedule import Schedule
from nuvtui.paths import Home
from nuvtui.services.context import system_user

Where = Literal["systemd", "crontab"]
PATIENCE = 30.0
"""Seconds that systemctl and crontab have."""


class Plan(NamedTuple):
    """What would be installed."""

    installed: Installed
    files: dict[str, str]
    """Text of each unit by its path; of a crontab, its block under the name `crontab`."""


def plan(home: Home, policy: Policy, called: str, where: Where | None) -> Plan:
    """What installing the schedule of `policy` would write; `called`: the instance, for people.

    `where` None: systemd where the user's answers, else the crontab. Raises NuvError (6) where neither is there.
    """
    assert policy.schedule is not None
    where = where or _best()
    key = plan_digest("policy", str(home.root), policy.id)
    command = _command(home, policy)
    called = "".join(letter if letter.isprintable() else "?" for letter in called)
    installed = Installed(where, system_user(), os.uname().nodename, key, policy.schedule, clock.now())
    if where == "crontab":
        return Plan(installed, {"crontab": _block(key, policy.schedule, command, called)})
    service, timer = _units(key)
    return Plan(
        installed,
        {str(service): _service(command, called), str(timer): _timer(policy.schedule, called)},
    )


def install(planned: Plan) -> None:
    """Write what `plan` said, in place of what an earlier one wrote. Raises NuvError; then nothing is left of it."""
    key = planned.installed.key
    if planned.installed.where == "crontab":
        text = planned.files["crontab"].encode("utf-8")
        _write_crontab(text + _without(key, _read_crontab()))
        return
    try:
        for path, unit in planned.files.items():
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            atomic.write_file(Path(path), unit.encode("utf-8"), 0o644)
        _systemctl("daemon-reload")
        _systemctl("enable", "--now", _units(key)[1].name)
        _systemctl("restart", _units(key)[1].name)  # one that ran already takes the new times
    except (OSError, NuvError) as error:
        with contextlib.suppress(NuvError, OSError):
            _remove_units(key)
        if isinstance(error, NuvError):
            raise
        raise NuvError("The timer cannot be written", f"{error.filename}: {error.strerror}") from error


def is_ours(installed: Installed) -> bool:
    """True where this account installed it on this machine."""
    return (installed.user, installed.host) == (system_user(), os.uname().nodename)


def remove_where_ours(policies: Iterable[Policy]) -> None:
    """Remove the schedules of policies whose instances are about to be deleted. Raises NuvError."""
    for policy in policies:
        if policy.installed is not None and is_ours(policy.installed):
            remove(policy.installed)


def remove(installed: Installed) -> None:
    """Remove what `install` wrote, and nothing else; what is gone already is gone. Raises NuvError."""
    if not is_ours(installed):
        raise NuvError(
            "The schedule is not installed here",
            f"{installed.user} installed it on {installed.host}",
            "Remove it as that user, on that machine; to leave it there: `nuvtui policy remove --elsewhere`.",
            Exit.REFUSED,
        )
    if installed.where == "crontab":
        if shutil.which("crontab") is None:
            return  # without cron nothing runs its line
        before = _read_crontab()
        after = _without(installed.key, before)
        if after != before:
            _write_crontab(after)
        return
    try:
        _remove_units(installed.key)
    except OSError as error:
        raise NuvError("The timer cannot be removed", f"{error.filename}: {error.strerror}") from error


# -- what is run


def _command(home: Home, policy: Policy) -> list[str]:
    """The command line of a scheduled run. Raises NuvError (6) where a path in it cannot be written down."""
    program = Path(sys.executable).with_name("nuvtui")
    start = [str(program)] if program.is_file() else [sys.executable, "-P", "-m", "nuvtui"]
    config = os.environ.get("XDG_CONFIG_HOME", "")
    settings = ["/usr/bin/env", f"XDG_CONFIG_HOME={config}"] if config else []
    run = ["policy", "run", "--quiet", "--yes", "-s", policy.space, "-i", policy.id]
    words = [*settings, *start, "--home", str(home.root), *run]
    strange = next((word for word in words if not word.isprintable()), None)
    if strange is not None:
        raise NuvError(
            "The schedule cannot be installed",
            f"the path {strange!r} has characters that a timer or crontab cannot hold",
            "Keep the store under another path (`--home`).",
            Exit.REFUSED,
        )
    return words


# -- systemd


def _units(key: str) -> tuple[Path, Path]:
    config = os.environ.get("XDG_CONFIG_HOME", "")
    base = Path(config) if config and Path(config).is_absolute() else Path.home() / ".config"
    folder = base / "systemd" / "user"
    return folder / f"nuvtui-policy-{key}.service", folder / f"nuvtui-policy-{key}.timer"


def _quoted(word: str) -> str:
    """A word of `ExecStart=`: no specifier, no variable, no escape in it is one."""
    for old, new in (("\\", "\\\\"), ('"', '\\"'), ("%", "%%"), ("$", "$$")):
        word = word.replace(old, new)
    return f'"{word}"'


def _service(command: Sequence[str], called: str) -> str:
    return (
        "# Written by `nuvtui policy install`; `nuvtui policy remove` removes it.\n"
        f"[Unit]\nDescription=Policy of {called.replace('%', '%%')} (nuvtui)\n\n"
        f"[Service]\nType=oneshot\nExecStart={' '.join(_quoted(word) for word in command)}\n"
        "Nice=10\nIOSchedulingClass=idle\n"
    )


def _timer(schedule: Schedule, called: str) -> str:
    return (
        "# Written by `nuvtui policy install`; `nuvtui policy remove` removes it.\n"
        f"[Unit]\nDescription=Policy of {called.replace('%', '%%')} (nuvtui), {schedule.text}\n\n"
        f"[Timer]\nOnCalendar={schedule.calendar}\nPersistent=true\n\n"
        "[Install]\nWantedBy=timers.target\n"
    )


def _systemctl(*arguments: str) -> None:
    done = _run(["systemctl", "--user", *arguments])
    if done.returncode:
        raise NuvError(
            "systemd does not take the timer",
            f"systemctl --user {' '.join(arguments)}: {_said(done)}",
            "Use the crontab: `nuvtui policy install --with crontab`.",
        )


def _remove_units(key: str) -> None:
    service, timer = _units(key)
    with contextlib.suppress(NuvError):
        _systemctl("disable", "--now", timer.name)
    with contextlib.suppress(NuvError):
        _systemctl("clean", "--what=state", timer.name)
    for file in (timer, service):
        file.unlink(missing_ok=True)
    with contextlib.suppress(NuvError):
        _systemctl("daemon-reload")


# -- crontab


def _marks(key: str) -> tuple[str, str]:
    return f"# nuvtui-policy-{key} begins", f"# nuvtui-policy-{key} ends"


def _block(key: str, schedule: Schedule, command: Sequence[str], called: str) -> str:
    begin, end = _marks(key)
    line = " ".join(shlex.quote(word) for word in command).replace("%", "\\%")
    return f"{begin}\n# {called}, {schedule.text}; `nuvtui policy remove` removes it\n{schedule.cron} {line}\n{end}\n"


def _without(key: str, crontab: bytes) -> bytes:
    """`crontab` without our block, all else as it is. Raises NuvError (5) where a mark stands alone."""
    begin, end = (re.escape(mark.encode("ascii")) for mark in _marks(key))
    rest = re.sub(rb"(?m)^%b\n(?:(?!%b$).*\n)*?%b(?:\n|\Z)" % (begin, begin, end), b"", crontab)
    if re.search(rb"(?m)^(?:%b|%b)$" % (begin, end), rest):
        raise NuvError(
            "The crontab was changed by hand",
            f"a mark of nuvtui's block ({_marks(key)[0]} … {_marks(key)[1]}) is missing",
            "Delete what is left of the block: `crontab -e`.",
            Exit.CONFLICT,
        )
    return rest


def _read_crontab() -> bytes:
    """The user's crontab; empty where there is none."""
    done = _run(["crontab", "-l"])
    if done.returncode == 0:
        return done.stdout
    if b"no crontab" in done.stderr.lower():  # the only way in which crontab tells it
        return b""
    raise NuvError("The crontab cannot be read", _said(done), "See `crontab -l`.")


def _write_crontab(text: bytes) -> None:
    done = _run(["crontab", "-"], text) if text else _run(["crontab", "-r"])
    if done.returncode:
        raise NuvError("The crontab cannot be written", _said(done), "It is as it was: see `crontab -l`.")
    if _read_crontab() != text:
        raise NuvError(
            "The crontab is not what was written", "somebody changed it meanwhile", "Try it again."
        )


# -- both


def _best() -> Where:
    if shutil.which("systemctl") and _run(["systemctl", "--user", "show-environment"]).returncode == 0:
        return "systemd"
    if shutil.which("crontab"):
        return "crontab"
    raise NuvError(
        "There is nothing that could run the schedule",
        "neither does the user's systemd answer, nor is there a crontab",
        "Install cron, or have `nuvtui policy run` called by another scheduler.",
        Exit.REFUSED,
    )


def _run(command: list[str], data: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    try:
        return subprocess.run(command, input=data, capture_output=True, timeout=PATIENCE)
    except FileNotFoundError as error:
        raise NuvError(
            f"There is no {command[0]} here",
            "it is needed to install a schedule",
            "The other way: `nuvtui policy install --with systemd` or `--with crontab`.",
            Exit.REFUSED,
        ) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NuvError(f"{command[0]} could not be run", str(error)) from error


def _said(done: "subprocess.CompletedProcess[bytes]") -> str:
    text = (done.stderr or done.stdout).decode("utf-8", "replace").strip()
    return text[:500] or f"exit code {done.returncode}"
