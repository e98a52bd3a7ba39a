"""Messages that came with distributions: what is new for the acting user."""

import msgspec

from nuvtui.model.roles import Action, allows
from nuvtui.model.space import Message
from nuvtui.services.context import Context


class MessagesService:
    """Messages to the users of instances."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def unread(self, instance: str) -> list[Message]:
        """Messages of distributions to an instance that the acting user has not read yet, oldest first.

        None for those who may not view the instance.
        """
        view = self._context.view()
        target = view.instances.get(instance)
        if target is None or not allows(self._context.role(view, target.space, instance), Action.VIEW):
            return []
        user = self._context.user
        found = [m for m in view.messages.all() if m.instance == instance and user not in m.read_by]
        return sorted(found, key=lambda m: m.created)

    def mark_read(self, messages: list[str]) -> None:
        """Remember that the acting user has seen these messages (ids)."""
        user = self._context.user
        with self._context.state.transaction() as tx:
            for identifier in messages:
                message = tx.messages.get(identifier)
                if message is not None and user not in message.read_by:
                    tx.messages.put(msgspec.structs.replace(message, read_by=[*message.read_by, user]))
