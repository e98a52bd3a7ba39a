"""Before an export: what stands in its way, and what it would put into an image. Nothing is built or written."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from nuvtui.errors import Exit, NuvError
from nuvtui.model.application import HOST_IMAGE, Application
from nuvtui.model.export import Accepted, AcceptedFinding, ExportPlan, ExportSpec, Finding
from nuvtui.model.names import path_to_text, slugify, text_to_path
from nuvtui.model.roles import Action
from nuvtui.model.snapshot import Snapshot
from nuvtui.model.stage import StateRef
from nuvtui.model.tree import FOLDER
from nuvtui.reporter import Silent
from nuvtui.services.applications.service import ApplicationsService
from nuvtui.services.context import Context
from nuvtui.services.exports.parts import Images, known_values, needs_engine
from nuvtui.services.states.service import StatesService

if TYPE_CHECKING:
    from nuvtui.images.engine.protocol import Engine
    from nuvtui.images.facts import ImageFacts

FREE_SPACE = 256 << 20
"""Bytes that have to be free in the store: for the snapshot, the log and the report of an export."""


class Planner:
    """Preflight and dry run."""

    def __init__(
        self, context: Context, states: StatesService, applications: ApplicationsService, images: Images
    ) -> None:
        self._context, self._states = context, states
        self.applications, self.images = applications, images

    def preflight(self, spec: ExportSpec) -> tuple[list[Finding], Application, Engine | None]:
        """Everything that would stop or should be known about an export; the application; the engine.

        Raises NuvError: role (4), no such application (3).
        """
        view = self._context.view()
        instance = self._context.instance(view, spec.instance)
        self._context.require(view, Action.EXPORT, instance.space, instance.id)
        _part, application = self.applications.get(StateRef(spec.instance, spec.snapshot), spec.application)
        findings = eligibility(spec, application)
        engine, said = self.images.chosen(spec.engine)
        findings += said
        if engine is not None:
            findings += needs_engine(application, engine.name)
            findings += self._base(application, engine)
        findings += [*self._space(spec), *self._registry(spec), *self._output(spec)]
        needed = [] if spec.with_files else self._files_of_command(spec, application)
        if needed:
            findings.append(
                Finding(
                    "warning",
                    "command",
                    f"the command needs {', '.join(needed)}, which an image of the application only does not hold",
                    "Export with files (--with-files), or mount the workspace at /files when you run the image.",
                )
            )
        findings += self._table_findings(spec)
        return findings, application, engine

    def plan(self, spec: ExportSpec) -> ExportPlan:
        """The dry run: what would be in the image and what not, and why.

        From the Current State, the newest snapshot stands in where there is one: nothing is written for a dry run.
        """
        from nuvtui.images.guard import scans
        from nuvtui.images.recipe import build_recipe, carried

        findings, application, engine = self.preflight(spec)
        snapshot = spec.snapshot
        if snapshot is None:
            snapshot = self._context.view().newest(spec.instance)
            if snapshot is None:
                raise NuvError(
                    "There is no snapshot to plan from",
                    "a dry run takes none",
                    "Take one first: `nuvtui snapshots create`.",
                    Exit.REFUSED,
                )
            findings.append(
                Finding(
                    "note",
                    "snapshot",
                    f"planned from the newest snapshot {snapshot[:8]}; "
                    "the export takes a new one first, with what changed since",
                )
            )
        manifest = self._context.manifest(StateRef(spec.instance, snapshot))
        image = self.reference(spec, manifest, "0" * 16)
        recipe = build_recipe(
            application,
            spec.application,
            manifest,
            self._context.store.tree,
            msgspec.structs.replace(spec, without_license=True),  # that it stops is among the findings
            self._context.settings,
            image,
            None,
            self._known_base(application, engine),
        )
        known = self.known_values(spec, application)
        found = scans.scan_application(application, carried(application), known)
        found += scans.scan_members(recipe.members, self._context.store, known, Silent())
        open_, _ = judged(found, spec.accepted)
        open_ += not_holdable(path_to_text(path) for path, _ in recipe.members)
        layers = [recipe.base, *(["packages"] if recipe.dockerfile else []), "files"]
        layers += [*(["tables"] if spec.tables else []), "application"]
        return ExportPlan(
            image=image.rsplit(":", 1)[0],
            engine=engine.name if engine is not None else "none",
            findings=[*findings, *open_],
            dockerfile=recipe.dockerfile,
            excluded=recipe.excluded,
            files=recipe.report.files,
            bytes=recipe.bytes,
            members=sorted(
                ((path_to_text(path), entry.size) for path, entry in recipe.members if entry.kind != FOLDER),
                key=lambda member: (-member[1], member[0]),
            ),
            layers=layers,
        )

    def known_values(self, spec: ExportSpec, application: Application) -> list[str]:
        """Values that may be nowhere in the image, in its log or in its report."""
        from nuvtui.images import reference as references

        hosts = [references.parse_prefix(self.prefix(spec))[0]]
        with contextlib.suppress(NuvError):
            hosts.append(references.parse(application.image).registry)
        return known_values(application, hosts)

    def reference(self, spec: ExportSpec, manifest: Snapshot, export: str) -> str:
        """The image's reference: the last part is the user's, the rest is made so that names cannot collide."""
        name = f"{slugify(manifest.space.name)}-{manifest.id[:8]}-{slugify(spec.name or spec.application)}"
        return f"{self.prefix(spec)}/{name}:{export[:8]}"

    def prefix(self, spec: ExportSpec) -> str:
        """Registry and path that images are named after; on Docker Hub the namespace of who is signed in.

        Raises NuvError (2) where the registry cannot be one.
        """
        from nuvtui.images import reference as references
        from nuvtui.images.registry.credentials import credentials

        prefix = (spec.registry or self._context.settings.registry).strip("/")
        host, path = references.parse_prefix(prefix)
        if host == references.DOCKER_HUB and not path:
            with contextlib.suppress(
                NuvError
            ):  # a sign-in that cannot be read is said by the push that needs it
                auth = credentials(host)
                if auth is not None and auth.username:
                    return f"{host}/{auth.username.lower()}"
        return prefix

    # What preflight looks at

    def _known_base(self, application: Application, engine: Engine | None) -> ImageFacts | None:
        """What is known of the base image without fetching it."""
        if engine is None or application.image == HOST_IMAGE:
            return None
        with contextlib.suppress(NuvError):
            return engine.inspect(application.image)
        return None

    def _base(self, application: Application, engine: Engine) -> list[Finding]:
        if application.image == HOST_IMAGE:
            return [
                Finding(
                    "note",
                    "base image",
                    "this machine's own interpreter and libraries are captured (image: host)",
                )
            ]
        if ":" in application.image and application.image.split(":")[0] in ("docker-archive", "oci-archive"):
            return []
        if engine.inspect(application.image) is None:
            return [Finding("note", "base image", f"{application.image} is not here yet: it will be fetched")]
        return []

    def _space(self, spec: ExportSpec) -> list[Finding]:
        free = shutil.disk_usage(self._context.home.root).free
        wanted = FREE_SPACE
        if spec.with_files and spec.snapshot is not None:
            wanted += self._context.manifest(StateRef(spec.instance, spec.snapshot)).files.bytes
        if free >= wanted:
            return []
        return [
            Finding(
                "stop",
                "disk space",
                f"only {free >> 20} MiB are free where the store is, this export wants {wanted >> 20} MiB",
                "Free some: `nuvtui store gc`, or delete old exports and archives.",
            )
        ]

    def _registry(self, spec: ExportSpec) -> list[Finding]:
        from nuvtui.images import reference as references

        target = self.prefix(spec)
        public = references.is_public(target, self._context.settings.private_registries)
        if not spec.push:
            return []
        findings = []
        if public and not spec.public_ok:
            findings.append(
                Finding(
                    "stop",
                    "registry",
                    f"{target} counts as public: anyone could pull the image without signing in",
                    "Say --public-ok if that is meant, or list the registry under private_registries in the settings.",
                )
            )
        if references.parse_prefix(target) == (references.DOCKER_HUB, ""):
            findings.append(
                Finding(
                    "stop",
                    "registry",
                    "Docker Hub keeps images under a namespace, and nobody is signed in there",
                    "Sign in (docker login), or name it: --registry docker.io/NAMESPACE.",
                )
            )
        if public and spec.public_ok:
            findings.append(
                Finding("warning", "registry", f"{target} counts as public: anyone can pull the image")
            )
        return findings

    def _output(self, spec: ExportSpec) -> list[Finding]:
        if not spec.output:
            return []
        output = Path(text_to_path(spec.output))
        if not output.parent.is_dir():
            text, hint = f"no folder {output.parent} to write the archive to", "Create it first."
        elif os.path.lexists(output):
            text, hint = f"{output} exists already", "Name another file."
        else:
            return []
        return [Finding("stop", "output", text, hint)]

    def _files_of_command(self, spec: ExportSpec, application: Application) -> list[str]:
        """Words of the application's command that name workspace files, in text form."""
        reader = self._states.reader(StateRef(spec.instance, spec.snapshot))
        below = application.workdir.removeprefix("/files").strip("/")
        found = []
        for word in application.command:
            path = (
                word.removeprefix("/files/") if word.startswith("/files/") else f"{below}/{word}".strip("/")
            )
            with contextlib.suppress(NuvError):
                reader.read(path, 1)
                found.append(path_to_text(path))
        return found

    def _table_findings(self, spec: ExportSpec) -> list[Finding]:
        known = self._tables(spec)
        findings = [
            Finding(
                "stop",
                "tables",
                f"this state has no table {path_to_text(name)}",
                f"There is: {', '.join(known) or 'none'}.",
            )
            for name in spec.tables
            if name not in known
        ]
        left = [name for name in known if name not in spec.tables]
        if left:
            findings.append(
                Finding(
                    "warning",
                    "tables",
                    f"tables are not in the image: {', '.join(left)}",
                    "Say which go along as files under tables/: --tables NAME (or --tables all).",
                )
            )
        return findings

    def _tables(self, spec: ExportSpec) -> list[str]:
        if spec.snapshot is not None:
            return [t.name for t in self._context.manifest(StateRef(spec.instance, spec.snapshot)).tables]
        from nuvtui.tables.database import Tables

        instance = self._context.instance(self._context.view(), spec.instance)
        tables = Tables(self._context.workspace(instance))
        return [t.name for t in tables.list()] if tables.exists() else []


