"""Snapshots of a Current State: taking, listing, restoring one; in which of them a path is."""
