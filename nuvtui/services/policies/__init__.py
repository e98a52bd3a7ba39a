"""Policies: snapshots by a schedule, which of them stay, pushes and hooks; and where the schedule is installed."""
