"""The messages that came along with distributions."""

from collections.abc import Sequence

from nuvtui.model.space import Message
from nuvtui.tui.common import describe
from nuvtui.tui.common.shell import Shell
from nuvtui.tui.toolkit.detail import block_lines
from nuvtui.tui.toolkit.dialogs.base import Choice, Dialog
from nuvtui.tui.toolkit.lines import Line, line


class MessagesDialog(Dialog[bool]):
    """Shows them; the callback gets True where they were read, None where they are kept for later."""

    def __init__(self, messages: Sequence[Message]) -> None:
        text: list[Line | str] = []
        for message in messages:
            text += [
                line(
                    (message.sender, "strong"),
                    (f", {describe.moment(message.created)}, distributed to you:", "muted"),
                ),
                *(line("  ", *each.left) for each in block_lines(message.text)),
                "",
            ]
        count = describe.plural(len(messages), "message")
        super().__init__(count.capitalize(), text, [Choice(True, "Read"), Choice(None, "Keep for later")])


def show_unread(nuv: Shell) -> None:
    """Show the messages that the user has not read, and remember that they were shown."""
    if nuv.context.messages:
        _show(nuv, nuv.context.messages)
    else:
        nuv.notify("No message that you have not read.", timeout=4)


def show_one(nuv: Shell, identifier: str) -> None:
    """Show one message, read or not."""

    def show(messages: list[Message]) -> None:
        if messages:
            _show(nuv, messages)

    nuv.load(lambda: nuv.services.overview.messages([identifier]), show, group="message")


def _show(nuv: Shell, messages: Sequence[Message]) -> None:
    identifiers = [message.id for message in messages]

    def read(seen: bool | None) -> None:
        if seen:
            nuv.load(
                lambda: nuv.services.messages.mark_read(identifiers), lambda _: nuv.reread(), group="read"
            )

    nuv.push_screen(MessagesDialog(messages), read)
