"""What makes an image of an export available elsewhere: push, the command that runs it, deleting its tag."""

from __future__ import annotations

import contextlib
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from nuvtui.config import Settings
from nuvtui.errors import NuvError
from nuvtui.model.export import Report
from nuvtui.reporter import Reporter
from nuvtui.services.exports.parts import Images

if TYPE_CHECKING:
    from nuvtui.images.engine.protocol import Engine


def delete_tag(images: Images, settings: Settings, image: str) -> str:
    """Delete a tag from its registry; returns a sentence where it stays."""
    from nuvtui.images import reference as references
    from nuvtui.images.registry import tags
    from nuvtui.images.registry.credentials import credentials

    try:
        auth = credentials(references.parse(image).registry)
        insecure: tuple[str, ...] = ()
        with contextlib.suppress(NuvError):  # without an engine, only the registry's own word counts
            engine = images.discovery.engine
            insecure = engine.insecure_registries if engine else ()
        deletion = tags.delete_tag(image, auth, insecure, settings)
    except NuvError as error:
        return f"the tag {image} stays in the registry: {error}"
    return "" if deletion.deleted else deletion.said


def push_image(engine: Engine, reference: str, reporter: Reporter) -> str:
    """Push, and return the digest that engine and registry agree on. Raises NuvError where they do not."""
    from nuvtui.images import reference as references
    from nuvtui.images.registry.credentials import credentials

    return engine.push(reference, credentials(references.parse(reference).registry), reporter)


def run_command(report: Report) -> str:
    """The `docker run` command for an image, ready to paste: ports on loopback, secrets and licences from outside."""
    words = ["docker", "run", "--rm", "-it"]
    if not report.with_files:
        # The workspace files are not in the image: whoever runs it brings them along.
        words += ["-v", '"$PWD"/:/files']
    for port in report.ports:
        words += ["-p", f"127.0.0.1:{port}:{port}"]
    for name in (*report.secrets, *report.license_variables):
        words += ["-e", shlex.quote(name)]
    for file in report.license_files:
        licence = shlex.quote(f"{Path(file).name}:{file}:ro")
        words += ["-v", f'"$PWD"/{licence}']
    return " ".join([*words, shlex.quote(report.image)])
