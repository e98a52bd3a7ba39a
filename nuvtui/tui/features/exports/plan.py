"""The dry run of an export: findings, what is left out and why, what goes into the image, of what it is made."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from textual.widget import Widget

from nuvtui.errors import NuvError
from nuvtui.model.export import Accepted, ExportPlan, ExportSpec, Finding
from nuvtui.model.queries import PlanExport
from nuvtui.tui.common.base_screen import BaseScreen
from nuvtui.tui.common.describe import path_shown, plural
from nuvtui.tui.features.exports.findings import seen
from nuvtui.tui.toolkit.amounts import size
from nuvtui.tui.toolkit.commands import bindings
from nuvtui.tui.toolkit.line_list import Items, LineList
from nuvtui.tui.toolkit.lines import Line, Tone, fit, line
from nuvtui.worker.queries import Queries

LAYERS = {
    "host": "this machine's own interpreter and libraries",
    "packages": "what the application installs",
    "files": "workspace files",
    "application": "how it starts, and its report",
}
"""What is in the layers that have names of their own; the base is called by its image's."""


class Row(NamedTuple):
    """A line of the plan."""

    kind: str
    """`head`, `finding`, `in`, `out`, `layer`, `docker`."""
    text: str
    note: str = ""
    tone: Tone = ""
    label: str = ""


class ExportPlanScreen(BaseScreen):
    """Reads the plan in a thread and lists it; `/` filters."""

    SCOPES = ("plan",)
    BINDINGS = bindings("plan")
    HELP = "Nothing is built. What an export would put into the image stands under In the image, the rest above it."

    def __init__(self, spec: ExportSpec, values: Mapping[str, str | Sequence[str]]) -> None:
        """`values`: the words of its commands."""
        super().__init__()
        self._values = values
        self.spec = spec
        self._queries = Queries()

    def action_show(self) -> None:
        """It is shown already."""

    def command_values(self) -> Mapping[str, str | Sequence[str]]:
        """All answers of the form."""
        return self._values

    def body(self) -> list[Widget]:
        """One list."""
        return [LineList(id="plan-body", classes="pane", title="Dry run", empty="Reading")]

    def on_mount(self) -> None:
        """Read."""
        shown = self.query_one("#plan-body", LineList)
        shown.focus()
        shown.opens = "whole line"
        shown.empty = "Planning the image and looking for what must not leave; nothing is built."

        pending = self._queries.begin()
        self.load(
            lambda: pending.ask(self.nuv.services, PlanExport(self.spec)),
            self._show,
            group="plan",
            failed=self._failed,
        )

    def on_unmount(self) -> None:
        """Nobody waits for the plan any more."""
        self._queries.stop()

    def on_line_list_opened(self, message: LineList.Opened) -> None:
        """The whole of a line that is too long."""
        message.stop()
        source, at = message.list.source, message.list.current
        if at is not None and isinstance(source, Items):
            from nuvtui.tui.toolkit.dialogs.confirm import MessageDialog

            item: Row = source.items[at]
            self.nuv.push_screen(
                MessageDialog(
                    item.label or "The whole line", [part for part in (item.text, item.note) if part]
                )
            )

    def _failed(self, error: NuvError) -> None:
        rows = [
            Row("finding", error.title, error.message, "bad", "Stops the export"),
            Row("finding", "", error.hint, "muted"),
        ]
        self.query_one("#plan-body", LineList).set_source(Items(rows, _draw))

    def _show(self, plan: ExportPlan) -> None:
        shown = self.query_one("#plan-body", LineList)
        rows = rows_of(plan, self.spec.accepted)
        shown.set_source(Items(rows, _draw, text=lambda row: f"{row.label} {row.text} {row.note}".strip()))
        shown.set_title(
            f"Dry run: {plan.image}",
            f"{plural(plan.files, 'file')}, {size(plan.bytes)} and the base image; engine {plan.engine}; Esc goes back",
        )


def finding_rows(findings: list[Finding]) -> list[Row]:
    """Findings, the worst first, each with its hint below it."""
    rows = []
    for one in seen(findings, {}):
        finding = one.finding
        rows.append(Row("finding", path_shown(finding.subject), finding.text, one.tone, one.title))
        if finding.hint:
            rows.append(Row("finding", "", finding.hint, "muted"))
    return rows


def rows_of(plan: ExportPlan, accepted: list[Accepted]) -> list[Row]:
    """All lines of a plan; what was `accepted` is not among its findings any more."""
    rows = [Row("head", "Findings")] if plan.findings or accepted else []
    rows += finding_rows(plan.findings)
    rows += [Row("finding", one.finding, one.reason, "good", "Accepted") for one in accepted]
    rows.append(Row("head", f"Left out: {len(plan.excluded):,}"))
    rows += [Row("out", path_shown(out.what), out.reason) for out in plan.excluded]
    rows.append(
        Row(
            "head", f"In the image: {plural(plan.files, 'workspace file')}, {size(plan.bytes)}, largest first"
        )
    )
    rows += [Row("in", f"/{path_shown(path)}", size(count)) for path, count in plan.members]
    if plan.layers:
        rows.append(Row("head", "Layers, the base first"))
        rows += [Row("layer", text, LAYERS.get(text, "base image")) for text in plan.layers]
    if plan.dockerfile:
        rows.append(Row("head", "Dockerfile of the install steps"))
        rows += [Row("docker", text) for text in plan.dockerfile.splitlines()]
    return rows


def _draw(item: Row, _width: int) -> Line:
    match item.kind:
        case "head":
            return line((item.text, "accent"))
        case "in":
            return line(("  + ", "good"), item.text, right=[(item.note, "muted")])
        case "out":
            return line(("  - ", "warn"), item.text, (f"  {item.note}", "muted"))
        case "finding":
            return line(
                (f"  {fit(item.label, 16)}  ", item.tone),
                (f"{item.text}  " if item.text else "", "strong"),
                (item.note, "" if item.text else "muted"),
            )
        case "layer":
            return line(f"    {item.text}", (f"  {item.note}", "muted"))
        case _:
            return line(f"    {item.text}")
