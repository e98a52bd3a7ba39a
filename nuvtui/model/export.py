"""Exports: what is asked for, the record that is listed, the report that travels along."""

import shlex
from typing import Literal

import msgspec

from nuvtui.model.application import Lock
from nuvtui.model.names import text_to_path
from nuvtui.model.snapshot import Provenance, Ref

ExportStatus = Literal["running", "completed", "failed", "cancelled", "deleted"]
STAGES = ("preflight", "snapshot", "plan", "guard", "build", "inspect", "verify", "push", "report")
"""The stages of an export, in order; each is an event `step`."""


class Accepted(msgspec.Struct, frozen=True):
    """A finding that somebody has looked at and lets pass; the reason goes into the report."""

    finding: str
    """The finding's `key`, or the path it is about (text form) for all of that path; a folder ends with `/`."""
    reason: str


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
    verify: bool = False
    """Run the image once it is built, as `exports verify` does."""
    tables: list[str] = []
    """Tables of the snapshot that go into the image's workspace, under `tables/`."""
    tables_format: Literal["parquet", "csv"] = "parquet"
    accepted: list[Accepted] = []
    """Findings that may leave, each with its reason."""


class Excluded(msgspec.Struct, frozen=True):
    """Something that is not in the image, and why."""

    what: str
    reason: str


class Finding(msgspec.Struct, frozen=True):
    """What preflight or the content guard has to say."""

    level: Literal["stop", "push", "warning", "note"]
    """`stop` stops the export; `push` lets the image be built, but not pushed until it is excluded or accepted."""
    subject: str
    """What it is about: `engine`, `license`, a path with its line."""
    text: str
    hint: str = ""
    path: str = ""
    """The workspace file that it can be excluded by (text form); empty: it is about none."""
    key: str = ""
    """Names the finding where it is accepted; says nothing of the value. Empty: it cannot be accepted."""


class ExportPlan(msgspec.Struct, frozen=True):
    """What an export would do: the dry run."""

    image: str
    engine: str
    findings: list[Finding]
    dockerfile: str
    """The install steps; empty where there are none."""
    excluded: list[Excluded]
    files: int
    bytes: int
    members: list[tuple[str, int]]
    """Workspace files that go in, by their path in the image (text form), with their sizes; the largest first."""
    layers: list[str] = []
    """What the image would be made of, in words, base first."""


class Check(msgspec.Struct, frozen=True):
    """One thing that `exports verify` looked at."""

    name: str
    """`run`, `packages`, `libraries`, `configuration`, `contents`, `rebuild`."""
    status: Literal["passed", "failed", "not done"]
    text: str
    """A sentence: what was seen, or why it could not be looked at."""


class Verification(msgspec.Struct, frozen=True):
    """What `exports verify` found out about an image."""

    at: str
    checks: list[Check]

    @property
    def passed(self) -> bool:
        """True where nothing failed."""
        return all(check.status != "failed" for check in self.checks)


class AcceptedFinding(msgspec.Struct, frozen=True):
    """A finding that was let pass, and why."""

    subject: str
    text: str
    reason: str
    finding: str = ""
    """Its key."""


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
    steps_image: str = ""
    """Id of the image that the install steps made in the engine; it has no name and is the cache of the next export."""
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
    base_digest: str = ""
    """Digest that the base image was pinned by (`sha256:…`); empty: it comes from no registry."""
    findings: list[Finding] = []
    """What the content guard found and nobody accepted: as long as there is any, the image is not pushed."""
    accepted: list[AcceptedFinding] = []
    """What the content guard found and somebody let pass."""
    tables: list[str] = []
    """Tables that are in the image's workspace."""
    tables_format: Literal["parquet", "csv"] = "parquet"
    verification: Verification | None = None

    @property
    def needs_loading(self) -> bool:
        """True where the run command works only once the image was loaded: nuvtui's own store alone has it."""
        return self.status == "completed" and self.engine == "oci" and not self.pushed

    @property
    def load_command(self) -> str:
        """The command that brings the archive of the image to an engine; without an archive for a file to come."""
        return f"docker load -i {shlex.quote(text_to_path(self.archive)) if self.archive else 'FILE'}"


class Layer(msgspec.Struct, frozen=True):
    """A layer of an image."""

    what: str
    """`base`, `runtime`, `environment`, `packages`, `files`, `application`."""
    diff_id: str
    """Digest of the layer as a plain tar (`sha256:…`)."""
    size: int = 0
    """Bytes of the plain tar; 0: not known (a base image's)."""


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
    layers: list[Layer] = []
    """What the image is made of, base first."""
    healthcheck: list[str] = []
    installed: list[tuple[str, str]] = []
    """Packages that were installed for the image: name, version."""
    tables: list[str] = []
    """Tables that are in the workspace, under `tables/`."""
    accepted: list[AcceptedFinding] = []
    findings: list[Finding] = []
    verification: Verification | None = None
    version: int = 2
