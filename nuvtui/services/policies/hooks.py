"""Hooks: commands that run before and after a policy's snapshot, with a time limit and bounded output.

The state file of a shared store can be changed by others. A command in it runs only for who approved it: digests of
approved hooks stand in a file of the account's own, beside its settings.
"""

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from nuvtui import atomic, paths, sanitise
from nuvtui.errors import Exit, NuvError
from nuvtui.model.plan_digest import plan_digest
from nuvtui.model.policy import Hook, HookRun, Policy
from nuvtui.reporter import Reporter

TAIL = 64 << 10
"""Bytes of a hook's output that are kept, its last."""
LOGGED = 8 << 20
"""Bytes of it that go to the task's log, its first."""
LINES = 20
WIDTH = 300
LOOK = 0.2
"""Seconds between two looks at whether a hook ended."""


def _file() -> Path:
    return paths.config_file().with_name("approved-hooks")


def _digest(policy: Policy, hook: Hook) -> str:
    return plan_digest("hook", policy.id, hook.command)


def _approved() -> list[str]:
    try:
        return atomic.read_file(_file()).decode("ascii", "replace").split()
    except OSError:
        return []


def approve(policy: Policy) -> None:
    """Let the hooks of `policy` run for this account. Raises NuvError where that cannot be written down."""
    known = _approved()
    new = [_digest(policy, hook) for hook in (policy.before, policy.after) if hook is not None]
    if set(new) <= set(known):
        return
    try:
        atomic.make_folder(_file().parent)
        atomic.write_file(_file(), ("\n".join(dict.fromkeys([*known, *new])) + "\n").encode("ascii"))
    except OSError as error:
        raise NuvError(
            "The hooks cannot be approved",
            f"{_file()}: {error.strerror or error}",
            "Check its permissions: hooks run only for whose own settings approve them.",
        ) from error


def check_approved(policy: Policy) -> None:
    """Raise NuvError (6) where a hook is not one that this account approved."""
    known = _approved()
    for when, hook in (("before", policy.before), ("after", policy.after)):
        if hook is not None and _digest(policy, hook) not in known:
            raise NuvError(
                f"The hook {when} the snapshot is not yours",
                f"{policy.author} set it; a command runs only for who set it: {sanitise.line(hook.command)[:WIDTH]}",
                "To have it run for you, set it yourself: `nuvtui policy set --before COMMAND --after COMMAND`.",
                Exit.REFUSED,
            )


def run(
    when: Literal["before", "after"],
    hook: Hook,
    folder: Path,
    variables: Mapping[str, str],
    reporter: Reporter,
) -> HookRun:
    """Run a hook in `folder`, with `variables` added to the environment.

    Whatever it started in its own process group is ended with it. Raises Cancelled.
    """
    reporter.check()
    try:
        process = subprocess.Popen(
            ["/bin/sh", "-c", hook.command],
            cwd=folder,
            env={**os.environ, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        return HookRun(when, hook.command, None, [], f"could not be started: {error}")
    with process, reporter.on_cancel(lambda: _end(process)):
        try:
            tail, in_time = _follow(process, time.monotonic() + hook.seconds, reporter)
        finally:
            _end(process)
    reporter.check()
    output = [
        sanitise.log_line(line)[:WIDTH] for line in tail.decode("utf-8", "replace").splitlines()[-LINES:]
    ]
    if not in_time:
        problem = f"was stopped: it took longer than {hook.seconds} s"
        return HookRun(when, hook.command, None, output, problem)
    code = process.returncode
    problem = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}" if code else ""
    return HookRun(when, hook.command, code, output, problem)


def _follow(process: "subprocess.Popen[bytes]", deadline: float, reporter: Reporter) -> tuple[bytes, bool]:
    """The last of what it writes until it ends, and whether it ended by `deadline`."""
    assert process.stdout is not None
    descriptor = process.stdout.fileno()
    os.set_blocking(descriptor, False)
    tail, logged = bytearray(), 0
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        while True:
            ended = process.poll() is not None  # before reading: what it wrote until then is there
            data = b""
            if ended or selector.select(LOOK):
                with contextlib.suppress(BlockingIOError):
                    data = os.read(descriptor, TAIL)
                if not data and not ended:  # it closed its output: only its end is left
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(LOOK)
            if logged < LOGGED and data:
                reporter.log(data)
                logged += len(data)
            tail += data
            del tail[:-TAIL]
            reporter.check()
            if ended and (not data or time.monotonic() > deadline):
                return bytes(tail), True
            if not ended and time.monotonic() > deadline:
                return bytes(tail), False


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End its process group, if any of it is left."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
