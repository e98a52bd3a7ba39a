"""Dialogs about states, which several features ask."""
