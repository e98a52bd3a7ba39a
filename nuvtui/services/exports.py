"""Exports: an application of a snapshot becomes a Docker image; listed, archived, pushed, deleted.

Stages (`model.export.STAGES`), each a step of the task: preflight → snapshot → plan → guard → build → inspect →
(verify) → (push) → report. Whatever is half done when an export fails or is cancelled is taken away again.
"""

from __future__ import annotations

import builtins
import contextlib
import dataclasses
import os
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from nuvtui import atomic, clock
from nuvtui.errors import Cancelled, Exit, NuvError
from nuvtui.model import roles
from nuvtui.model.application import HOST_IMAGE, Application
from nuvtui.model.export import Excluded, ExportRecord, ExportSpec, Finding, Report
from nuvtui.model.names import path_to_text, slugify, text_to_path
from nuvtui.model.roles import Action
from nuvtui.model.snapshot import Snapshot
from nuvtui.model.stage import StateRef
from nuvtui.model.tree import FOLDER
from nuvtui.reporter import Reporter, Silent
from nuvtui.services import application_file, capture
from nuvtui.services.application_service import ApplicationsService
from nuvtui.services.context import Context
from nuvtui.services.spaces import pick
from nuvtui.services.states import StatesService

if TYPE_CHECKING:
    from nuvtui.images.engines import Discovery, Engine
    from nuvtui.images.facts import ImageFacts
    from nuvtui.images.recipe import Recipe

FREE_SPACE = 256 << 20
"""Bytes that have to be free in the store: for the snapshot, the log and the report of an export."""


class ExportPlan(msgspec.Struct, frozen=True):
    """What an export would do: the dry run."""

    image: str
    engine: str
    findings: list[Finding]
    dockerfile: str
    excluded: list[Excluded]
    files: int
    bytes: int
    members: list[tuple[str, int]]
    """Workspace files that go in, by their path in the build context (text form), with their sizes."""


