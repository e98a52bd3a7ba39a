"""What is shown at startup: the welcome where the folder is in no space, else messages not yet read."""

from nuvtui.tui.common.shell import Shell


def show_at_startup(nuv: Shell, told: set[str]) -> None:
    """The context was read: welcome the user, or show the messages that are not in `told` (and put them there)."""
    context = nuv.context
    from nuvtui.tui.features.spaces.welcome import Welcome

    if context.space is None:
        if not any(isinstance(screen, Welcome) for screen in nuv.screen_stack):
            nuv.push_screen(Welcome())
        return
    if isinstance(nuv.screen, Welcome):
        nuv.pop_screen()
    new = [message for message in context.messages if message.id not in told]
    if new:
        from nuvtui.tui.features.spaces.messages import show_unread

        told.update(message.id for message in new)
        show_unread(nuv)
