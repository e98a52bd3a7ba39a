"""All commands of the screens, by being imported: light, since the app needs them at its start."""

from nuvtui.tui.screens import exports_commands, stage_commands, state_commands, tasks_commands

__all__ = ["exports_commands", "stage_commands", "state_commands", "tasks_commands"]
