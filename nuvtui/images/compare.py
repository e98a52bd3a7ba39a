"""What an image says of itself against what was planned."""

from nuvtui.images.facts import ImageFacts
from nuvtui.images.recipe import Recipe


def differences(recipe: Recipe, facts: ImageFacts) -> list[str]:
    """Sentences on what the image's configuration lacks or has otherwise; empty: all as planned."""
    out = []
    for name, planned, found in (
        *((f"label {key}", value, facts.labels.get(key)) for key, value in recipe.labels.items()),
        *((f"variable {key}", value, facts.env.get(key)) for key, value in recipe.env.items()),
        *(
            (f"port {port}", f"{port}/tcp", f"{port}/tcp" if f"{port}/tcp" in facts.exposed else None)
            for port in recipe.ports
        ),
        ("workdir", recipe.workdir.rstrip("/") or "/", facts.workdir.rstrip("/") or "/"),
        *([("command", recipe.command, facts.command)] if recipe.command else []),
        *([("entrypoint", recipe.entrypoint, facts.entrypoint)] if recipe.entrypoint else []),
    ):
        if planned != found:
            out.append(f"{name}: expected {planned!r}, found {found!r}")
    return out
