"""The role table of the domain."""

import pytest

from nuvtui.model.roles import Action, Role, allows, highest, needed

# The role table of the domain, row by row: administrator, editor, viewer, observer.
TABLE = {
    Action.READ_README: (True, True, True, True),
    Action.VIEW: (True, True, True, False),
    Action.MODIFY: (True, True, False, False),
    Action.EXPORT: (True, True, False, False),
    Action.MANAGE: (True, False, False, False),
}


@pytest.mark.parametrize("action", Action)
def test_the_table(action: Action) -> None:
    roles = (Role.ADMINISTRATOR, Role.EDITOR, Role.VIEWER, Role.OBSERVER)
    assert tuple(allows(role, action) for role in roles) == TABLE[action]
    assert not allows(None, action)
    assert allows(needed(action), action)


def test_the_highest_role_counts() -> None:
    assert highest([Role.OBSERVER, Role.EDITOR, Role.VIEWER]) is Role.EDITOR
    assert highest([]) is None
