"""Work spread over copies of the process: the same results, whatever becomes of the copies."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from nuvtui.errors import Cancelled
from nuvtui.images.guard import forked
from nuvtui.model.export import Finding
from nuvtui.reporter import Reporter, Silent
from tests.support.waiting import FOREVER, wait_until


def children() -> set[str]:
    """The processes that this one has started and not taken leave of (other tests may have left some)."""
    found = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    return {child for file in found for child in file.read_text().split()}


def look(part: list[int], reporter: Reporter) -> list[Finding]:
    return [Finding("push", str(number), f"by {os.getpid()}") for number in part]


def test_results_come_in_order_and_from_several_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forked, "may_copy", lambda: True)
    before = children()
    found = forked.spread([[1, 2], [3], [4, 5]], look, Finding, Silent())  # type: ignore[arg-type]
    assert [finding.subject for part in found for finding in part] == ["1", "2", "3", "4", "5"]
    assert len({finding.text for part in found for finding in part}) == 3
    assert children() == before


def test_what_a_copy_could_not_do_is_done_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forked, "may_copy", lambda: True)
    here = os.getpid()

    def dies(part: list[int], reporter: Reporter) -> list[Finding]:
        if os.getpid() != here:
            os.kill(os.getpid(), signal.SIGKILL)
        return look(part, reporter)

    found = forked.spread([[1], [2]], dies, Finding, Silent())  # type: ignore[arg-type]
    assert [(f.subject, f.text) for part in found for f in part] == [("1", f"by {here}"), ("2", f"by {here}")]

    def fails(part: list[int], reporter: Reporter) -> list[Finding]:
        if part == [2]:
            raise OSError("unreadable")
        return look(part, reporter)

    with pytest.raises(OSError, match="unreadable"):
        forked.spread([[1], [2]], fails, Finding, Silent())  # type: ignore[arg-type]


def test_a_cancel_ends_the_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forked, "may_copy", lambda: True)
    here = os.getpid()

    def works(part: list[int], reporter: Reporter) -> list[Finding]:
        if os.getpid() == here:
            raise Cancelled
        time.sleep(FOREVER)
        return []

    before = children()
    with pytest.raises(Cancelled):
        forked.spread([[1], [2]], works, Finding, Silent())  # type: ignore[arg-type]
    assert children() == before


def test_a_copy_ends_with_its_parent() -> None:
    script = """
        import os, sys, time
        from nuvtui.images.guard import forked
        from nuvtui.model.export import Finding
        from nuvtui.reporter import Silent
        here = os.getpid()
        def works(part, reporter):
            if os.getpid() == here:
                print("up", flush=True)
                time.sleep(60)
            while True:
                reporter.check()
                time.sleep(0.05)
        print(flush=True)
        forked.spread([[1], [2]], works, Finding, Silent())
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        while parent.stdout.readline() != "up\n":
            pass
        children = subprocess.run(
            ["pgrep", "-P", str(parent.pid)], capture_output=True, text=True
        ).stdout.split()
        assert children
        parent.kill()
        parent.wait()
        wait_until(
            lambda: not any(os.path.exists(f"/proc/{child}") for child in children), "the end of the copies"
        )
