"""The packages of the extra `remote`, which a plain installation does not have."""

import importlib

from nuvtui.errors import Exit, NuvError


def require(purpose: str, *packages: str) -> None:
    """Raise NuvError (6) unless the packages that `purpose` needs can be imported."""
    for package in packages:
        try:
            importlib.import_module(package)
        except ImportError:
            raise NuvError(
                f"{purpose} need more than nuvtui itself",
                f"the package {package} is not installed",
                "Install the extra remote: `pipx inject nuvtui obstore cryptography[ssh] pyrage`.",
                Exit.REFUSED,
            ) from None
