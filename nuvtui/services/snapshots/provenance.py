"""Provenance of a snapshot: who, where, when, with which code revision, Python and nuvtui."""

import os
import re
import sys

from nuvtui import __version__
from nuvtui.model.names import path_to_text
from nuvtui.model.snapshot import CodeRevision, Provenance
from nuvtui.paths import Workspace

GIT_SECONDS = 20.0
"""A repository that takes longer to say whether it is dirty is recorded without its revision."""


def collect(workspace: Workspace, user: str) -> Provenance:
    """The provenance of what is in `workspace` now."""
    machine = os.uname()
    return Provenance(
        user=user,
        host=machine.nodename,
        platform=f"{machine.sysname} {machine.release} {machine.machine}",
        workspace=path_to_text(str(workspace.root)),
        nuvtui=__version__,
        python=sys.version.split()[0],
        code=code_revision(workspace),
    )


def code_revision(workspace: Workspace) -> CodeRevision | None:
    """Commit, branch and dirtiness of the git work tree that the workspace is in, or None."""
    folders = (workspace.root, *workspace.root.parents)
    if not any((folder / ".git").exists() for folder in folders):
        return None
    commit = _git(workspace, "rev-parse", "--verify", "HEAD")
    if commit is None:
        return None
    branch = _git(workspace, "symbolic-ref", "--short", "-q", "HEAD")
    changes = _git(workspace, "status", "--porcelain", "--untracked-files=normal", "--", ".")
    if changes is None:
        return None
    remote = (_git(workspace, "config", "--get", "remote.origin.url") or "").strip()
    return CodeRevision(
        commit.strip(),
        (branch or "").strip() or None,
        bool(changes.strip()),
        re.sub(r"^([a-z+]+://)[^/@]*@", r"\1", remote),
    )


def _git(workspace: Workspace, *arguments: str) -> str | None:
    import subprocess  # here: many workspaces are no git repository

    # The repository's own configuration must not make git run monitors or hooks, take locks or ask questions.
    # (Filters that it configures do run, as git-lfs does: without them all files they cover would count as dirty.)
    command = ["git", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", *arguments]
    environ = os.environ | {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            command,
            cwd=workspace.root,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=GIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None