def judged(findings: list[Finding], accepted: list[Accepted]) -> tuple[list[Finding], list[AcceptedFinding]]:
    """The findings that nobody has accepted, and those that somebody has, with the reason."""
    reasons = {one.finding: one.reason for one in accepted}
    folders = [name for name in reasons if name.endswith("/") and name != "/"]
    left, passed = [], []
    for finding in findings:
        reason = reasons.get(finding.key) if finding.key else None
        if reason is None and finding.path:
            reason = reasons.get(finding.path)
            above = [name for name in folders if finding.path.startswith(name)]
            reason = reasons[above[0]] if reason is None and above else reason
        if finding.level == "push" and reason is not None:
            passed.append(AcceptedFinding(finding.subject, finding.text, reason, finding.key))
        else:
            left.append(finding)
    return left, passed


def not_holdable(names: Iterable[str]) -> list[Finding]:
    """Members (paths in text form) that a layer cannot hold: engines take their names as the deletion of others."""
    return [
        Finding(
            "stop",
            name,
            "a layer of an image cannot hold a file whose name begins with .wh.: it means a deletion there",
            "Rename it, or leave it out (exclude in the application's file).",
        )
        for name in names
        if name.rpartition("/")[2].startswith(".wh.")
    ]


def refuse(findings: list[Finding]) -> None:
    """Raise NuvError (6) where a finding stops the export."""
    stops = [f for f in findings if f.level == "stop"]
    if stops:
        raise NuvError(
            "This cannot be exported as it is",
            "; ".join(f"{f.subject}: {f.text}" for f in stops[:20])
            + (f"; and {len(stops) - 20} more" if len(stops) > 20 else ""),
            " ".join(dict.fromkeys(f.hint for f in stops if f.hint)),
            Exit.REFUSED,
        )


def refuse_to_leave(findings: list[Finding], done: str) -> None:
    """Raise NuvError (6) where something was found that must not leave, and nobody has accepted it.

    `done`: what is refused, as in "The image is not …": `pushed`, `archived`.
    """
    held = [f for f in findings if f.level in ("push", "stop")]
    if held:
        raise NuvError(
            f"The image is not {done}",
            "the content guard found: "
            + "; ".join(f"{f.subject}: {f.text}" for f in held[:20])
            + (f"; and {len(held) - 20} more" if len(held) > 20 else ""),
            "Leave the file out (exclude in the application's file), or accept the finding with a reason: "
            "--accept PATH=REASON. Then export again.",
            Exit.REFUSED,
        )


def eligibility(spec: ExportSpec, application: Application) -> list[Finding]:
    """What the application's own configuration has to say against an export."""
    if application.needs_license and not spec.without_license:
        return [
            Finding(
                "stop",
                "license",
                f"{application.name} needs a licence, and licences do not leave the house: it is not eligible",
                "Build it without: --without-license. The image then says at start what it lacks.",
            )
        ]
    return []
