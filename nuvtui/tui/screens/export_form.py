"""The form of a new export, with what preflight has to say about it beside it, always for the present answers."""

import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.timer import Timer
from textual.widget import Widget

from nuvtui import clock
from nuvtui.errors import NuvError
from nuvtui.model.application import ApplicationKind
from nuvtui.model.export import ExportSpec, Finding
from nuvtui.model.names import path_to_text, short, text_to_path
from nuvtui.model.snapshot import ApplicationPart, SnapshotRecord
from nuvtui.model.space import Instance, Space
from nuvtui.model.stage import StateRef
from nuvtui.model.task import TaskView
from nuvtui.tui.aside import Aside
from nuvtui.tui.commands import bindings
from nuvtui.tui.dialogs.pick import Option
from nuvtui.tui.screens import exports_commands  # noqa: F401  (registers)
from nuvtui.tui.screens.exports_actions import ask_public
from nuvtui.tui.widgets.detail import DetailPane
from nuvtui.tui.widgets.form_list import Field, FormList
from nuvtui.tui.widgets.frame import Frame
from nuvtui.tui.widgets.lines import Line, Tone, line
from nuvtui.tui.widgets.moments import ago

DELAY = 0.3
"""Seconds without a change before the engine and the registry are asked."""
TABLES_FOLDER = "tables"
"""Folder in the workspace that tables are written to before an export."""
LEVELS: dict[str, tuple[str, Tone]] = {
    "stop": ("Stops the export", "bad"),
    "warning": ("Worth knowing", "warn"),
    "note": ("Note", "muted"),
}
CURRENT = "current"


class _Choices(NamedTuple):
    snapshots: list[SnapshotRecord]
    applications: list[ApplicationPart]
    usual: str
    """Slug of the application to begin with."""


def usual(applications: Sequence[ApplicationPart], exported: Sequence[str]) -> str:
    """The application that the form begins with: exported last, else one that runs by itself; eligible where any is.

    `exported`: slugs, newest first. Empty where there is no application.
    """
    eligible = [part for part in applications if not _licensed(part)] or list(applications)
    slugs = [part.slug for part in eligible]
    for slug in exported:
        if slug in slugs:
            return slug
    plain = [part.slug for part in eligible if part.kind in (ApplicationKind.SCRIPT, ApplicationKind.PYTHON)]
    return next(iter([*plain, *slugs]), "")


def _licensed(part: ApplicationPart) -> bool:
    """True where it cannot be exported as it is. For a thread: parses the file."""
    from nuvtui.services import application_file

    try:
        return application_file.parse(part.text, part.slug).needs_license
    except NuvError:
        return True


