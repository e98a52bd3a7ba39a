"""The fields of the form of a new export: from what is known to lines, from the answers to what is asked for."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from nuvtui.config import Settings
from nuvtui.errors import NuvError
from nuvtui.model.application import ApplicationKind
from nuvtui.model.export import Accepted, ExportSpec
from nuvtui.model.names import path_to_text, short, text_to_path
from nuvtui.model.snapshot import ApplicationPart, SnapshotRecord
from nuvtui.tui.common import describe
from nuvtui.tui.toolkit.amounts import size
from nuvtui.tui.toolkit.dialogs.pick import Option
from nuvtui.tui.toolkit.form_list import FormField
from nuvtui.tui.toolkit.moments import ago

CURRENT = "current"
YES_NO = (Option("no", "no"), Option("yes", "yes"))
ENGINES = {
    "docker": "Docker or Podman, has to answer",
    "oci": "built in: no daemon, no root",
}


class Known(NamedTuple):
    """What there is to choose from in the chosen state, and what was found out about the answers."""

    snapshots: Sequence[SnapshotRecord] = ()
    applications: Sequence[ApplicationPart] = ()
    usual: str = ""
    """Slug of the application to begin with."""
    licensed: frozenset[str] = frozenset()
    """Slugs of applications that cannot be exported as they are."""
    tables: Sequence[str] = ()
    engine: str = ""
    """The engine that would be taken; empty: not known (yet)."""
    files: int = 0
    bytes: int | None = None
    """Of the workspace files that would go in; None: not known (yet)."""


def usual(applications: Sequence[ApplicationPart], exported: Sequence[str]) -> str:
    """The application that the form begins with: exported last, else one that runs by itself; eligible where any is.

    `exported`: slugs, newest first. Empty where there is no application.
    """
    eligible = [part for part in applications if not licensed(part)] or list(applications)
    slugs = [part.slug for part in eligible]
    for slug in exported:
        if slug in slugs:
            return slug
    plain = [part.slug for part in eligible if part.kind in (ApplicationKind.SCRIPT, ApplicationKind.PYTHON)]
    return next(iter([*plain, *slugs]), "")


def licensed(part: ApplicationPart) -> bool:
    """True where it cannot be exported as it is. For a thread: parses the file."""
    from nuvtui.services.applications import application_file

    try:
        return application_file.parse(part.text, part.slug).needs_license
    except NuvError:
        return True


def fields(
    old: Mapping[str, str], known: Known, source: str | None, chosen: Sequence[str], settings: Settings
) -> list[FormField]:
    """The lines of the form, with the answers in `old`.

    `source`: id of the snapshot, None: the Current State; `chosen`: tables, where they were chosen one by one.
    """

    def answer(name: str, otherwise: str) -> str:
        return old.get(name) or otherwise

    sources = (
        Option(CURRENT, "Current State", "a snapshot is taken first"),
        *(
            Option(
                record.id,
                record.name or f"{record.kind} {short(record.id)}",
                f"{short(record.id)}  {ago(record.created)}",
            )
            for record in known.snapshots
        ),
    )
    slugs = tuple(Option(part.slug, part.slug, str(part.kind)) for part in known.applications)
    application = old.get("application", "")
    if application not in [option.value for option in slugs]:
        application = known.usual
    files = (Option("no", "application only"), Option("yes", "with workspace files"))
    engine = answer("engine", settings.engine)
    found = [
        FormField(
            "application",
            "Application",
            "choice",
            application,
            slugs,
            "" if slugs or not known.snapshots else "none in this state",
            problem=not slugs,
        ),
        FormField("source", "From", "choice", source or CURRENT, sources),
        FormField("files", "Contents", "choice", answer("files", "no"), files, _expected(known)),
        *_tables(old, known.tables, chosen),
        _text("name", "Name", old, f"empty: {application or 'the application'}"),
        FormField(
            "engine",
            "Engine",
            "choice",
            engine,
            tuple(Option(name, name) for name in ("auto", "docker", "oci")),
            ENGINES.get(engine, f"takes {known.engine}" if known.engine else "takes what answers"),
        ),
        _text("registry", "Registry", old, f"empty: {settings.registry}"),
        FormField(
            "push", "Push", "choice", answer("push", "no"), YES_NO, "to the registry, when it is built"
        ),
        FormField(
            "verify",
            "Verify",
            "choice",
            answer("verify", "no"),
            YES_NO,
            "run it afterwards: no network, unknown user",
        ),
        _text("output", "Archive", old, "empty: none; else a file to write"),
        FormField("go", "Start the export", "go", note="e"),
    ]
    if application in known.licensed or old.get("license") == "yes":
        note = "of a licensed application"
        at = next(at for at, field in enumerate(found) if field.id == "output")
        found.insert(
            at, FormField("license", "Without licence", "choice", answer("license", "no"), YES_NO, note)
        )
    return found


def _text(name: str, label: str, old: Mapping[str, str], note: str) -> FormField:
    value = old.get(name, "")
    return FormField(name, label, "text", value, note="" if value else note)


def _expected(known: Known) -> str:
    if known.bytes is None:
        return ""
    if not known.files:
        return "the base image and the application"
    return f"{describe.plural(known.files, 'file')}, {size(known.bytes)} and the base image"


def _tables(old: Mapping[str, str], names: Sequence[str], chosen: Sequence[str]) -> list[FormField]:
    """What becomes of the tables; nothing where there is none."""
    if not names:
        return []
    value = old.get("tables") or "none"
    some = f"{len(chosen)} of {len(names)}: {', '.join(chosen)}" if chosen else "choose"
    options: tuple[Option, ...] = (
        Option("none", "none"),
        Option("all", f"all {len(names)}" if len(names) > 1 else names[0]),
        Option("some", some),
    )
    # Of one table there is nothing to choose.
    options = options if len(names) > 1 else options[:2]
    note = {
        "none": f"{describe.plural(len(names), 'table')} not in the image",
        "all": "as files under tables/",
    }
    found = [FormField("tables", "Tables", "choice", value, options, note.get(value, ""))]
    if value != "none":
        formats = (Option("parquet", "Parquet"), Option("csv", "CSV"))
        found.append(FormField("format", "Table files", "choice", old.get("format") or "parquet", formats))
    return found


def spec_of(
    values: Mapping[str, str],
    known: Known,
    source: str | None,
    chosen: Sequence[str],
    accepted: Mapping[str, str],
    instance: str,
    settings: Settings,
) -> ExportSpec:
    """What is asked for; whether a public push is meant is asked before it starts. `accepted`: reason by finding."""
    output = values.get("output", "")
    if output:
        output = path_to_text(str(Path(output).expanduser().absolute()))
    tables: list[str] = []
    match values.get("tables"):
        case "all":
            tables = list(known.tables)
        case "some":
            tables = [name for name in known.tables if name in chosen]
    return ExportSpec(
        application=values.get("application", ""),
        instance=instance,
        snapshot=source,
        name=values.get("name", ""),
        with_files=values.get("files") == "yes",
        engine=values.get("engine") or settings.engine,  # type: ignore[arg-type]
        registry=values.get("registry", ""),
        push=values.get("push") == "yes",
        public_ok=True,
        without_license=values.get("license") == "yes",
        output=output,
        verify=values.get("verify") == "yes",
        tables=tables,
        tables_format=values.get("format") or "parquet",  # type: ignore[arg-type]
        accepted=[Accepted(finding, reason) for finding, reason in accepted.items()],
    )


def options_of(spec: ExportSpec, known: Known, settings: Settings, instance: str) -> list[str]:
    """`spec` as options of `exports create`. `instance`: its name."""
    words: list[str] = []
    if spec.snapshot:
        words += ["-p", spec.snapshot[:8]]
    if spec.name:
        words += ["-n", spec.name]
    if spec.with_files:
        words.append("--with-files")
    if spec.tables:
        every = len(spec.tables) == len(known.tables)
        words += ["--tables", "all" if every else ",".join(spec.tables)]
        if spec.tables_format != "parquet":
            words += ["--tables-format", spec.tables_format]
    if spec.engine != settings.engine:
        words += ["--engine", spec.engine]
    if spec.registry:
        words += ["--registry", spec.registry]
    if spec.push:
        words.append("--push")
    if spec.without_license:
        words.append("--without-license")
    for accepted in spec.accepted:
        words += ["--accept", f"{accepted.finding}={accepted.reason}"]
    if spec.verify:
        words.append("--verify")
    if spec.output:
        words += ["--output", text_to_path(spec.output)]
    return [*words, "-i", instance]
