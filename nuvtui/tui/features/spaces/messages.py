"""The messages that came along with distributions."""

from collections.abc import Sequence

from nuvtui.model.space import Message
from nuvtui.tui.common import describe
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
