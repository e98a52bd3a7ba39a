"""The one error that users see, and the exit codes of the command line."""

import enum


class Exit(enum.IntEnum):
    """Exit codes."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    ROLE = 4
    CONFLICT = 5
    """Conflict with what is there, or locked by somebody."""
    REFUSED = 6
    """Refused by the content guard or a precondition."""
    CANCELLED = 130


class NuvError(Exception):
    """Something the user has to know: what happened, and what to do about it.

    `title` names the thing in a few words, `message` says what was expected and what was found, `hint` what to
    do. All three are plain sentences; outside text in them is sanitised where it is shown, not here.
    """

    def __init__(self, title: str, message: str = "", hint: str = "", exit_code: Exit = Exit.FAILED) -> None:
        super().__init__(title, message, hint, exit_code)
        self.title = title
        self.message = message
        self.hint = hint
        self.exit_code = exit_code

    def __str__(self) -> str:
        return ": ".join(part for part in (self.title, self.message) if part)


class StoreError(NuvError):
    """The store (not the source) failed: disk full, damaged object, unreadable pack. Ends what was going on."""


class PlanChangedError(NuvError):
    """What would be done is not what the approved dry run said; nothing was changed."""

    def __init__(self, target: str) -> None:
        """`target`: what changed, by name."""
        super().__init__(
            f"{target} changed since the dry run",
            "what would be done now is not what was approved",
            "See what would be done now (`--dry-run`; in the screens: ask for it again), and approve that.",
            Exit.CONFLICT,
        )


class Cancelled(NuvError):  # noqa: N818 - not an error of anything
    """The user asked a running operation to stop."""

    def __init__(self) -> None:
        super().__init__("Cancelled", exit_code=Exit.CANCELLED)
