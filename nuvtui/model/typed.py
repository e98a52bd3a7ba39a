"""What operations and queries share: structs that say by their base which result they have."""

import typing
from typing import Any


def result_type(asked: type) -> Any:
    """The type of the result of a class of operations or queries: what its generic base stands for."""
    return typing.get_args(asked.__orig_bases__[0])[0]  # type: ignore[attr-defined]
