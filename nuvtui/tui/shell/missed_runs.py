"""The scheduled runs that did not take place while the screens were closed, as they are told at the start."""

from typing import TYPE_CHECKING

from nuvtui import clock

if TYPE_CHECKING:
    from nuvtui.bootstrap import Services


def missed_runs(services: "Services") -> list[str]:
    """A sentence for each policy of this user that missed a run. For a thread; costs nothing without policies."""
    if not services.context.exists or not services.context.view().policies:
        return []
    from nuvtui.services.policies import missed

    return [
        f"The policy of {each.space}/{each.instance} missed {'a run' if each.count == 1 else f'{each.count} runs'}, "
        f"last due {clock.parse(each.due).astimezone():%Y-%m-%d %H:%M}. To run it now: nuvtui policy run"
        for each in missed.missed_runs(services.context.view(), services.user)
    ]
