"""Applications of a workspace: the files in `.nuvtui/apps`, captured into snapshots and put back.

Plain functions; roles are checked by the callers. An application's slug is its file's name without `.yaml`. A
file that does not parse is captured word for word all the same, and named in the snapshot's warnings: a
restore brings back exactly what was there.
"""

import os
import stat
from collections.abc import Sequence

from nuvtui import atomic
from nuvtui.errors import Exit, NuvError
from nuvtui.model.application import Application, ApplicationKind
from nuvtui.model.names import is_slug, path_to_text
from nuvtui.model.snapshot import ApplicationPart, Warning
from nuvtui.paths import DOT, Workspace

SUFFIX = ".yaml"
MAX_BYTES = 256 << 10
INVALID = "invalid"
"""Kind of an application whose file does not parse."""


def load_all(workspace: Workspace) -> list[tuple[str, str, Application | NuvError]]:
    """Every application file: slug, text, and the application or what is wrong with it. Sorted by slug."""
    try:
        with os.scandir(workspace.applications) as entries:
            names = sorted(entry.name for entry in entries if entry.name.endswith(SUFFIX))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise NuvError("The applications cannot be read", error.strerror or str(error)) from error
    return [_load(workspace, name) for name in names if not name.startswith(".")]


def _load(workspace: Workspace, name: str) -> tuple[str, str, Application | NuvError]:
    # Here: a workspace without applications does not need it.
    from nuvtui.services.applications import application_file

    slug = path_to_text(name.removesuffix(SUFFIX))
    shown = f"{slug}{SUFFIX}"
    try:
        text = _read(workspace, name, shown)
    except NuvError as error:
        return slug, "", error
    if not is_slug(slug):
        return slug, text, _bad_slug(slug)
    try:
        return slug, text, application_file.parse(text, shown)
    except NuvError as error:
        return slug, text, error


def _read(workspace: Workspace, name: str, shown: str) -> str:
    def refuse(expected: str, found: str) -> NuvError:
        return NuvError(shown, f"expected {expected}; found {found}", "", Exit.USAGE)

    try:
        descriptor = os.open(workspace.applications / name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise refuse("a file that can be read", error.strerror or str(error)) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise refuse("a plain file", "something else")
    with os.fdopen(descriptor, "rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise refuse(f"at most {MAX_BYTES} bytes", "more")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise refuse("UTF-8", f"the byte 0x{data[error.start]:02x} at {error.start}") from error


def capture(workspace: Workspace) -> tuple[list[ApplicationPart], list[Warning]]:
    """The applications with their locks, sorted by slug, and what is wrong with them.

    Files that cannot be read as text, or whose names are no slugs, are not captured: the warnings say so.
    """
    parts = []
    warnings = []
    for slug, text, application in load_all(workspace):
        path = f"{DOT}/apps/{slug}{SUFFIX}"
        if isinstance(application, Application):
            from nuvtui.services.applications import base_pins, locks  # here: see _load

            lock, note = locks.capture(workspace, application.environment)
            pin = base_pins.read(workspace, slug, application.image)
            parts.append(
                ApplicationPart(slug, application.name, application.kind.value, text, lock, note, pin)
            )
            if note:
                warnings.append(Warning(path, note))
        elif text and is_slug(slug):
            parts.append(ApplicationPart(slug, slug, INVALID, text, None, str(application)))
            warnings.append(Warning(path, f"kept as it is although it is not valid: {application}"))
        else:
            warnings.append(Warning(path, f"not captured: {application}"))
    return parts, warnings


def apply(workspace: Workspace, puts: Sequence[ApplicationPart], removals: Sequence[str]) -> None:
    """Write the files of `puts` and remove those of the slugs `removals`; each file whole or untouched.

    Slugs come from manifests and are checked before anything is touched. Raises NuvError.
    """
    for slug in [*(part.slug for part in puts), *removals]:
        check_slug(slug)
    try:
        if puts:
            atomic.make_folder(workspace.applications, 0o777)
        for part in puts:
            atomic.write_file(workspace.application(part.slug), part.text.encode("utf-8"), 0o644)
        for slug in removals:
            workspace.application(slug).unlink(missing_ok=True)
        if removals and workspace.applications.is_dir():
            atomic.fsync_folder(workspace.applications)
    except OSError as error:
        raise NuvError("The applications cannot be written", error.strerror or str(error)) from error


def check_slug(slug: str) -> None:
    """Raise NuvError (2) where an application cannot be called `slug`."""
    if not is_slug(slug):
        raise _bad_slug(slug)


def new(workspace: Workspace, slug: str, kind: ApplicationKind) -> None:
    """Write a new application from the template of `kind`.

    Raises NuvError: USAGE for a bad slug, CONFLICT where there is such an application.
    """
    check_slug(slug)
    if os.path.lexists(workspace.application(slug)):
        raise NuvError(
            f"There is an application {slug!r} already",
            "",
            "Choose another slug, or delete that one first.",
            Exit.CONFLICT,
        )
    from nuvtui.services.applications import templates

    text = templates.template(kind, slug)
    apply(workspace, [ApplicationPart(slug, slug, kind.value, text)], [])


def delete(workspace: Workspace, slug: str) -> None:
    """Delete an application's file. Raises NuvError (NOT_FOUND) where there is none."""
    known = [name for name, _text, _application in load_all(workspace)]
    if slug not in known:
        listed = f"There is: {', '.join(known)}." if known else "There are no applications."
        raise NuvError(f"No application {slug!r}", "", listed, Exit.NOT_FOUND)
    apply(workspace, [], [slug])
    workspace.base_pin(slug).unlink(missing_ok=True)


def _bad_slug(slug: str) -> NuvError:
    return NuvError(
        f"An application cannot be called {slug!r}",
        "expected lower-case letters, digits, `.`, `_` or `-`, at most 64, the first and last a letter or digit",
        "",
        Exit.USAGE,
    )