class ExportsService:
    """Exports of a space."""

    def __init__(self, context: Context, states: StatesService, applications: ApplicationsService) -> None:
        self._context = context
        self._states = states
        self._applications = applications

    # -- before ------------------------------------------------------------------------------------------------------

    def preflight(self, spec: ExportSpec) -> builtins.list[Finding]:
        """Everything that would stop or should be known about an export, without doing anything."""
        return self._preflight(spec)[0]

    def _preflight(self, spec: ExportSpec) -> tuple[builtins.list[Finding], Application, Discovery]:
        from nuvtui.images import engines, registry
        from nuvtui.images import reference as references

        view = self._context.view()
        instance = self._context.instance(view, spec.instance)
        self._context.require(view, Action.EXPORT, instance.space, instance.id)
        findings: builtins.list[Finding] = []
        _part, application = self._applications.get(StateRef(spec.instance, spec.snapshot), spec.application)
        findings += _eligibility(spec, application)
        if spec.engine == "oci":
            findings.append(
                Finding(
                    "stop",
                    "engine",
                    "the built-in engine oci is not part of this version",
                    "Use --engine docker.",
                )
            )
        discovery = engines.discover(self._context.settings)
        if discovery.engine is None:
            findings.append(discovery.finding())
        elif application.image != HOST_IMAGE and discovery.engine.inspect(application.image) is None:
            findings.append(
                Finding(
                    "note", "base image", f"{application.image} is not in the engine yet: it will be pulled"
                )
            )
        free = shutil.disk_usage(self._context.home.root).free
        if free < FREE_SPACE:
            findings.append(
                Finding(
                    "stop",
                    "disk space",
                    f"only {free >> 20} MiB are free where the store is, an export wants {FREE_SPACE >> 20} MiB",
                    "Free some: `nuvtui store gc`, or delete old archives.",
                )
            )
        target = self._prefix(spec)
        public = registry.is_public(target, self._context.settings)
        if spec.push and public and not spec.public_ok:
            findings.append(
                Finding(
                    "stop",
                    "registry",
                    f"{target} counts as public: anyone could pull the image without signing in",
                    "Say --public-ok if that is meant, or list the registry under private_registries in the settings.",
                )
            )
        if spec.push and references.parse_prefix(target) == (references.DOCKER_HUB, ""):
            findings.append(
                Finding(
                    "stop",
                    "registry",
                    "Docker Hub keeps images under a namespace, and nobody is signed in there",
                    "Sign in (docker login), or name it: --registry docker.io/NAMESPACE.",
                )
            )
        if spec.push and public and spec.public_ok:
            findings.append(
                Finding("warning", "registry", f"{target} counts as public: anyone can pull the image")
            )
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
        tables = self._tables(spec)
        if tables:
            findings.append(
                Finding(
                    "warning",
                    "tables",
                    f"tables are not in the image: {', '.join(tables)}",
                    "Write them to files first: nuvtui tables export TABLE tables/TABLE.parquet, then export with files.",
                )
            )
        if spec.output:
            output = Path(text_to_path(spec.output))
            if not output.parent.is_dir():
                findings.append(
                    Finding(
                        "stop",
                        "output",
                        f"no folder {output.parent} to write the archive to",
                        "Create it first.",
                    )
                )
            elif os.path.lexists(output):
                findings.append(Finding("stop", "output", f"{output} exists already", "Name another file."))
        return findings, application, discovery

    def _files_of_command(self, spec: ExportSpec, application: Application) -> builtins.list[str]:
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

    def _tables(self, spec: ExportSpec) -> builtins.list[str]:
        if spec.snapshot is not None:
            return [t.name for t in self._context.manifest(StateRef(spec.instance, spec.snapshot)).tables]
        from nuvtui.tables.database import Tables

        instance = self._context.instance(self._context.view(), spec.instance)
        tables = Tables(self._context.workspace(instance))
        return [t.name for t in tables.list()] if tables.exists() else []

    def plan(self, spec: ExportSpec) -> ExportPlan:
        """The dry run: what would be in the image and what not, and why. Builds nothing.

        From the Current State, the newest snapshot stands in where there is one: nothing is written for a dry run.
        """
        from nuvtui.images import guard

        findings, application, discovery = self._preflight(spec)
        snapshot = spec.snapshot
        if snapshot is None:
            view = self._context.view()
            newest = view.newest(spec.instance)
            if newest is None:
                raise NuvError(
                    "There is no snapshot to plan from",
                    "a dry run takes none",
                    "Take one first: `nuvtui snapshots create`.",
                    Exit.REFUSED,
                )
            snapshot = newest
            findings.append(Finding("note", "snapshot", f"planned from the newest snapshot {snapshot[:8]}"))
        manifest = self._context.manifest(StateRef(spec.instance, snapshot))
        recipe = self._recipe(spec, application, manifest, "0" * 16)
        known = self._known_values(application)
        findings += guard.scan_application(application, known)
        findings += guard.scan_members(recipe.members, self._context.store, known, Silent())
        return ExportPlan(
            image=self._reference(spec, manifest, "0" * 16).rsplit(":", 1)[0],
            engine="docker" if discovery is not None and discovery.engine is not None else "none",
            findings=findings,
            dockerfile=recipe.dockerfile,
            excluded=recipe.excluded,
            files=recipe.report.files,
            bytes=recipe.bytes,
            members=[
                (path_to_text(path), entry.size) for path, entry in recipe.members if entry.kind != FOLDER
            ],
        )

    # -- doing it ----------------------------------------------------------------------------------------------------

    def create(
        self, spec: ExportSpec, reporter: Reporter | None = None, export_id: str | None = None
    ) -> ExportRecord:
        """Export an application. Raises NuvError: role (4), refused by preflight or guard (6), build or push (1)."""
        reporter = reporter or Silent()
        view = self._context.view()
        instance = self._context.instance(view, spec.instance)
        record = ExportRecord(
            id=export_id or clock.new_id(),
            space=instance.space,
            instance=instance.id,
            application=spec.application,
            snapshot=spec.snapshot,
            name=spec.name or spec.application,
            author=self._context.user,
            created=clock.now(),
            status="running",
            engine="",
            image="",
            with_files=spec.with_files,
            output=spec.output,
            task=os.environ.get("NUVTUI_TASK"),
        )
        self._context.require(view, Action.EXPORT, instance.space, instance.id)
        run = _Run(self, self._context, spec, record, reporter)
        with self._context.exclusive(f"export-{record.id}", "This export"):
            return run.all()

    def _recipe(
        self,
        spec: ExportSpec,
        application: Application,
        manifest: Snapshot,
        export: str,
        base: ImageFacts | None = None,
        base_digest: str = "",
    ) -> Recipe:
        from nuvtui.images.recipe import build_recipe

        return build_recipe(
            application,
            spec.application,
            manifest,
            self._context.store.tree,
            spec,
            self._context.settings,
            self._reference(spec, manifest, export),
            base_digest or None,
            base,
        )

    def _reference(self, spec: ExportSpec, manifest: Snapshot, export: str) -> str:
        """The image's reference: the last part is the user's, the rest is made so that names cannot collide."""
        name = f"{slugify(manifest.space.name)}-{manifest.id[:8]}-{slugify(spec.name or spec.application)}"
        return f"{self._prefix(spec)}/{name}:{export[:8]}"

    def _prefix(self, spec: ExportSpec) -> str:
        """Registry and path that images are named after; on Docker Hub the namespace of who is signed in.

        Raises NuvError (2) where the registry cannot be one.
        """
        from nuvtui.images import reference as references
        from nuvtui.images import registry

        prefix = (spec.registry or self._context.settings.registry).strip("/")
        host, path = references.parse_prefix(prefix)
        if host == references.DOCKER_HUB and not path:
            with contextlib.suppress(
                NuvError
            ):  # a sign-in that cannot be read is said by the push that needs it
                auth = registry.credentials(host)
                if auth is not None and auth.username:
                    return f"{host}/{auth.username.lower()}"
        return prefix

    def _known_values(self, application: Application) -> builtins.list[str]:
        """Values that must not be in the image: secrets and licence variables as this environment has them."""
        names = [*application.secrets, *application.license.variables]
        return [value for name in names if len(value := os.environ.get(name, "")) >= 6]

    def save(self, record: ExportRecord) -> None:
        """Put the record into the state."""
        with self._context.state.transaction() as tx:
            tx.exports.put(record)

    def public(self, registry: str) -> bool:
        """True where `registry` (`host[:port][/path]`, empty: that of the settings) counts as public."""
        from nuvtui.images import registry as registries

        return registries.is_public(registry or self._context.settings.registry, self._context.settings)

    # -- afterwards --------------------------------------------------------------------------------------------------

    def list(self, space: str, *, all_states: bool = True) -> builtins.list[ExportRecord]:
        """Exports of a space, newest first; without failed, cancelled and deleted ones unless `all_states`."""
        view = self._context.view()
        self._context.require_somewhere(view, Action.VIEW, space)
        self._settle(space)
        found = [e for e in self._context.view().exports.all() if e.space == space]
        if not all_states:
            # One that is still in a registry is listed, whatever became of it here.
            found = [
                e
                for e in found
                if e.status in ("running", "completed") or (e.pushed and e.status != "deleted")
            ]
        return sorted(found, key=lambda e: e.created, reverse=True)

    def find(self, space: str, key: str) -> ExportRecord:
        """The export that `key` (id, prefix or name) means; the newest of several with one name."""
        found = self.list(space)
        named = [e for e in found if e.name == key]
        return named[0] if named else pick(key, found, "export", lambda e: e.id, lambda e: (e.name,))

    def get(self, export: str) -> ExportRecord:
        """The export with this id. Needs the viewer role (4); raises NuvError (3)."""
        view = self._context.view()
        record = view.exports.get(export)
        if record is None:
            raise NuvError(f"No export {export[:8]}", "", "See `nuvtui exports list`.", Exit.NOT_FOUND)
        self._context.require(view, Action.VIEW, record.space, record.instance)
        return record

    def report(self, export: str) -> str:
        """The report of an export as Markdown; empty where it has none yet."""
        self.get(export)
        path = self._context.home.export(export) / "report.md"
        return path.read_text("utf-8") if path.exists() else ""

    def _settle(self, space: str) -> None:
        """An export that says it is running while its process is gone has failed; what it began is taken away.

        What could not be taken away is said in its warnings. Left to somebody who may export, where a viewer looks.
        """
        view = self._context.view()
        for record in view.exports.all():
            if (
                record.space != space
                or record.status != "running"
                or self._context.busy(f"export-{record.id}")
            ):
                continue
            if not roles.allows(self._context.role(view, space, record.instance), Action.EXPORT):
                continue
            warnings = self._remove_left_over(record)
            with self._context.state.transaction() as tx:
                now = tx.exports.get(record.id)
                if now is None or now.status != "running":
                    continue
                tx.exports.put(
                    msgspec.structs.replace(
                        now,
                        status="failed",
                        finished=clock.now(),
                        error="interrupted: its process is gone",
                        image_id="" if not warnings else now.image_id,
                        warnings=[*now.warnings, *warnings],
                    )
                )

    def _remove_left_over(self, record: ExportRecord) -> builtins.list[str]:
        """Remove what an interrupted export may have left; returns sentences on what stays."""
        warnings = []
        if record.output:
            with contextlib.suppress(OSError):
                atomic.remove_abandoned(Path(text_to_path(record.output)).parent)
        if record.image:
            try:
                self._engine().remove(record.image)
            except NuvError as error:
                warnings.append(f"an image {record.image} may be left in the engine: {error}")
        if record.pushed and (problem := self._delete_tag(record.image)):
            warnings.append(problem)
        return warnings

    def _delete_tag(self, image: str) -> str:
        """Delete a tag from its registry; returns a sentence where it stays."""
        from nuvtui.images import reference as references
        from nuvtui.images import registry

        try:
            auth = registry.credentials(references.parse(image).registry)
            insecure: tuple[str, ...] = ()
            with contextlib.suppress(NuvError):  # without an engine, only the registry's own word counts
                insecure = self._engine().info().insecure_registries
            deletion = registry.delete_tag(image, auth, insecure, self._context.settings)
        except NuvError as error:
            return f"the tag {image} stays in the registry: {error}"
        return "" if deletion.deleted else deletion.said

    def _update(self, export: str, **changes: object) -> ExportRecord:
        """Change fields of a record as it is now, whatever others changed meanwhile."""
        with self._context.state.transaction() as tx:
            record = tx.exports.get(export)
            if record is None:
                raise NuvError(f"No export {export[:8]}", "it was deleted meanwhile", "", Exit.NOT_FOUND)
            record = msgspec.structs.replace(record, **changes)
            tx.exports.put(record)
        return record

    def _alone(self, export: str) -> contextlib.AbstractContextManager[None]:
        """One archive, push or delete of an export at a time. Raises NuvError (5)."""
        return self._context.exclusive(f"export-{export}", f"Export {export[:8]}", timeout=0.5)

    def archive(self, export: str, path: Path, reporter: Reporter | None = None) -> ExportRecord:
        """Write the image as an archive that `docker load` reads; whole or not at all. Needs the editor role (4).

        A folder as `path`: a file in it. Raises NuvError (5) where the file is there already.
        """
        reporter = reporter or Silent()
        with self._alone(export):
            record = self._own(export)
            if path.is_dir():
                path = path / f"{slugify(record.name)}-{record.id[:8]}.tar"
            reporter.step("archive", f"Writing {path.name}")
            # By its name, not its id: what is loaded back has the name again.
            self._engine().save(record.image, path, reporter)
            return self._update(export, archive=path_to_text(str(path.absolute())))

    def push(self, export: str, public_ok: bool = False, reporter: Reporter | None = None) -> ExportRecord:
        """Push the image to its registry and check the digest there. Needs the editor role (4).

        Raises NuvError (6) where the registry counts as public and `public_ok` was not said, (1) where it refuses.
        """
        from nuvtui.images import registry

        reporter = reporter or Silent()
        with self._alone(export):
            record = self._own(export)
            if registry.is_public(record.image.rpartition(":")[0], self._context.settings) and not public_ok:
                raise NuvError(
                    f"{record.image} would be public",
                    "anyone could pull it without signing in",
                    "Say --public-ok if that is meant, or list the registry under private_registries in the settings.",
                    Exit.REFUSED,
                )
            reporter.step("push", f"Pushing {record.image}")
            digest = push_image(self._engine(), record.image, reporter)
            return self._update(export, digest=digest, pushed=True)

    def delete(self, export: str) -> tuple[ExportRecord, builtins.list[str]]:
        """Delete the image from the engine and, where allowed, its tag from the registry. Needs the editor role (4).

        Returns the record (it stays listed as deleted) and sentences about what could not be deleted.
        """
        record = self.get(export)
        self._context.require(self._context.view(), Action.EXPORT, record.space, record.instance)
        if record.status == "running":
            raise NuvError(f"Export {export[:8]} is running", "", "Cancel it first.", Exit.CONFLICT)
        problems: builtins.list[str] = []
        with self._alone(export):
            record = self.get(export)
            if record.image_id:
                try:
                    self._engine().remove(record.image)
                except NuvError as error:
                    problems.append(f"the image stays in the engine: {error}")
            if record.pushed and (problem := self._delete_tag(record.image)):
                problems.append(problem)
            if record.archive:
                problems.append(f"the archive stays where it is: {record.archive}")
            record = self._update(export, status="deleted", warnings=[*record.warnings, *problems])
        return record, problems

    def _own(self, export: str) -> ExportRecord:
        record = self.get(export)
        self._context.require(self._context.view(), Action.EXPORT, record.space, record.instance)
        if record.status != "completed":
            raise NuvError(
                f"Export {export[:8]} has no image", f"it is {record.status}", "Export again.", Exit.REFUSED
            )
        return record

    def _engine(self) -> Engine:
        from nuvtui.images import engines

        return engines.discover(self._context.settings).required()


