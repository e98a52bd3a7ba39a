"""The stage: what is collected from one source state before a distribution."""

import msgspec


class StateRef(msgspec.Struct, frozen=True):
    """A state of an instance: its Current State (`snapshot` None) or one of its snapshots."""

    instance: str
    snapshot: str | None = None


class Stage(msgspec.Struct, frozen=True):
    """A user's cart in a space. Kept in the state file: survives quit, crash and disconnect."""

    space: str
    user: str
    source: StateRef
    created: str
    everything: bool = False
    """The whole state, whatever it holds when it is distributed."""
    files: list[str] = []
    """Paths relative to the workspace, in text form; a folder stands for all below it."""
    tables: list[str] = []
    applications: list[str] = []

    @property
    def empty(self) -> bool:
        """True where nothing is staged."""
        return not (self.everything or self.files or self.tables or self.applications)
