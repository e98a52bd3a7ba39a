"""HTTP statuses in words."""

import contextlib
import http


def phrase(status: int) -> str:
    """A status with its name: `404 Not Found`."""
    with contextlib.suppress(ValueError):
        return f"{status} {http.HTTPStatus(status).phrase}"
    return str(status)
