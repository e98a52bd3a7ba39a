"""What is shown when one arrives: the welcome where the folder is in no space, else messages not yet read."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nuvtui.tui.shell.app import NuvApp


def arrived(nuv: NuvApp, told: set[str]) -> None:
    """The context was read: welcome the user, or show the messages that are not in `told` (and put them there)."""
    context = nuv.context
    if context.space is not None and not context.messages and len(nuv.screen_stack) == 1:
        return  # as nearly always: nothing of the dialogs is needed
    from nuvtui.tui.features.spaces.welcome import Welcome

    if context.space is None:
        if not any(isinstance(screen, Welcome) for screen in nuv.screen_stack):
            nuv.push_screen(Welcome())
        return
    if isinstance(nuv.screen, Welcome):
        nuv.pop_screen()
    new = [message for message in context.messages if message.id not in told]
    if new:
        told.update(message.id for message in new)
        show_messages(nuv)


def show_messages(nuv: NuvApp) -> None:
    """Show the messages that the user has not read, and remember that they were shown."""
    from nuvtui.tui.features.spaces.messages import MessagesDialog

    messages = nuv.context.messages
    if not messages:
        nuv.notify("No message that you have not read.", timeout=4)
        return
    identifiers = [message.id for message in messages]

    def read(seen: bool | None) -> None:
        if seen:
            nuv.jobs.start(
                nuv,
                lambda: nuv.services.messages.mark_read(identifiers),
                lambda _: nuv.reread(),
                group="read",
            )

    nuv.push_screen(MessagesDialog(messages), read)