def push_image(engine: Engine, reference: str, reporter: Reporter) -> str:
    """Push, and return the digest that engine and registry agree on. Raises NuvError where they do not."""
    from nuvtui.images import reference as references
    from nuvtui.images import registry

    return engine.push(reference, registry.credentials(references.parse(reference).registry), reporter)


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


class _Run:
    """One export from its first stage to its last."""

    def __init__(
        self,
        service: ExportsService,
        context: Context,
        spec: ExportSpec,
        record: ExportRecord,
        reporter: Reporter,
    ) -> None:
        self._service = service
        self._context = context
        self._spec = spec
        self._record = record
        self._reporter = reporter
        self._stage = ""
        self._engine: Engine | None = None

    def all(self) -> ExportRecord:
        """Run every stage. What fails is recorded with its stage, and what it began is taken away."""
        self._save()
        try:
            application = self._preflight()
            manifest = self._snapshot()
            report = self._build(application, manifest)
            self._push()
            self._report(report)
        except Cancelled:
            self._take_away()
            self._save(status="cancelled", finished=clock.now(), failed_stage=self._stage, error="cancelled")
            raise
        except BaseException as error:
            self._take_away()
            text = str(error) if isinstance(error, NuvError) else f"unexpected error: {type(error).__name__}"
            self._save(status="failed", finished=clock.now(), failed_stage=self._stage, error=text)
            raise
        return self._record

    def _save(self, **changes: object) -> None:
        self._record = msgspec.structs.replace(self._record, **changes)
        self._service.save(self._record)

    def _begin(self, stage: str, title: str) -> None:
        self._reporter.check()
        self._stage = stage
        self._reporter.step(stage, title)

    def _preflight(self) -> Application:
        self._begin("preflight", "Checking role, eligibility, engine and name")
        findings, application, discovery = self._service._preflight(self._spec)
        self._refuse(findings)
        self._engine = discovery.required()
        self._save(engine=self._engine.name, warnings=[*self._record.warnings, *_sentences(findings)])
        return application

    def _refuse(self, findings: list[Finding]) -> None:
        for finding in findings:
            if finding.level == "warning":
                self._reporter.warning(f"{finding.subject}: {finding.text}")
        stops = [f for f in findings if f.level == "stop"]
        if stops:
            raise NuvError(
                "This cannot be exported as it is",
                "; ".join(f"{f.subject}: {f.text}" for f in stops[:20])
                + (f"; and {len(stops) - 20} more" if len(stops) > 20 else ""),
                " ".join(dict.fromkeys(f.hint for f in stops if f.hint)),
                Exit.REFUSED,
            )

    def _snapshot(self) -> Snapshot:
        self._begin("snapshot", "Fixing the state to export")
        if self._spec.snapshot is not None:
            return self._context.manifest(StateRef(self._spec.instance, self._spec.snapshot))
        instance = self._context.instance(self._context.view(), self._spec.instance)
        with self._context.exclusive(
            f"instance-{instance.id}", f"Instance {instance.name}", reporter=self._reporter
        ):
            manifest = capture.take(
                self._context,
                instance,
                "automatic",
                _SameStep(self._reporter),
                cause=f"for export {self._record.id[:8]} of {self._spec.application}",
            )
        self._save(snapshot=manifest.id)
        return manifest

    def _build(self, application: Application, manifest: Snapshot) -> Report:
        from nuvtui.images import compare, context, guard, registry
        from nuvtui.images import reference as references

        engine = self._engine
        assert engine is not None
        self._begin("plan", "Planning the image")
        part = next((a for a in manifest.applications if a.slug == self._spec.application), None)
        if part is None:
            raise NuvError(
                f"No application {self._spec.application!r} in the snapshot", "", "", Exit.NOT_FOUND
            )
        application = application_file.parse(part.text, f"{part.slug}.yaml")
        self._refuse(_eligibility(self._spec, application))
        auth = registry.credentials(references.parse(application.image).registry)
        base = engine.pull_if_missing(application.image, auth, self._reporter)
        recipe = self._service._recipe(
            self._spec, application, manifest, self._record.id, base, engine.base_digest(application.image)
        )
        image = self._service._reference(self._spec, manifest, self._record.id)
        for warning in recipe.warnings:
            self._reporter.warning(warning)
        self._save(
            image=image, excluded=list(recipe.excluded), warnings=[*self._record.warnings, *recipe.warnings]
        )
        self._begin("guard", "Looking for what must not leave")
        known = self._service._known_values(application)
        findings = guard.scan_application(application, known)
        findings += guard.scan_members(recipe.members, self._context.store, known, self._reporter)
        self._refuse(findings)
        self._save(warnings=[*self._record.warnings, *_sentences(findings)])
        # What may not be in the image may not be in its log either.
        recipe = dataclasses.replace(recipe, secret_values=[*recipe.secret_values, *known])
        self._begin("build", f"Building {image}")
        image_id = engine.build(recipe, context.stream(recipe, self._context.store), image, self._reporter)
        self._save(image_id=image_id)
        self._begin("inspect", "Comparing the image with the plan")
        facts = engine.inspect(image)
        if facts is None or facts.id != image_id:
            raise NuvError("The image is gone", f"the engine does not have {image} any more", "Export again.")
        self._refuse(guard.scan_facts(facts, recipe.own_files, known))
        if recipe.members:
            self._refuse(compare.file_findings(recipe, engine.list_files(image, "/files")))
        self._save(size=facts.size)
        if self._spec.output:
            path = Path(text_to_path(self._spec.output))
            engine.save(image, path, self._reporter)
            self._save(archive=path_to_text(str(path)))
        return msgspec.structs.replace(
            recipe.report, export=self._record.id, engine=engine.name, image_id=image_id, size=facts.size
        )

    def _push(self) -> None:
        if not self._spec.push:
            return
        self._begin("push", f"Pushing {self._record.image}")
        assert self._engine is not None
        digest = push_image(self._engine, self._record.image, self._reporter)
        self._save(digest=digest, pushed=True)

    def _report(self, report: Report) -> None:
        from nuvtui.images import report as reports

        self._begin("report", "Writing the report")
        command = run_command(report)
        report = msgspec.structs.replace(
            report, digest=self._record.digest, run_command=command, warnings=self._record.warnings
        )
        folder = self._context.home.export(self._record.id)
        self._context.make_folder(folder.parent)
        self._context.make_folder(folder)
        mode = self._context.store.file_mode
        atomic.write_file(folder / "report.json", reports.to_json(report), mode)
        atomic.write_file(folder / "report.md", reports.to_markdown(report).encode(), mode)
        self._save(status="completed", finished=clock.now(), run_command=command)

    def _take_away(self) -> None:
        """Remove what a failed or cancelled export has made: image, archive, pushed tag. Says what stays."""
        warnings = list(self._record.warnings)
        if self._engine is not None and self._record.image:
            with contextlib.suppress(NuvError):
                self._engine.remove(self._record.image)
        if self._record.archive:  # set once this run has written it: never a file of somebody else
            with contextlib.suppress(OSError):
                Path(text_to_path(self._record.archive)).unlink()
        pushed = self._record.pushed
        if pushed:
            if problem := self._service._delete_tag(self._record.image):
                warnings.append(problem)
            else:
                pushed = False
        self._record = msgspec.structs.replace(
            self._record, image_id="", archive=None, pushed=pushed, warnings=warnings
        )


class _SameStep:
    """A reporter for a snapshot inside a stage of an export: its steps are progress, not stages."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self.progress = reporter.progress
        self.warning = reporter.warning
        self.log = reporter.log
        self.check = reporter.check
        self.on_cancel = reporter.on_cancel

    def step(self, name: str, title: str) -> None:
        self._reporter.progress(0, None, "", title)


def _eligibility(spec: ExportSpec, application: Application) -> list[Finding]:
    """What the application's own configuration has to say against an export."""
    findings = []
    if application.needs_license and not spec.without_license:
        findings.append(
            Finding(
                "stop",
                "license",
                f"{application.name} needs a licence, and licences do not leave the house: it is not eligible",
                "Build it without: --without-license. The image then says at start what it lacks.",
            )
        )
    if application.image == HOST_IMAGE:
        findings.append(
            Finding(
                "stop",
                "image",
                "it runs on this machine's own runtime (image: host); the docker engine needs a base image",
                f"Name one in .nuvtui/apps/{spec.application}.yaml, like image: docker.io/library/python:3.12-slim.",
            )
        )
    return findings


def _sentences(findings: list[Finding]) -> Iterator[str]:
    return (f"{f.subject}: {f.text}" for f in findings if f.level == "warning")
