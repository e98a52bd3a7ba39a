"""What really is in an image against what was planned."""

from collections.abc import Iterable

from nuvtui.images.facts import FileFact, ImageFacts
from nuvtui.images.recipe import FILES, Recipe
from nuvtui.model.export import Finding
from nuvtui.model.names import path_to_text
from nuvtui.model.tree import FILE


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


def file_findings(recipe: Recipe, listed: Iterable[FileFact]) -> list[Finding]:
    """Workspace files of the plan that the image lacks or has otherwise, and files at their place that
    nobody planned.

    `listed`: what the engine lists at and below `/files`.
    """
    planned = dict(recipe.members)
    extra: list[str] = []
    out: list[Finding] = []
    parents = {FILES}
    workdir = recipe.workdir.strip("/")
    while workdir.startswith(f"{FILES}/"):
        parents.add(workdir)
        workdir = workdir.rpartition("/")[0]
    for fact in listed:
        entry = planned.pop(fact.path, None)
        if entry is None:
            if fact.path not in parents:
                extra.append(fact.path)
        elif entry.kind != fact.kind or (entry.kind == FILE and entry.group == 0 and entry.size != fact.size):
            out.append(
                Finding("stop", path_to_text(fact.path), "is in the image, but not as in the snapshot")
            )
    out += [Finding("stop", path_to_text(path), "was planned, but is not in the image") for path in planned]
    out += [Finding("warning", path_to_text(path), "is in the image, but was not planned") for path in extra]
    return out
