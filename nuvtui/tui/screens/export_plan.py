"""The dry run of an export: what goes into the image, what is left out and why, the Dockerfile."""

from typing import NamedTuple

from textual.widget import Widget

from nuvtui.errors import NuvError
from nuvtui.model.export import ExportSpec, Finding
from nuvtui.model.names import text_to_path
from nuvtui.services.export_plan import ExportPlan
from nuvtui.tui.aside import Aside
from nuvtui.tui.commands import bindings
from nuvtui.tui.screens import exports_commands  # noqa: F401  (registers)
from nuvtui.tui.widgets.frame import Frame
from nuvtui.tui.widgets.line_list import Items, LineList
from nuvtui.tui.widgets.lines import Line, Tone, line
from nuvtui.tui.widgets.meter import size

LEVELS: dict[str, Tone] = {"stop": "bad", "warning": "warn", "note": "muted"}


class Row(NamedTuple):
    """A line of the plan."""

    kind: str
    """`head`, `in`, `out`, `finding`, `docker`."""
    text: str
    note: str = ""
    tone: Tone = ""


class ExportPlanScreen(Frame):
    """Reads the plan in a thread and lists it; `/` filters."""

    SCOPES = ("plan",)
    BINDINGS = bindings("plan")
    HELP = "Nothing is built. What an export would put into the image stands under In the image, the rest above it."

    def __init__(self, spec: ExportSpec) -> None:
        super().__init__()
        self.spec = spec
        self._aside = Aside()

    def body(self) -> list[Widget]:
        """One list."""
        return [LineList(id="plan-body", classes="pane", title="Dry run", empty="Reading")]

    def on_mount(self) -> None:
        """Read."""
        shown = self.query_one("#plan-body", LineList)
        shown.focus()
        shown.empty = "Planning the image; nothing is built."

        question = self._aside.ask()

        def read() -> ExportPlan:
            import msgspec

            return msgspec.convert(question.plan(self.nuv.services, self.spec), ExportPlan)

        self.load(read, self._show, group="plan", failed=self._failed)

    def on_unmount(self) -> None:
        """Nobody waits for the plan any more."""
        self._aside.stop()

    def on_line_list_opened(self, message: LineList.Opened) -> None:
        """The whole of a line that is too long."""
        message.stop()
        source, at = message.list.source, message.list.current
        if at is not None and isinstance(source, Items):
            from nuvtui.tui.dialogs.confirm import MessageDialog

            item: Row = source.items[at]
            self.nuv.push_screen(
                MessageDialog("The whole line", [part for part in (item.text, item.note) if part])
            )

    def _failed(self, error: NuvError) -> None:
        rows = [
            Row("finding", f"stop: {error.title}", error.message, "bad"),
            Row("finding", "", error.hint, "muted"),
        ]
        self.query_one("#plan-body", LineList).set_source(Items(rows, _draw))

    def _show(self, plan: ExportPlan) -> None:
        shown = self.query_one("#plan-body", LineList)
        shown.set_source(Items(rows_of(plan), _draw, text=lambda row: f"{row.text} {row.note}"))
        shown.set_title(
            f"Dry run: {plan.image}", f"{plan.files:,} files, {size(plan.bytes)} go in; Esc goes back"
        )


def finding_rows(findings: list[Finding]) -> list[Row]:
    """Findings, the worst first."""
    order = ["stop", "warning", "note"]
    rows = []
    for finding in sorted(findings, key=lambda each: order.index(each.level)):
        rows.append(
            Row(
                "finding",
                f"{finding.level}: {text_to_path_safe(finding.subject)}",
                finding.text,
                LEVELS[finding.level],
            )
        )
        if finding.hint:
            rows.append(Row("finding", "", finding.hint, "muted"))
    return rows


def rows_of(plan: ExportPlan) -> list[Row]:
    """All lines of a plan."""
    rows = [Row("head", "Findings")] if plan.findings else []
    rows += finding_rows(plan.findings)
    rows.append(Row("head", f"Left out: {len(plan.excluded):,}"))
    rows += [Row("out", text_to_path_safe(out.what), out.reason) for out in plan.excluded]
    rows.append(Row("head", f"In the image: {plan.files:,} workspace files, {size(plan.bytes)}"))
    rows += [Row("in", f"/{text_to_path_safe(path)}", size(count)) for path, count in plan.members]
    rows.append(Row("head", "Dockerfile"))
    rows += [Row("docker", text) for text in plan.dockerfile.splitlines()]
    return rows


def text_to_path_safe(text: str) -> str:
    """`text` as the path that it stands for; as it is where it is not the text of a path."""
    try:
        return text_to_path(text)
    except ValueError:
        return text


def _draw(item: Row, width: int) -> Line:
    match item.kind:
        case "head":
            return line((item.text, "accent"))
        case "in":
            return line(("  + ", "good"), item.text, right=[(item.note, "muted")])
        case "out":
            return line(("  - ", "warn"), item.text, (f"  {item.note}", "muted"))
        case "finding":
            return line(
                (f"  {item.text}", item.tone),
                "  " if item.text else "    ",
                (item.note, "" if item.text else "muted"),
            )
        case _:
            return line(f"    {item.text}")