class ExportForm(Frame):
    """Fields, and findings beside or below them. Nothing here waits for the engine."""

    SCOPES = ("export-form",)
    BINDINGS = bindings("export-form")
    HELP = (
        "Choose what becomes an image and where it goes. What would stop the export stands beside the form; it is "
        "checked again after each change, without ever holding up a key."
    )

    def __init__(self, space: Space, instance: Instance, state: StateRef | None) -> None:
        """`state`: what the export starts from at first (None: the Current State)."""
        super().__init__()
        self.space = space
        self.instance = instance
        self._source = state.snapshot if state is not None and state.instance == instance.id else None
        self._snapshots: list[SnapshotRecord] = []
        self._applications: list[ApplicationPart] = []
        self._usual = ""
        self.findings: list[Finding] | None = None
        """Of the last check; None while none is done."""
        self._checked: ExportSpec | None = None
        self._asked = 0.0
        self._wait: Timer | None = None
        self._aside = Aside()
        self.form = FormList(id="form-list")
        """The fields."""

    def on_unmount(self) -> None:
        """Nobody waits for the findings any more."""
        self._aside.stop()

    def body(self) -> list[Widget]:
        """Fields and findings."""
        return [_Body(self.form)]

    def on_mount(self) -> None:
        """Read what there is to choose from."""
        self._set_form()
        self.form.focus()
        self._read_choices()

    # choices

    def _read_choices(self) -> None:
        ref = StateRef(self.instance.id, self._source)

        def read() -> _Choices:
            services = self.nuv.services
            records = services.exports.list(self.space.id)
            exported = [
                record.application
                for record in sorted(records, key=lambda record: record.created, reverse=True)
                if record.instance == self.instance.id
            ]
            applications = services.applications.list(ref)
            return _Choices(
                services.snapshots.list(ref.instance), applications, usual(applications, exported)
            )

        self.load(read, self._choices_read, group="choices", failed=self._no_choices)

    def _choices_read(self, choices: _Choices) -> None:
        self._snapshots, self._applications, self._usual = choices
        self._set_form()
        self._check_soon()

    def _no_choices(self, error: NuvError) -> None:
        self._show_findings(
            [Finding("stop", "state", f"{error.title}: {error.message}".strip(": "), error.hint)]
        )

    def _set_form(self) -> None:
        old = self.form.values
        settings = self.nuv.settings
        sources = (
            Option(CURRENT, "Current State", "a snapshot is taken first"),
            *(
                Option(
                    record.id,
                    record.name or f"{record.kind} {short(record.id)}",
                    f"{short(record.id)}  {ago(record.created)}",
                )
                for record in self._snapshots
            ),
        )
        slugs = tuple(Option(part.slug, part.slug, str(part.kind)) for part in self._applications)
        application = old.get("application", "")
        if application not in [option.value for option in slugs]:
            application = self._usual
        yes_no = (Option("no", "no"), Option("yes", "yes"))
        self.form.set_form(
            [
                Field(
                    "application",
                    "Application",
                    "choice",
                    application,
                    slugs,
                    "" if slugs or not self._snapshots else "none in this state",
                    problem=not slugs,
                ),
                Field("source", "From", "choice", self._source or CURRENT, sources),
                Field(
                    "files",
                    "Contents",
                    "choice",
                    old.get("files", "no"),
                    (Option("no", "application only"), Option("yes", "application and workspace files")),
                ),
                Field(
                    "name",
                    "Name",
                    "text",
                    old.get("name", ""),
                    note="" if old.get("name") else f"empty: {application or 'the application'}",
                ),
                Field(
                    "registry",
                    "Registry",
                    "text",
                    old.get("registry", ""),
                    note="" if old.get("registry") else f"empty: {settings.registry}",
                ),
                Field(
                    "push",
                    "Push",
                    "choice",
                    old.get("push", "no"),
                    yes_no,
                    "to the registry, when it is built",
                ),
                Field(
                    "license",
                    "Without licence",
                    "choice",
                    old.get("license", "no"),
                    yes_no,
                    "of a licensed application",
                ),
                Field(
                    "output",
                    "Archive",
                    "text",
                    old.get("output", ""),
                    note="" if old.get("output") else "empty: none; else a file to write",
                ),
                Field("go", "Start the export", "go", note="e"),
            ]
        )

    @property
    def spec(self) -> ExportSpec:
        """What is asked for now; whether a public push is meant is asked before it starts."""
        values = self.form.values
        output = values.get("output", "")
        if output:
            from pathlib import Path

            output = path_to_text(str(Path(output).expanduser().absolute()))
        return ExportSpec(
            application=values.get("application", ""),
            instance=self.instance.id,
            snapshot=self._source,
            name=values.get("name", ""),
            with_files=values.get("files") == "yes",
            engine=self.nuv.settings.engine,
            registry=values.get("registry", ""),
            push=values.get("push") == "yes",
            public_ok=True,
            without_license=values.get("license") == "yes",
            output=output,
        )

    def on_form_list_changed(self, message: FormList.Changed) -> None:
        """Another source has other applications; everything is checked again."""
        if message.field.id == "source":
            self._source = None if message.field.value == CURRENT else message.field.value
            self._read_choices()
            return
        self._set_form()
        self._check_soon()

    def on_form_list_going(self, message: FormList.Going) -> None:
        """Start."""
        self.action_go()

    # findings

    def _check_soon(self) -> None:
        if self._wait is not None:
            self._wait.stop()
        self._wait = self.set_timer(DELAY, self.action_check)
        self._say_checking()

    def _say_checking(self) -> None:
        timeout = self.nuv.settings.engine_timeout
        self._note(f"checking; an engine has {timeout:g} s to answer")

    def _note(self, text: str) -> None:
        from textual.content import Content

        from nuvtui import sanitise

        self.query_one("#form-findings").border_subtitle = Content(sanitise.line(text))

    def _count(self, findings: Sequence[Finding]) -> None:
        from textual.content import Content

        stops = sum(finding.level == "stop" for finding in findings)
        others = len(findings) - stops
        parts = [f"{stops} in the way"] if stops else []
        parts += [f"{others} to know"] if others else []
        self.query_one("#form-findings").border_title = Content(
            ": ".join(["Preflight", ", ".join(parts)]) if parts else "Preflight"
        )

    def action_check(self) -> None:
        """Ask preflight, in a thread."""
        spec = self.spec
        if not spec.application:
            self.findings = None
            self._show_findings(
                [
                    Finding(
                        "stop",
                        "application",
                        "this state has no application",
                        "Make one: nuvtui apps new SLUG --template KIND, or choose another state.",
                    )
                ]
            )
            return
        self._asked = time.monotonic()
        self._say_checking()

        def done(findings: list[Finding]) -> None:
            self.findings, self._checked = findings, spec
            self._show_findings(findings)

        def failed(error: NuvError) -> None:
            done([Finding("stop", error.title, error.message, error.hint)])

        question = self._aside.ask()
        self.load(lambda: question.preflight(self.nuv.services, spec), done, group="preflight", failed=failed)

    def _show_findings(self, findings: Sequence[Finding]) -> None:
        lines: list[Line | str] = []
        for level in ("stop", "warning", "note"):
            found = [finding for finding in findings if finding.level == level]
            # First what makes an image that cannot run.
            for finding in sorted(found, key=lambda finding: finding.subject != "command"):
                title, tone = LEVELS[level]
                lines.append(line((f"{title}: ", tone), (finding.subject, "strong")))
                lines.append(line(f"  {finding.text}"))
                if finding.hint:
                    lines.append(line((f"  {self.nuv.glyphs.arrow} ", "accent"), (finding.hint, "")))
                if finding.subject == "license" and level == "stop":
                    lines.append(
                        line(
                            ("  Here: ", "muted"),
                            ("Without licence", "strong"),
                            ", the line in the form above",
                        )
                    )
                if finding.subject == "tables":
                    lines.append(line(("  t", "accent"), " writes them to files now and exports with files"))
                lines.append("")
        if not lines:
            lines = [
                line((f"{self.nuv.glyphs.done} Nothing stands in the way.", "good")),
                "",
                line(("e or Enter on the last line starts.", "muted")),
            ]
        self.query_one("#form-findings DetailPane", DetailPane).show(lines)
        self._count(findings)
        waited = time.monotonic() - self._asked if self._asked else 0.0
        self._note(f"checked in {waited:.1f} s; r checks again")
        self.refresh_bindings()

    # commands

    @property
    def has_tables(self) -> bool:
        """True where tables would not be in the image."""
        return any(finding.subject == "tables" for finding in self.findings or ())

    def action_tables(self) -> None:
        """Ask, then write every table of the state to a file of the workspace, and export with files."""
        from nuvtui.tui.dialogs.confirm import ConfirmDialog

        ref = StateRef(self.instance.id, self._source)

        def write() -> int:
            from pathlib import Path

            services = self.nuv.services
            folder = Path(text_to_path(self.instance.workspace)) / TABLES_FOLDER
            folder.mkdir(exist_ok=True)
            tables = services.tables.list(ref)
            for table in tables:
                services.tables.export(ref, table.name, folder / f"{_file_name(table.name)}.parquet")
            return len(tables)

        def written(count: int) -> None:
            noun = "table is" if count == 1 else "tables are"
            self.nuv.notify(f"{count} {noun} in the folder {TABLES_FOLDER}.", timeout=6)
            self._source = None
            self.form.change("files", "yes")
            self._read_choices()

        def answered(yes: object) -> None:
            if yes:
                self.load(write, written, group="tables")

        self.nuv.push_screen(
            ConfirmDialog(
                "Write the tables to files",
                [
                    f"Every table becomes a Parquet file in the folder {TABLES_FOLDER} of the workspace; files of that "
                    "name are replaced.",
                    "The export is then made from the Current State, with the workspace files.",
                ],
                "Write them",
            ),
            answered,
        )

    def action_dry_run(self) -> None:
        """What goes in and what is left out."""
        from nuvtui.tui.screens.export_plan import ExportPlanScreen

        if self.spec.application:
            self.nuv.push_screen(ExportPlanScreen(self.spec))

    def action_go(self) -> None:
        """Start the export, where nothing that is known stands in the way."""
        spec = self.spec
        if not spec.application:
            self.nuv.notify("Choose an application first.", severity="warning")
            return
        stops = [finding for finding in self.findings or () if finding.level == "stop"]
        if self._checked == spec and stops:
            more = f" (and {len(stops) - 1} more)" if len(stops) > 1 else ""
            self.nuv.notify(f"{stops[0].subject}: {stops[0].text}{more}", title="Not yet", severity="error")
            return
        # What was not checked yet, the export's own first step checks.
        if not spec.push:
            self._start(spec)
            return
        registry = spec.registry or self.nuv.settings.registry

        def asked(public: bool) -> None:
            if public:
                ask_public(
                    self,
                    f"{registry}, {spec.name or spec.application}",
                    lambda yes: self._start(spec) if yes else None,
                )
            else:
                self._start(msgspec.structs.replace(spec, public_ok=False))

        self.load(lambda: self.nuv.services.exports.public(registry), asked, group="public")

    def _start(self, spec: ExportSpec) -> None:
        from nuvtui.tui.screens.tasks_submit import submit

        export = clock.new_id()
        title = f"Export {spec.application}"

        def submitted(task: str) -> None:
            from nuvtui.tui.screens.export_run import ExportRun
            from nuvtui.tui.screens.exports import Exports

            place = self.nuv.workbench.place("exports")
            if isinstance(place, Exports):
                place.select(export)
            self.nuv.switch_screen(ExportRun(TaskView(task, kind="export", title=title), export))

        submit(
            self,
            "export",
            {"spec": msgspec.to_builtins(spec), "export": export},
            title,
            submitted,
            space=self.space.id,
            instance=self.instance.id,
            subject=export,
        )

    def command_values(self) -> Mapping[str, str | Sequence[str]]:
        """All answers as options."""
        spec = self.spec
        words: list[str] = []
        if spec.snapshot:
            words += ["-p", spec.snapshot[:8]]
        if spec.name:
            words += ["-n", spec.name]
        if spec.with_files:
            words.append("--with-files")
        if spec.registry:
            words += ["--registry", spec.registry]
        if spec.push:
            words.append("--push")
        if spec.without_license:
            words.append("--without-license")
        if spec.output:
            words += ["--output", text_to_path(spec.output)]
        words += ["-i", self.instance.name]
        return {
            "app": spec.application or "APP",
            "options": words,
            "table": "TABLE",
            "file": f"{TABLES_FOLDER}/TABLE.parquet",
        }


class _Body(Vertical):
    """Fields, findings."""

    def __init__(self, form: FormList) -> None:
        super().__init__(id="form-body")
        self._form = form

    def compose(self) -> ComposeResult:
        """Both."""
        with Vertical(id="form-fields", classes="pane") as fields:
            fields.border_title = "New export"
            yield self._form
        with Vertical(id="form-findings", classes="pane") as findings:
            findings.border_title = "Preflight"
            yield DetailPane([line(("Reading what there is", "muted"))])


def _file_name(table: str) -> str:
    """A harmless file name for a table, whatever it is called."""
    import urllib.parse

    return urllib.parse.quote(table, safe=" ._-").strip(". ") or "table"
