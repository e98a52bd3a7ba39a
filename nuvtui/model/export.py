"""Exports: what is asked for, the record that is listed, the report that travels along."""

from typing import Literal

import msgspec

from nuvtui.model.application import Lock
from nuvtui.model.snapshot import Provenance, Ref

ExportStatus = Literal["running", "completed", "failed", "cancelled", "deleted"]
STAGES = ("preflight", "snapshot", "plan", "guard", "build", "inspect", "verify", "push", "report")
"""The stages of an export, in order; each is an event `step`."""


class ExportSpec(msgspec.Struct, frozen=True):
    """What the user asks for."""

    application: str
    """Slug."""
    instance: str
    snapshot: str | None
    """Id; None: the Current State, of which a snapshot is taken first."""
    name: str = ""
    """Last part of the image's name; empty: the application's slug."""
    with_files: bool = False
    engine: Literal["auto", "docker", "oci"] = "auto"
    registry: str = ""
    """`host[:port][/path]`; empty: the registry of the settings."""
    push: bool = False
    public_ok: bool = False
    without_license: bool = False
    output: str = ""
    """Absolute path (text form) of an archive to write as well; empty: none."""


class Excluded(msgspec.Struct, frozen=True):
    """Something that is not in the image, and why."""

    what: str
    reason: str


class Finding(msgspec.Struct, frozen=True):
    """What preflight or the content guard has to say."""

    level: Literal["stop", "warning", "note"]
    subject: str
    """What it is about: `engine`, `license`, a path."""
    text: str
    hint: str = ""


class ExportRecord(msgspec.Struct, frozen=True):
    """An export as the state file lists it."""

    id: str
    space: str
    instance: str
    application: str
    snapshot: str | None
    name: str
    author: str
    created: str
    status: ExportStatus
    engine: str
    image: str
    """Full reference, `registry/path/name:tag`."""
    with_files: bool
    finished: str | None = None
    image_id: str = ""
    """Id of the image in the engine (`sha256:…`)."""
    digest: str = ""
    """Digest in the registry after a push (`sha256:…`); empty: not pushed."""
    size: int = 0
    """Bytes of the image as the engine counts them."""
    archive: str | None = None
    """Absolute path (text form) of the archive, where one was written."""
    pushed: bool = False
    excluded: list[Excluded] = []
    warnings: list[str] = []
    task: str | None = None
    error: str = ""
    failed_stage: str = ""
    run_command: str = ""
    output: str = ""
    """Archive that was asked for (absolute path in text form); `archive` is set once it is written."""


class Report(msgspec.Struct, frozen=True):
    """The report of an export, kept in `exports/<id>/` and inside the image."""

    export: str
    image: str
    application: str
    kind: str
    space: Ref
    instance: Ref
    snapshot: Ref
    created: str
    """When the snapshot was taken, not when the image was built."""
    author: str
    description: str
    with_files: bool
    files: int
    bytes: int
    base: str
    base_digest: str
    packages: dict[str, list[str]]
    """Asked for, by manager."""
    lock: Lock | None
    variables: list[str]
    """Names of the variables in the image."""
    secrets: list[str]
    license_variables: list[str]
    license_files: list[str]
    excluded: list[Excluded]
    command: list[str]
    ports: list[int]
    workdir: str
    provenance: Provenance
    run_command: str = ""
    engine: str = ""
    image_id: str = ""
    digest: str = ""
    size: int = 0
    warnings: list[str] = []
    version: int = 1
