"""Members of a space: who may do what."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from textual.widget import Widget

from nuvtui.errors import NuvError
from nuvtui.model.roles import Role
from nuvtui.model.space import Instance, Member
from nuvtui.tui.common.base_screen import BaseScreen
from nuvtui.tui.toolkit.commands import bindings
from nuvtui.tui.toolkit.dialogs.confirm import ConfirmDialog
from nuvtui.tui.toolkit.dialogs.pick import Option, PickDialog
from nuvtui.tui.toolkit.dialogs.text import TextDialog, TextField
from nuvtui.tui.toolkit.line_list import Items, LineList
from nuvtui.tui.toolkit.lines import Cell, Line, row

ROLES = (
    (Role.ADMINISTRATOR, "everything: instances, members, recall"),
    (Role.EDITOR, "snapshots, restore, changes, export"),
    (Role.VIEWER, "look, compare, stage, distribute from"),
    (Role.OBSERVER, "the README only"),
)
WHOLE = "*"
"""Stands for the whole space where an instance is asked for."""


class Read(NamedTuple):
    """Members and instances of the space."""

    members: Sequence[Member]
    instances: Sequence[Instance]


class Members(BaseScreen):
    """The members of a space with their roles."""

    SCOPES = ("members",)
    BINDINGS = bindings("members")
    HELP = "Users of this machine and their roles, in the whole space or in one instance. Administrators change them."

    def __init__(self, space: str, name: str) -> None:
        super().__init__()
        self._space = space
        self._space_name = name
        self._members: list[Member] = []
        self._instances: dict[str, str] = {}

    def body(self) -> list[Widget]:
        """The list."""
        title = f"Members of {self._space_name}"
        return [
            LineList(
                id="members", classes="pane", title=title, empty="Reading", openable=False, heading=_heading
            )
        ]

    @property
    def members(self) -> LineList:
        """The list."""
        return self.query_one("#members", LineList)

    def on_mount(self) -> None:
        """Read them."""
        self.members.focus()
        self.reread()

    def reread(self) -> None:
        """Read members and instances."""
        services = self.nuv
        self.load(
            lambda: Read(
                services.services.members.list(self._space), services.services.instances.list(self._space)
            ),
            self._show,
            group="members",
        )

    def _show(self, read: Read) -> None:
        self._members = list(read.members)
        self._instances = {instance.id: instance.name for instance in read.instances}
        self.members.empty = "No members."
        self.members.set_source(
            Items(
                self._members,
                self._draw,
                key=lambda m: (m.user, m.instance),
                text=lambda m: f"{m.user} {m.role}",
            )
        )
        self.refresh_bindings()

    def _draw(self, member: Member, width: int) -> Line:
        return row(
            width,
            Cell(member.user, 20, "strong"),
            Cell(member.role, 20),
            Cell(self._where(member), 0, "muted"),
        )

    def _where(self, member: Member) -> str:
        if member.instance is None:
            return "whole space"
        return f"instance {self._instances.get(member.instance, member.instance)}"

    @property
    def member(self) -> Member | None:
        """The member under the cursor."""
        at = self.members.current if self.is_mounted and self._members else None
        return self._members[at] if at is not None else None

    def command_values(self) -> Mapping[str, str]:
        """Space and user."""
        member = self.member
        return {"space": self._space_name, "user": member.user if member else ""}

    def on_line_list_highlighted(self, message: LineList.Highlighted) -> None:
        """Other keys may be in force."""
        message.stop()
        self.refresh_bindings()

    # commands

    def action_add(self) -> None:
        """Ask for user, place and role."""

        def user_given(texts: Mapping[str, str] | None) -> None:
            if texts is None:
                return
            places = [
                Option(WHOLE, "The whole space"),
                *(Option(i, f"Instance {n}") for i, n in self._instances.items()),
            ]

            def place_chosen(place: str | None) -> None:
                if place is not None:
                    self._ask_role(texts["user"], None if place == WHOLE else place)

            self.nuv.push_screen(PickDialog(f"Where has {texts['user']} a role?", places), place_chosen)

        self.nuv.push_screen(
            TextDialog(
                "Add a member",
                [TextField("user", "Login name on this machine")],
                "Go on",
                refuse=lambda texts: None if texts["user"] else "A login name is missing.",
            ),
            user_given,
        )

    def action_change(self) -> None:
        """Ask for another role."""
        if self.member is not None:
            self._ask_role(self.member.user, self.member.instance)

    def _ask_role(self, user: str, instance: str | None) -> None:
        roles = [each for each in ROLES if instance is None or each[0] is not Role.ADMINISTRATOR]

        def chosen(role: str | None) -> None:
            if role is not None:
                self.load(
                    lambda: self.nuv.services.members.set(self._space, user, Role(role), instance),
                    lambda member: self._changed(f"{member.user}: {member.role}, {self._where(member)}."),
                    group="set",
                    failed=self._refused,
                )

        options = [Option(role.value, role.value, about) for role, about in roles]
        self.nuv.push_screen(PickDialog(f"Role of {user}", options), chosen)

    def action_remove(self) -> None:
        """Ask, then take the role away."""
        member = self.member
        if member is None:
            return

        def answered(yes: bool | None) -> None:
            if yes:
                self.load(
                    lambda: self.nuv.services.members.remove(self._space, member.user, member.instance),
                    lambda _: self._changed(f"{member.user} has that role no more."),
                    group="remove",
                    failed=self._refused,
                )

        self.nuv.push_screen(
            ConfirmDialog(
                "Take the role away",
                [f"{member.user} is {member.role} ({self._where(member)}) and will not be any more."],
                "Take it away",
                backup="Nothing is deleted; the role can be given again.",
                destructive=True,
            ),
            answered,
        )

    def _changed(self, told: str) -> None:
        self.nuv.notify(told)
        self.reread()

    def _refused(self, error: NuvError) -> None:
        self.nuv.show_error(error)
        self.reread()


def _heading(width: int) -> Line:
    return row(width, Cell("user", 20), Cell("role", 20), Cell("where", 0))
