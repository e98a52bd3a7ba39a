"""What can go wrong with a remote, by what can be done about it."""

from nuvtui.errors import Exit, NuvError


class RemoteError(NuvError):
    """A remote failed. Nothing that it holds was changed but what was written whole before."""


class AbsentError(RemoteError):
    """The remote has no such blob: never there, or taken away."""

    def __init__(self, url: str, key: str) -> None:
        super().__init__(
            f"{url} has no {key}",
            "it was removed, or is withheld",
            "`nuvtui remotes check` says what the remote lacks.",
            Exit.NOT_FOUND,
        )


class TransientError(RemoteError):
    """Trying again may help: no answer, a cut connection, a server that is busy."""

    def __init__(self, title: str, message: str = "", hint: str = "", wait: float = 0.0) -> None:
        """`wait`: seconds after which the remote asks to be tried again; 0: it does not say."""
        super().__init__(title, message, hint)
        self.wait = wait


class DeniedError(RemoteError):
    """The remote knows who asks and refuses, or does not know who asks."""


class FullError(RemoteError):
    """There is no room left, or a quota is reached."""


class DamagedError(RemoteError):
    """What the remote gave is not what was put there: flipped bytes, a wrong seal, a blob of another name."""


class TooNewError(RemoteError):
    """The remote was written by a newer nuvtui."""
