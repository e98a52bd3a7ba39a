"""The form of a new export, with what stands in its way beside it, always for the present answers."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from textual.timer import Timer
from textual.widget import Widget

from nuvtui import clock
from nuvtui.errors import NuvError
from nuvtui.model.export import ExportSpec, Finding
from nuvtui.model.operations import Export
from nuvtui.model.queries import Checked, Foresee, Outlook, Preflight
from nuvtui.model.snapshot import ApplicationPart, SnapshotRecord
from nuvtui.model.space import Instance, Space
from nuvtui.model.stage import StateRef
from nuvtui.model.task import TaskView
from nuvtui.tui.common.base_screen import BaseScreen
from nuvtui.tui.common.describe import path_shown
from nuvtui.tui.features.exports.actions import ask_public
from nuvtui.tui.features.exports.fields import CURRENT, Known, fields, licensed, options_of, spec_of, usual
from nuvtui.tui.features.exports.findings import FindingDialog, FindingsPane, Seen, seen
from nuvtui.tui.features.exports.form_body import FormBody
from nuvtui.tui.toolkit.commands import bindings
from nuvtui.tui.toolkit.debounce import Debounce
from nuvtui.tui.toolkit.dialogs.pick import Option
from nuvtui.tui.toolkit.form_list import FormList
from nuvtui.tui.toolkit.line_list import LineList
from nuvtui.tui.toolkit.lines import Line, line
from nuvtui.worker.queries import Queries

DELAY = 0.3
"""Seconds without a change before the engine and the registry are asked."""
USUAL = 11
"""Fields that there are usually: there is room for them in 24 rows; for more, the findings get less."""
NAMED = 4
"""Things left out that are named in the form; the dry run lists all."""


class _Choices(NamedTuple):
    snapshots: list[SnapshotRecord]
    applications: list[ApplicationPart]
    usual: str
    licensed: frozenset[str]


def _looked_at(spec: ExportSpec) -> ExportSpec:
    """What of `spec` decides over what the content guard finds: another name needs no other look."""
    return msgspec.structs.replace(
        spec,
        name="",
        push=False,
        verify=False,
        output="",
        tables=[],
        tables_format="parquet",
        accepted=[],
    )


class ExportForm(BaseScreen):
    """Fields, and findings beside or below them. Nothing here waits for the engine."""

    SCOPES = ("export-form",)
    BINDINGS = bindings("export-form")
    HELP = (
        "Choose what becomes an image and where it goes. What stands in the way of the export, or of a push, is "
        "listed beside the form and looked for again after each change, without ever holding up a key. Tab, or Down "
        "from the last line, goes to the findings; Enter shows one in full, x and a do something about it."
    )

    def __init__(
        self, space: Space, instance: Instance, state: StateRef | None, started: Callable[[str], Any]
    ) -> None:
        """`state`: what the export starts from at first (None: the Current State).

        `started` is called with the id of the export that was begun.
        """
        super().__init__()
        self._started = started
        self.space = space
        self.instance = instance
        self._source = state.snapshot if state is not None and state.instance == instance.id else None
        self._known = Known()
        self._chosen: list[str] = []
        """Tables that were chosen one by one."""
        self._tables_before = "none"
        self.accepted: dict[str, str] = {}
        """Findings that may leave: the reason by the finding's key."""
        self.findings: list[Finding] | None = None
        """Of the last check; None while none is done."""
        self.outlook: Outlook | None = None
        """Of the last look for what must not leave; None while none is done."""
        self._checked: ExportSpec | None = None
        self._looked: ExportSpec | None = None
        self._looking: ExportSpec | None = None
        self._problem: Finding | None = None
        self._asked = self._took = 0.0
        self._checking = False
        """Preflight has not answered yet."""
        self._wait = Debounce(self, self._check, DELAY)
        self._queries = Queries()
        self._look_queries = Queries()
        self._clock: Timer | None = None
        """Runs while something is waited for."""
        self._began = 0.0
        self.form = FormList(id="form-list")
        """The fields."""
        self.pane = FindingsPane(id="form-findings")
        """The findings."""

    def on_unmount(self) -> None:
        """Nobody waits for the findings any more."""
        self._queries.stop()
        self._look_queries.stop()

    def body(self) -> list[Widget]:
        """Fields and findings."""
        return [FormBody(self.form, self.pane)]

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
                services.snapshots.list(ref.instance),
                applications,
                usual(applications, exported),
                frozenset(part.slug for part in applications if licensed(part)),
            )

        def tables() -> list[str]:
            return [table.name for table in self.nuv.services.tables.list(ref)]

        self.load(read, self._choices_read, group="choices", failed=self._no_choices)
        # A database that cannot be read is no reason to show no form: preflight says so.
        self.load(tables, self._tables_read, group="tables", failed=lambda _error: self._tables_read([]))

    def _choices_read(self, choices: _Choices) -> None:
        self._known = self._known._replace(**choices._asdict())
        self._set_form()
        self._check_soon()

    def _tables_read(self, names: list[str]) -> None:
        self._known = self._known._replace(tables=names)
        before = self.spec.tables
        self._set_form()
        if self._known.applications and self.spec.tables != before:
            self._check_soon()

    def _no_choices(self, error: NuvError) -> None:
        self.findings = [Finding("stop", "state", f"{error.title}: {error.message}".strip(": "), error.hint)]
        self._show_findings()

    def _set_form(self) -> None:
        outlook = self.outlook
        known = self._known._replace(
            files=outlook.files if outlook else 0, bytes=outlook.bytes if outlook else None
        )
        chosen = [name for name in known.tables if name in self._chosen]
        self.form.set_form(fields(self.form.values, known, self._source, chosen, self.nuv.settings))
        self.set_class(len(self.form.form) > USUAL, "-more")

    @property
    def spec(self) -> ExportSpec:
        """What is asked for now; whether a public push is meant is asked before it starts."""
        return spec_of(
            self.form.values,
            self._known,
            self._source,
            self._chosen,
            self.accepted,
            self.instance.id,
            self.nuv.settings,
        )

    def on_form_list_changed(self, message: FormList.Changed) -> None:
        """Another source has other applications; everything is checked again."""
        field = message.field
        if field.id == "source":
            self._source = None if field.value == CURRENT else field.value
            self._read_choices()
            return
        if field.id == "tables":
            if field.value == "some" and self._tables_before != "some":
                self.action_tables()
                return
            self._tables_before = field.value
        self._set_form()
        self._check_soon()

    def on_form_list_leaving(self) -> None:
        """Down from the last field."""
        if self.pane.list.count:
            self.pane.list.focus()

    def on_findings_list_leaving(self) -> None:
        """Up from the first finding."""
        self.form.focus()

    def on_form_list_going(self) -> None:
        """Start."""
        self.action_go()

    # looking

    def _check_soon(self) -> None:
        self._wait.ask()
        key = _looked_at(self.spec)
        if self._looking is not None and self._looking != key:
            self._look_queries.stop()
            self._looking = None
        if self._looked is not None and self._looked != key:
            self._forget_look()
        self._checking = True
        self._say_checking()

    def _forget_look(self) -> None:
        self.outlook = self._looked = self._problem = None
        self._set_form()

    def _say_checking(self) -> None:
        self._began = time.monotonic()
        self._say_waiting()

    def _say_waiting(self) -> None:
        """What is waited for, and since when."""
        what = "looking for what must not leave"
        if self._checking:
            what = f"checking; an engine has {self.nuv.settings.engine_timeout:g} s to answer"
        passed = int(time.monotonic() - self._began)
        self.pane.note(f"{what}, {passed} s so far" if passed else what)
        if self._clock is None:
            self._clock = self.set_interval(1, self._say_waiting)

    def _wait_no_more(self) -> None:
        if self._clock is not None:
            self._clock.stop()
            self._clock = None

    def action_check(self) -> None:
        """Ask and look again."""
        self._look_queries.stop()
        self._looking = None
        self._forget_look()
        self._check()

    def _check(self) -> None:
        """Ask preflight, aside."""
        spec = self.spec
        if not spec.application:
            self._checking = False
            self.findings = [
                Finding(
                    "stop",
                    "application",
                    "this state has no application",
                    "Make one: nuvtui apps new SLUG --template KIND, or choose another state.",
                )
            ]
            self._show_findings()
            return
        self._asked = time.monotonic()
        self._checking = True
        self._say_checking()

        def done(checked: Checked) -> None:
            self._checking = False
            self.findings, self._checked = checked.findings, spec
            self._took = time.monotonic() - self._asked
            if checked.engine != self._known.engine:
                self._known = self._known._replace(engine=checked.engine)
                self._set_form()
            self._look()
            self._show_findings()

        def failed(error: NuvError) -> None:
            done(Checked([Finding("stop", error.title, error.message, error.hint)]))

        pending = self._queries.begin()
        self.load(
            lambda: pending.ask(self.nuv.services, Preflight(spec)), done, group="preflight", failed=failed
        )

    def _look(self) -> None:
        """Look for what must not leave, aside; it can take a while, and is not done twice for one thing."""
        spec = msgspec.structs.replace(self.spec, accepted=[])
        key = _looked_at(spec)
        if key in (self._looked, self._looking):
            return
        self._looking = key
        pending = self._look_queries.begin()

        def over(outlook: Outlook | None, problem: Finding | None) -> None:
            if self._looking != key:
                return  # of answers that are not these any more
            self._looking, self._looked = None, key
            self.outlook, self._problem = outlook, problem
            self._set_form()
            self._show_findings()

        def failed(error: NuvError) -> None:
            text = f"what must not leave could not be looked for: {error.title}"
            text = f"{text}: {error.message}" if error.message else text
            over(None, Finding("warning", "content", text, error.hint))

        self.load(
            lambda: pending.ask(self.nuv.services, Foresee(spec)),
            lambda outlook: over(outlook, None),
            group="outlook",
            failed=failed,
        )

    @property
    def seen(self) -> list[Seen]:
        """All findings, the worst first."""
        found = list(self.findings or ())
        if self._problem is not None:
            found.append(self._problem)
        if self.outlook is not None:
            found += self.outlook.findings
            if self.outlook.left_out:
                found.append(_left_out(self.outlook))
        return seen(found, self.accepted)

    @property
    def complete(self) -> bool:
        """True where everything was looked for that the present answers call for."""
        return self._checked == self.spec and self._looked is not None and self._looking is None

    def _show_findings(self) -> None:
        self.pane.show(self.seen, self.complete)
        if self._checking or self._looking is not None:
            self._say_waiting()
        else:
            self._wait_no_more()
            self.pane.note(f"checked in {self._took:.1f} s; Tab: findings; r checks again")
        self.refresh_bindings()

    # findings

    @property
    def can_exclude(self) -> bool:
        """True where the finding under the cursor is about a file that can be left out."""
        one = self.pane.current
        return one is not None and one.can_exclude

    @property
    def can_accept(self) -> bool:
        """True where the finding under the cursor can be let pass."""
        one = self.pane.current
        return one is not None and one.can_accept

    def on_line_list_highlighted(self) -> None:
        """Other keys hold."""
        self.refresh_bindings()

    def on_line_list_opened(self, message: LineList.Opened) -> None:
        """The whole finding, and what can be done about it."""
        message.stop()
        one = self.pane.current
        if one is None or message.list is not self.pane.list:
            return

        def answered(action: object) -> None:
            if action == "exclude":
                self._exclude(one)
            elif action == "accept":
                self._accept(one)

        self.nuv.push_screen(FindingDialog(one, self.nuv.glyphs, self.command_values()), answered)

    def action_exclude(self) -> None:
        """Leave the file of the finding under the cursor out."""
        if self.pane.current is not None and self.can_exclude:
            self._exclude(self.pane.current)

    def action_accept(self) -> None:
        """Let the finding under the cursor pass, or no longer."""
        if self.pane.current is not None and self.can_accept:
            self._accept(self.pane.current)

    def _exclude(self, one: Seen) -> None:
        from nuvtui.tui.toolkit.dialogs.confirm import ConfirmDialog

        path = one.finding.path
        application = self.spec.application
        name = path_shown(path)

        def excluded(_: None) -> None:
            self.nuv.notify(f"{name} is left out of exports of {application} from now on.", timeout=6)
            # A snapshot keeps the application as it was: what changed counts for the next one.
            self._source = None
            self._forget_look()
            self._read_choices()

        def answered(yes: object) -> None:
            if yes:
                self.load(
                    lambda: self.nuv.services.exports.exclude(self.instance.id, application, path),
                    excluded,
                    group="exclude",
                )

        text: list[Line | str] = [
            line("Leaves ", (name, "strong"), f" out of exports of {application}."),
            "",
            f"It is added to `exclude` in .nuvtui/apps/{application}.yaml; the file itself stays where it is.",
        ]
        if self._source is not None:
            text += [
                "",
                "It counts from the next snapshot on: the export is then made from the Current State.",
            ]
        self.nuv.push_screen(ConfirmDialog("Exclude the file", text, "Exclude"), answered)

    def _accept(self, one: Seen) -> None:
        from nuvtui.tui.toolkit.dialogs.text import TextDialog, TextField

        if one.reason:
            for name in (one.finding.key, one.finding.path):
                self.accepted.pop(name, None)
            self._accepted()
            return

        def refuse(texts: Mapping[str, str]) -> str | None:
            return None if texts["reason"] else "Say why it may leave."

        def answered(texts: object) -> None:
            if isinstance(texts, Mapping):
                self.accepted[one.key] = texts["reason"]
                self._accepted()

        self.nuv.push_screen(
            TextDialog(
                "Accept the finding",
                [TextField("reason", "Why it may leave", placeholder="a made-up token for the manual")],
                "Accept it",
                text=[
                    line((one.finding.subject, "strong")),
                    line(one.finding.text),
                    "",
                    "It goes into the image as it is. The reason stands in the report, and in the image with it.",
                    "",
                ],
                refuse=refuse,
            ),
            answered,
        )

    def _accepted(self) -> None:
        """Preflight is the same with it: only what is shown changes."""
        if self._checked is not None:
            self._checked = msgspec.structs.replace(self._checked, accepted=self.spec.accepted)
        self._show_findings()

    # commands

    @property
    def has_tables(self) -> bool:
        """True where there are tables to choose from."""
        return bool(self._known.tables)

    def action_tables(self) -> None:
        """Choose tables one by one."""
        from nuvtui.tui.toolkit.dialogs.marks import MarksDialog

        names = list(self._known.tables)
        before = names if self._tables_before == "all" else self._chosen

        def answered(chosen: object) -> None:
            if isinstance(chosen, list):
                self._chosen = chosen
                self._tables_before = "all" if len(chosen) == len(names) else "some" if chosen else "none"
            # `change` would ask again.
            values = self._tables_before
            self.form.form = [
                msgspec.structs.replace(field, value=values) if field.id == "tables" else field
                for field in self.form.form
            ]
            self._set_form()
            self._check_soon()

        self.nuv.push_screen(
            MarksDialog(
                "Tables that go along",
                [Option(name, name) for name in names],
                before,
                ["They are written as files into the folder tables of the image's workspace."],
            ),
            answered,
        )

    def action_dry_run(self) -> None:
        """What goes in and what is left out."""
        from nuvtui.tui.features.exports.plan import ExportPlanScreen

        if self.spec.application:
            self.nuv.push_screen(ExportPlanScreen(self.spec, self.command_values()))

    def action_go(self) -> None:
        """Start the export, where nothing that is known stands in the way."""
        spec = self.spec
        if not spec.application:
            self.nuv.notify("Choose an application first.", severity="warning")
            return
        if self._checked == spec:
            levels = ("stop", "push") if spec.push else ("stop",)
            held = [one.finding for one in self.seen if one.in_the_way and one.finding.level in levels]
            if held:
                more = f" (and {len(held) - 1} more)" if len(held) > 1 else ""
                title = "Not yet" if held[0].level == "stop" else "Not with a push"
                self.nuv.notify(f"{held[0].subject}: {held[0].text}{more}", title=title, severity="error")
                return
        # What was not checked yet, the export's own first steps check.
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
        from nuvtui.tui.common.submit import submit

        export = clock.new_id()
        title = f"Export {spec.application}"

        def submitted(task: str) -> None:
            from nuvtui.tui.features.exports.run import ExportRun

            self._started(export)
            if self.nuv.screen is self:  # else the user went on meanwhile
                self.nuv.switch_screen(ExportRun(TaskView(task, kind="export", title=title), export))

        submit(
            self,
            Export(spec, export),
            title,
            submitted,
            space=self.space.id,
            instance=self.instance.id,
            subject=export,
        )

    def command_values(self) -> Mapping[str, str | Sequence[str]]:
        """All answers as options; path and key of the finding under the cursor."""
        spec = self.spec
        values: dict[str, str | Sequence[str]] = {
            "app": spec.application or "APP",
            "options": options_of(spec, self._known, self.nuv.settings, self.instance.name),
            "instance": self.instance.name,
        }
        one = self.pane.current
        if one is not None and one.can_exclude:
            values["path"] = path_shown(one.finding.path)
        if one is not None and one.can_accept:
            values["finding"] = one.key
        return values


def _left_out(outlook: Outlook) -> Finding:
    """What is left out, as a line of its own: the dry run lists all of it."""
    named = ", ".join(path_shown(each.what) for each in outlook.excluded[:NAMED])
    more = outlook.left_out - min(NAMED, outlook.left_out)
    text = f"{outlook.left_out:,}: {named}" + (f" and {more:,} more" if more else "")
    return Finding("note", "left out", text, "d lists what goes in and what is left out, and why.")
