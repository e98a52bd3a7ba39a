"""Widgets, dialogs, commands and drawing, virtual and safe against outside text: no model, no service, no feature."""
