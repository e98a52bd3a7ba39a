"""Dialogs: one file each, over the small base in `base`."""
