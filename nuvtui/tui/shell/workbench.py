"""The screen that holds the five places: one at a time, or the first three side by side where there is room."""

import importlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from textual import events
from textual.containers import Container
from textual.widget import Widget

from nuvtui.tui.common import state_commands  # registers the workbench's own commands
from nuvtui.tui.common.frame import WIDE, Frame
from nuvtui.tui.common.place import Place
from nuvtui.tui.toolkit.commands import REGISTRY, bindings


class PlaceSpec(NamedTuple):
    """A place and where its class is; the module is imported when the place is first shown."""

    id: str
    module: str
    name: str
    beside: bool = False
    """Stands side by side with the others of this kind where the terminal is wide."""

    def make(self) -> Place:
        """A new place."""
        made = getattr(importlib.import_module(self.module), self.name)(id=self.id)
        assert isinstance(made, Place)
        return made


class Workbench(Frame):
    """Shows places and passes on to them what the app hears."""

    SCOPES = ("workbench",)
    BINDINGS = bindings("workbench")
    HELP = "Five places: 1 Timeline, 2 Contents, 3 Stage, 4 Exports, 5 Tasks."

    def __init__(self, specs: Sequence[PlaceSpec]) -> None:
        super().__init__()
        self._specs = list(specs)
        self._places: dict[str, Place] = {}
        self._last: dict[str, Widget] = {}
        self.current = self._specs[0].id
        """Id of the place with the focus."""
        self._wide = False

    def on_mount(self) -> None:
        """Show the first place."""
        self._wide = self.app.size.width >= WIDE
        self.call_next(self.show, self.current)

    def place(self, identifier: str) -> Place | None:
        """A place that has been made."""
        return self._places.get(identifier)

    @property
    def places(self) -> list[Place]:
        """The places that have been made."""
        return list(self._places.values())

    def _together(self, identifier: str) -> list[PlaceSpec]:
        """What is on the screen when `identifier` is shown."""
        spec = next(spec for spec in self._specs if spec.id == identifier)
        if self._wide and spec.beside:
            aside = {each for place in self._places.values() for each in place.displaces(identifier)}
            return [
                other
                for other in self._specs
                if other.beside and (other.id == identifier or other.id not in aside)
            ]
        return [spec]

    async def show(self, identifier: str, focus: bool = True) -> Place:
        """Go to a place: make it where it is new, display it with those beside it, give it the focus."""
        self.current = identifier
        together = self._together(identifier)
        body = self.query_one("#body", Container)
        new: list[Place] = []
        for spec in together:
            if spec.id not in self._places:
                if spec is not self._specs[0]:
                    self.nuv.complete_styles()
                place = spec.make()
                self._places[spec.id] = place
                order = [s.id for s in self._specs]
                later = [p for p in order[order.index(spec.id) + 1 :] if p in self._places]
                await body.mount(place, before=self._places[later[0]] if later else None)
                new.append(place)
        shown = {spec.id for spec in together}
        for place in self._places.values():
            place.display = place.id in shown
        for place in self._places.values():
            if place.id in shown:
                if place in new:
                    place.tell_state()
                    place.tell_tasks(self.nuv.tasks)
                else:
                    place.catch_up()
        if self.too_small:
            self._kept = None  # the place's own, when there is room again
        elif focus:
            self._focus(self._places[identifier])
        return self._places[identifier]

    def _focus(self, place: Place) -> None:
        last = self._last.get(place.id or "")
        wanted = last if last is not None and last.is_attached and last.focusable else place.first_focus()
        if wanted is None:
            wanted = next((widget for widget in place.walk_children(Widget) if widget.focusable), None)
        if wanted is not None:
            wanted.focus()
        else:
            self.set_focus(None)

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Remember where the focus is in each place."""
        if self.too_small:
            return
        for node in event.widget.ancestors_with_self:
            if isinstance(node, Place) and node.id:
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
        """Room again: the place and what had the focus in it."""
        place = self._places.get(self.current)
        if not self.too_small and place is not None:
            kept = self._kept
            if kept is not None and place in kept.ancestors_with_self:
                self._last[self.current] = kept
            self._kept = None
            self._focus(place)

    def on_key(self, event: events.Key) -> None:
        """The letters of Contents, while it stands beside what has the focus and that makes nothing of them."""
        place = self._places.get("contents")
        if place is None or not place.display or self.current == "contents" or self.too_small:
            return
        for command in REGISTRY.of("contents"):
            if command.call.startswith("section(") and event.key in REGISTRY.keys(command.id):
                event.stop()
                self.call_next(self.app.run_action, command.call, place)
                return

    async def step(self, step: int) -> None:
        """Tab: the next pane; where one place at a time is shown, after its last pane the next place."""
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
        """Esc, where nothing within the place wanted it."""
        place = self._places.get(self.current)
        return place is not None and place.go_back()

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
        from nuvtui.tui.features.spaces.overview import SpaceOverview

        self.nuv.push_screen(SpaceOverview())

    def action_spaces(self) -> None:
        """All spaces and instances."""
        from nuvtui.tui.features.spaces.spaces import Spaces

        self.nuv.push_screen(Spaces())

    def action_members(self) -> None:
        """Who may do what in this space."""
        from nuvtui.tui.features.spaces.members import Members

        space = self.nuv.context.space
        if space is not None:
            self.nuv.push_screen(Members(space.id, space.name))

    def action_messages(self) -> None:
        """Messages not yet read."""
        from nuvtui.tui.features.spaces.arrival import show_messages

        show_messages(self.nuv)

    def action_undo(self) -> None:
        """The way back from the last restore or distribution."""
        from nuvtui.tui.common.state_actions import ask_undo

        ask_undo(self)


__all__ = ["PlaceSpec", "Workbench", "state_commands"]
