"""The configuration of an image that nuvtui makes: the same bytes from every engine, and so the same image id.

It stands on what is known of the base image and on the recipe alone. Nothing in it tells who exported, where or
when: its time is the snapshot's, and its history has one line for each layer. (What the base image's own history
says is left to the base image, which is named by digest.)
Format: OCI image configuration 1.0, which Docker takes as its own.
"""

import json
from collections.abc import Sequence
from typing import Any

from nuvtui.images.facts import ImageFacts
from nuvtui.images.recipe import Recipe
from nuvtui.model.export import Layer

_SAID = {
    "base": "base image",
    "runtime": "nuvtui: interpreter and shared libraries of the machine",
    "environment": "nuvtui: the application's environment",
    "packages": "nuvtui: packages",
    "files": "nuvtui: workspace files",
    "tables": "nuvtui: tables",
    "application": "nuvtui: report and start of the application",
}


def image_config(base: ImageFacts, recipe: Recipe, layers: Sequence[Layer]) -> bytes:
    """The configuration of the image made of `layers` (base first), as canonical JSON."""
    labels = {
        name: value for name, value in base.labels.items() if not name.startswith("org.opencontainers.image.")
    }
    config: dict[str, Any] = {
        "Env": [f"{name}={value}" for name, value in (base.env | recipe.env).items()],
        "Entrypoint": recipe.entrypoint or base.entrypoint,
        # A command of the base image belongs to its entrypoint: with another one it means something else.
        "Cmd": recipe.command or base.command,
        "WorkingDir": recipe.workdir,
        "User": base.user,
        "ExposedPorts": {name: {} for name in sorted({*base.exposed, *(f"{p}/tcp" for p in recipe.ports)})},
        "Volumes": {name: {} for name in base.volumes},
        "StopSignal": base.stop_signal,
        "Healthcheck": {"Test": ["CMD", *recipe.healthcheck]} if recipe.healthcheck else base.healthcheck,
        "Labels": labels | recipe.labels,
    }
    made = recipe.report.created[:19] + "Z"
    image: dict[str, Any] = {
        "architecture": base.architecture,
        "config": {name: value for name, value in config.items() if value},
        "created": made,
        "history": [{"created": made, "created_by": _SAID.get(layer.what, layer.what)} for layer in layers],
        "os": base.os,
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
    }
    if base.variant:
        image["variant"] = base.variant
    return json.dumps(image, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
