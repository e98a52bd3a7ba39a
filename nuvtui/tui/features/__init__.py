"""One folder a feature: its screens, lines, dialogs, commands and stylesheet."""
