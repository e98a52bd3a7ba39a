"""The screen that holds the five panes: one at a time, or the first three side by side where there is room."""

from collections.abc import Callable, Mapping, Sequence

from textual import events
from textual.containers import Container
from textual.widget import Widget

import nuvtui.tui.shell.commands  # noqa: F401  (registers)
from nuvtui.tui.common.base_screen import WIDE, BaseScreen
from nuvtui.tui.common.feature import PaneSpec
from nuvtui.tui.common.pane import Pane
from nuvtui.tui.toolkit.commands import REGISTRY, bindings


class MainScreen(BaseScreen):
    """Shows panes and passes on to them what the app hears."""

    SCOPES = ("workbench",)  # settings name its commands
    BINDINGS = bindings("workbench")
    HELP = "Five places: 1 Timeline, 2 Contents, 3 Stage, 4 Exports, 5 Tasks."

    def __init__(self, specs: Sequence[PaneSpec], complete_styles: Callable[[], None]) -> None:
        """`complete_styles` is called before another pane than the first one is made."""
        super().__init__()
        self._complete_styles = complete_styles
        self._specs = list(specs)
        self._panes: dict[str, Pane] = {}
        self._last: dict[str, Widget] = {}
        self.current = self._specs[0].id
        """Id of the pane with the focus."""
        self._wide = False

    def on_mount(self) -> None:
        """Show the first pane."""
        self._wide = self.app.size.width >= WIDE
        self.call_next(self.show, self.current)

    def pane(self, identifier: str) -> Pane | None:
        """A pane that has been made."""
        return self._panes.get(identifier)

    @property
    def panes(self) -> list[Pane]:
        """The panes that have been made."""
        return list(self._panes.values())

    def _together(self, identifier: str) -> list[PaneSpec]:
        """What is on the screen when `identifier` is shown."""
        spec = next(spec for spec in self._specs if spec.id == identifier)
        if self._wide and spec.beside:
            aside = {each for pane in self._panes.values() for each in pane.displaces(identifier)}
            return [
                other
                for other in self._specs
                if other.beside and (other.id == identifier or other.id not in aside)
            ]
        return [spec]

    async def show(self, identifier: str, focus: bool = True) -> Pane:
        """Go to a pane: make it where it is new, display it with those beside it, give it the focus."""
        self.current = identifier
        together = self._together(identifier)
        body = self.query_one("#body", Container)
        new: list[Pane] = []
        for spec in together:
            if spec.id not in self._panes:
                if spec is not self._specs[0]:
                    self._complete_styles()
                pane = spec.make()
                self._panes[spec.id] = pane
                order = [s.id for s in self._specs]
                later = [p for p in order[order.index(spec.id) + 1 :] if p in self._panes]
                await body.mount(pane, before=self._panes[later[0]] if later else None)
                new.append(pane)
        shown = {spec.id for spec in together}
        for pane in self._panes.values():
            pane.display = pane.id in shown
        for pane in self._panes.values():
            if pane.id in shown:
                if pane in new:
                    pane.tell_state()
                    pane.tell_tasks(self.nuv.tasks)
                else:
                    pane.catch_up()
        if self.too_small:
            self._kept = None  # the pane's own, when there is room again
        elif focus:
            self._focus(self._panes[identifier])
        return self._panes[identifier]

    def _focus(self, pane: Pane) -> None:
        last = self._last.get(pane.id or "")
        wanted = last if last is not None and last.is_attached and last.focusable else pane.first_focus()
        if wanted is None:
            wanted = next((widget for widget in pane.walk_children(Widget) if widget.focusable), None)
        if wanted is not None:
            wanted.focus()
        else:
            self.set_focus(None)

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Remember where the focus is in each pane."""
        if self.too_small:
            return
        for node in event.widget.ancestors_with_self:
            if isinstance(node, Pane) and node.id:
                self.current = node.id
                self._last[node.id] = event.widget
                return

    def on_resize(self, event: events.Resize) -> None:
        """Side by side or one at a time."""
        wide = event.size.width >= WIDE
        if wide != self._wide:
            self._wide = wide
            self.call_next(self.show, self.current)

    def take_up(self) -> None:
        """Room again: the pane and what had the focus in it."""
        pane = self._panes.get(self.current)
        if not self.too_small and pane is not None:
            kept = self._kept
            if kept is not None and pane in kept.ancestors_with_self:
                self._last[self.current] = kept
            self._kept = None
            self._focus(pane)

    def on_key(self, event: events.Key) -> None:
        """The letters of Contents, while it stands beside what has the focus and that makes nothing of them."""
        pane = self._panes.get("contents")
        if pane is None or not pane.display or self.current == "contents" or self.too_small:
            return
        for command in REGISTRY.of("contents"):
            if command.call.startswith("section(") and event.key in REGISTRY.keys(command.id):
                event.stop()
                self.call_next(self.app.run_action, command.call, pane)
                return

    async def step(self, step: int) -> None:
        """Tab: the focus goes on within the screen; where one pane at a time is shown, then to the next pane."""
        chain = self.focus_chain
        at = chain.index(self.focused) if self.focused in chain else -1
        if not self._wide and (not chain or at == (len(chain) - 1 if step > 0 else 0)):
            order = [spec.id for spec in self._specs]
            await self.show(order[(order.index(self.current) + step) % len(order)])
        elif step > 0:
            self.focus_next()
        else:
            self.focus_previous()

    def go_back(self) -> bool:
        """Esc, where nothing within the pane wanted it."""
        pane = self._panes.get(self.current)
        return pane is not None and pane.go_back()

    def command_values(self) -> Mapping[str, str]:
        """The space."""
        space = self.nuv.context.space
        return {"space": space.name} if space else {}

    # commands

    def action_overview(self) -> None:
        """The space at a glance."""
        if self.nuv.context.space is None:
            self.action_spaces()
            return
        self.nuv.open("spaces.overview")

    def action_spaces(self) -> None:
        """All spaces and instances."""
        self.nuv.open("spaces.all")

    def action_remotes(self) -> None:
        """The places outside this machine that hold snapshots."""
        self.nuv.open("remotes.all")

    def action_members(self) -> None:
        """Who may do what in this space."""
        space = self.nuv.context.space
        if space is not None:
            self.nuv.open("spaces.members", space.id, space.name)

    def action_messages(self) -> None:
        """Messages not yet read."""
        self.nuv.route("spaces.messages")(self.nuv)

    def action_undo(self) -> None:
        """The way back from the last restore or distribution."""
        from nuvtui.tui.common.state_actions import ask_undo

        ask_undo(self)
