"""Stage: what is collected, from which state, how much; it leads into a distribution."""

from collections.abc import Mapping, Sequence

from textual.app import ComposeResult
from textual.widget import Widget

from nuvtui.model.distribution import ObjectType
from nuvtui.model.names import text_to_path
from nuvtui.model.stage import Stage as StageValue
from nuvtui.model.stage import StateRef
from nuvtui.services.sharing.staging import StagedItem
from nuvtui.tui.common.pane import Pane
from nuvtui.tui.common.staged import Staged, totals
from nuvtui.tui.toolkit.amounts import amount, size
from nuvtui.tui.toolkit.commands import bindings
from nuvtui.tui.toolkit.detail import DetailPane
from nuvtui.tui.toolkit.line_list import Items, LineList
from nuvtui.tui.toolkit.lines import Line, Piece, line

WORDS = {ObjectType.FILES: "file", ObjectType.TABLES: "table", ObjectType.APPLICATIONS: "app"}
OPTIONS = {ObjectType.FILES: "--files", ObjectType.TABLES: "--tables", ObjectType.APPLICATIONS: "--apps"}


class Stage(Pane):
    """The list of what is staged; Enter on it begins a distribution."""

    SCOPES = ("stage",)
    BINDINGS = bindings("stage")
    TITLE = "Stage"
    HELP = (
        "Collect files, folders, tables and applications of one state (Space in Contents), then distribute them to "
        "other instances. The stage is kept when you leave. To restore a part of a snapshot, stage it from there and "
        "distribute it to the instance that it came from."
    )

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.staged = Staged(None, "", [])
        self.answers: dict[str, object] = {}
        """What was entered in the wizard, for the next time that it is opened."""

    def compose(self) -> ComposeResult:
        """Source, list, totals."""
        yield DetailPane(id="stage-source", can_focus=False)
        yield LineList(
            id="stage-list",
            empty="Nothing is staged. In Contents (2) Space marks and a stages. There v begins a range, and "
            "a folder is staged with all that is in it. What is staged is then distributed to other instances (d); "
            "H lists past distributions.",
            markable=True,
            openable=False,
        )
        yield DetailPane(id="stage-total", can_focus=False)

    def first_focus(self) -> Widget | None:
        """The list."""
        return self._list

    @property
    def _list(self) -> LineList:
        return self.query_one("#stage-list", LineList)

    @property
    def filled(self) -> bool:
        """True where something is staged."""
        return self.staged.stage is not None and not self.staged.stage.empty

    # reading

    def state_changed(self) -> None:
        """Read the stage."""
        space = self.nuv.context.space
        if space is None:
            self._show(Staged(None, "", []))
            return

        def read() -> Staged:
            staging = self.nuv.services.staging
            stage = staging.get(space.id)
            if stage is None or stage.empty:
                return Staged(stage, "", [])
            return Staged(stage, staging.label(stage.source), staging.contents(stage))

        self.load(read, self._show)

    def _show(self, staged: Staged) -> None:
        self.staged = staged
        shown = self._list
        shown.set_source(Items(staged.items, self._line, key=_key))
        keys = {_key(item) for item in staged.items}
        if not shown.marked <= keys:
            shown.set_marked({key for key in shown.marked if key in keys})
        source = self.query_one("#stage-source", DetailPane)
        source.display = self.filled
        source.show([line(("from ", "muted"), (staged.label, "strong"))])
        total = self.query_one("#stage-total", DetailPane)
        total.display = self.filled
        total.show(totals(staged.items))
        self._count()
        self.refresh_bindings()

    def _count(self) -> None:
        marked = len(self._list.marked)
        note = f"{len(self.staged.items):,} staged" if self.filled else ""
        self.set_title(self.TITLE, f"{note}, {marked:,} marked" if marked else note)

    def on_line_list_marked(self) -> None:
        """How many are marked."""
        self._count()

    def _line(self, item: StagedItem, width: int) -> Line:
        name = "all files" if item.name == "." else text_to_path(item.name)
        count, amounts = _amounts(item)
        word = "folder" if item.type is ObjectType.FILES and name.endswith("/") else WORDS[item.type]
        right: list[Piece] = []
        if item.missing:
            right.append(("missing", "bad"))
        else:
            if count and width > 50:
                right.append((f"{count:>13}", "muted"))
            right.append((f"{amounts or (count if width <= 50 else ''):>11}", "muted"))
        return line((f"{word:<7}" if width > 24 else "", "muted"), name, right=right)

    # commands

    def _chosen(self) -> list[StagedItem]:
        shown = self._list
        wanted = shown.marked | shown.ranged
        if wanted:
            return [item for item in self.staged.items if _key(item) in wanted]
        return [self.staged.items[shown.current]] if shown.current is not None and self.staged.items else []

    def action_distribute(self) -> None:
        """The wizard."""
        if self.filled and self.nuv.context.space is not None:
            self.nuv.open("distribution.wizard", self.nuv.context.space, self.staged, self.answers)

    def action_history(self) -> None:
        """Past distributions."""
        if self.nuv.context.space is not None:
            self.nuv.open("distribution.history", self.nuv.context.space)

    def action_remove(self) -> None:
        """Take out what is marked, else the line under the cursor."""
        stage, chosen = self.staged.stage, self._chosen()
        if stage is None or not chosen:
            return
        if stage.everything and any(not _named(stage, item) for item in chosen):
            self._ask_for_everything(stage)
            return
        names: dict[ObjectType, list[str]] = {kind: [] for kind in ObjectType}
        for item in chosen:
            names[item.type].append(item.name.rstrip("/"))

        def remove() -> None:
            self.nuv.services.staging.remove(
                stage.space,
                [text_to_path(name) for name in names[ObjectType.FILES]],
                names[ObjectType.TABLES],
                names[ObjectType.APPLICATIONS],
            )

        self.load(remove, lambda _: self.nuv.reread(), group="remove")

    def _ask_for_everything(self, stage: StageValue) -> None:
        from nuvtui.tui.toolkit.dialogs.confirm import ConfirmDialog

        def remove() -> None:
            self.nuv.services.staging.remove(stage.space, everything=True)

        self.nuv.push_screen(
            ConfirmDialog(
                "The whole state is staged",
                [
                    "Single things cannot be taken out of it.",
                    "Take the whole state out? What was staged by name stays.",
                ],
                "Take it out",
            ),
            lambda yes: self.load(remove, lambda _: self.nuv.reread(), group="remove") if yes else None,
        )

    def action_clear(self) -> None:
        """Ask, then empty the stage."""
        from nuvtui.tui.toolkit.dialogs.confirm import ConfirmDialog

        stage = self.staged.stage
        if stage is None:
            return

        def clear() -> None:
            self.nuv.services.staging.clear(stage.space)

        self.nuv.push_screen(
            ConfirmDialog(
                "Empty the stage",
                [
                    line(*totals(self.staged.items)[0].left),
                    f"staged from {self.staged.label}",
                    "",
                    "The source keeps all of it.",
                ],
                "Empty it",
                destructive=True,
            ),
            lambda yes: self.load(clear, lambda _: self.nuv.reread(), group="clear") if yes else None,
        )

    def action_everything(self) -> None:
        """Stage the whole state that Contents shows."""
        state = self.nuv.context.state
        if state is not None:
            self.stage_everything(state, replace=False)

    def stage_everything(self, state: StateRef, replace: bool) -> None:
        """Stage a whole state; where another one is staged, ask first."""
        from nuvtui.errors import Exit, NuvError
        from nuvtui.tui.toolkit.dialogs.confirm import ConfirmDialog

        def add() -> None:
            self.nuv.services.staging.add(state, everything=True, replace=replace)

        def failed(error: NuvError) -> None:
            if error.exit_code != Exit.CONFLICT or replace:
                self.nuv.show_error(error)
                return
            self.nuv.push_screen(
                ConfirmDialog(
                    error.title,
                    [
                        "A distribution has one source state.",
                        "Begin a new stage? What is staged now is dropped from it.",
                    ],
                    "Begin a new stage",
                    destructive=True,
                ),
                lambda yes: self.stage_everything(state, replace=True) if yes else None,
            )

        self.load(add, lambda _: self.nuv.reread(), group="add", failed=failed)

    def command_values(self) -> Mapping[str, str | Sequence[str]]:
        """What would be taken out."""
        items = [
            word
            for item in self._chosen()
            for word in (OPTIONS[item.type], text_to_path(item.name.rstrip("/")))
            if item.name != "."
        ]
        return {"items": items} if items else {}


def _amounts(item: StagedItem) -> tuple[str, str]:
    """How many files, and how much, of one thing that is staged; empty where that is not known or says nothing."""
    if item.type is ObjectType.TABLES:
        return "", amount(item.size, "rows")
    if item.type is ObjectType.APPLICATIONS:
        return "", ""
    return f"{item.count:,} files" if item.count > 1 else "", size(item.size) if item.size else ""


def _key(item: StagedItem) -> tuple[str, str]:
    return item.type.value, item.name


def _named(stage: StageValue, item: StagedItem) -> bool:
    held = {
        ObjectType.FILES: stage.files,
        ObjectType.TABLES: stage.tables,
        ObjectType.APPLICATIONS: stage.applications,
    }[item.type]
    return item.name.rstrip("/") in held
