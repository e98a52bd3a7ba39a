"""Remotes: snapshots that leave the machine. `FORMAT.md` beside this file says what lies on a remote."""
