"""Members of a space and their roles."""

import builtins
import pwd

from nuvtui.errors import Exit, NuvError
from nuvtui.model.roles import Action, Role
from nuvtui.model.space import Member
from nuvtui.services.context import Context
from nuvtui.services.spaces.service import member_key


class MembersService:
    """Who may do what in a space."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def role(self, space: str, instance: str | None = None) -> Role | None:
        """The acting user's role."""
        return self._context.role(self._context.view(), space, instance)

    def list(self, space: str) -> builtins.list[Member]:
        """Members of a space, by user; a whole-space role before roles in instances."""
        found = [m for m in self._context.view().members.all() if m.space == space]
        return sorted(found, key=lambda m: (m.user, m.instance or ""))

    def set(self, space: str, user: str, role: Role, instance: str | None = None) -> Member:
        """Give `user` a role in one instance, or (None) in the whole space.

        Raises NuvError: role (4); an administrator of one instance, or an unknown user name (2); no such instance (3); the
        space would be left without an administrator (6).
        """
        if not user or "/" in user or not user.isprintable():
            raise NuvError(f"{user!r} is not a user name", "", "Use the login name.", Exit.USAGE)
        try:
            pwd.getpwnam(user)
        except KeyError:
            raise NuvError(
                f"No user {user!r} on this machine",
                "expected a login name",
                "Check the spelling.",
                Exit.USAGE,
            ) from None
        if role is Role.ADMINISTRATOR and instance is not None:
            raise NuvError(
                "A space administrator has the whole space",
                "an instance was named",
                "Leave the instance out.",
                Exit.USAGE,
            )
        member = Member(space, user, role, instance)
        with self._context.state.transaction() as tx:
            self._context.require(tx, Action.MANAGE, space)
            if instance is not None and self._context.instance(tx, instance).space != space:
                raise NuvError(
                    f"No instance {instance} in this space",
                    "it is one of another space",
                    "List them: `nuvtui instances list`.",
                    Exit.NOT_FOUND,
                )
            tx.members.put(member)
            self._refuse_headless(tx.members.all(), space)
        return member

    def remove(self, space: str, user: str, instance: str | None = None) -> None:
        """Take a role away. Raises NuvError: role (4), no such member (3), the last administrator (6)."""
        with self._context.state.transaction() as tx:
            self._context.require(tx, Action.MANAGE, space)
            key = member_key(Member(space, user, Role.OBSERVER, instance))
            if tx.members.get(key) is None:
                raise NuvError(
                    f"{user} is not a member there", "", "See `nuvtui members list`.", Exit.NOT_FOUND
                )
            tx.members.delete(key)
            self._refuse_headless(tx.members.all(), space)

    @staticmethod
    def _refuse_headless(members: "builtins.list[Member]", space: str) -> None:
        if not any(m.space == space and m.role is Role.ADMINISTRATOR for m in members):
            raise NuvError(
                "A space needs a space administrator",
                "this would take the last one away",
                "Make somebody else administrator first.",
                Exit.REFUSED,
            )
