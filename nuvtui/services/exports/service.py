"""Exports: an application of a snapshot becomes a Docker image; listed, verified, archived, pushed, deleted.

What happens before is in `plan`, the making in `run`, of parts that `parts` finds.
"""

from __future__ import annotations

import builtins
import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from nuvtui import atomic, clock
from nuvtui.errors import Exit, NuvError
from nuvtui.model import roles
from nuvtui.model.export import Accepted, Check, ExportPlan, ExportRecord, ExportSpec, Finding, Report
from nuvtui.model.names import path_to_text, slugify, text_to_path
from nuvtui.model.roles import Action
from nuvtui.model.snapshot import Snapshot
from nuvtui.model.stage import StateRef
from nuvtui.reporter import Reporter, Silent
from nuvtui.services.applications.service import ApplicationsService
from nuvtui.services.context import Context
from nuvtui.services.exports.parts import Images
from nuvtui.services.exports.plan import Planner, refuse_to_leave
from nuvtui.services.exports.publishing import delete_tag, push_image
from nuvtui.services.exports.run import Run
from nuvtui.services.spaces.service import pick
from nuvtui.services.states.service import StatesService

if TYPE_CHECKING:
    from nuvtui.images.engine.protocol import Engine


class ExportsService:
    """Exports of a space."""

    def __init__(self, context: Context, states: StatesService, applications: ApplicationsService) -> None:
        self._context = context
        self.applications = applications
        self.images = Images(context)
        """Engines, and the images that are kept without one."""
        self.planner = Planner(context, states, applications, self.images)
        """Preflight and dry run."""

    # -- before ------------------------------------------------------------------------------------------------------

    def preflight(self, spec: ExportSpec) -> builtins.list[Finding]:
        """Everything that would stop or should be known about an export, without doing anything."""
        return self.planner.preflight(spec)[0]

    def plan(self, spec: ExportSpec) -> ExportPlan:
        """The dry run: what would be in the image and what not, and why. Builds nothing."""
        return self.planner.plan(spec)

    # -- doing it ----------------------------------------------------------------------------------------------------

    def create(
        self,
        spec: ExportSpec,
        reporter: Reporter | None = None,
        export_id: str | None = None,
        *,
        fresh: bool = False,
        pin: str = "",
    ) -> ExportRecord:
        """Export an application; `fresh`: nothing is taken from earlier exports; `pin`: digest of the base image.

        Raises NuvError: role (4), refused by preflight or guard (6), build or push (1).
        """
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
            tables_format=spec.tables_format,
            task=os.environ.get("NUVTUI_TASK"),
        )
        self._context.require(view, Action.EXPORT, instance.space, instance.id)
        run = Run(self._context, self.planner, spec, record, reporter, fresh, pin)
        with self._context.exclusive(f"export-{record.id}", "This export"):
            return run.all()

    def check(self, spec: ExportSpec) -> None:
        """Raise NuvError where an export is refused whatever the engine says: role (4), no such application (3)."""
        view = self._context.view()
        instance = self._context.instance(view, spec.instance)
        self._context.require(view, Action.EXPORT, instance.space, instance.id)
        self.applications.get(StateRef(spec.instance, spec.snapshot), spec.application)

    def public(self, registry: str) -> bool:
        """True where `registry` (`host[:port][/path]`, empty: that of the settings) counts as public."""
        from nuvtui.images import reference as references

        return references.is_public(
            registry or self._context.settings.registry, self._context.settings.private_registries
        )

    # -- afterwards --------------------------------------------------------------------------------------------------

    def list(self, space: str, *, all_states: bool = True) -> builtins.list[ExportRecord]:
        """Exports of a space, newest first; without failed, cancelled and deleted ones unless `all_states`."""
        view = self._context.view()
        self._context.require_somewhere(view, Action.VIEW, space)
        self._reap(space)
        found = [e for e in self._context.view().exports.all() if e.space == space]
        if not all_states:
            # One that is still in a registry is listed, whatever became of it here.
            found = [
                e
                for e in found
                if e.status in ("running", "completed") or (e.pushed and e.status != "deleted")
            ]
        return sorted(found, key=lambda e: e.created, reverse=True)

    def find(self, space: str, key: str, status: str = "completed") -> ExportRecord:
        """The export that `key` (id, prefix or name) means.

        Of several with one name the newest with this `status`, where none has it the newest.
        """
        found = self.list(space)
        named = [e for e in found if e.name == key]
        named = [e for e in named if e.status == status] or named
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

    def report_of(self, record: ExportRecord) -> Report:
        """The report of an export as a value. Raises NuvError (3) where it has none."""
        from nuvtui.images import report as reports

        path = self._context.home.export(record.id) / "report.json"
        try:
            return reports.from_json(path.read_bytes())
        except (OSError, msgspec.DecodeError) as error:
            raise NuvError(
                f"Export {record.id[:8]} has no report that can be read", str(error)[:200], "", Exit.NOT_FOUND
            ) from error

    def snapshot_of(self, record: ExportRecord) -> Snapshot:
        """The snapshot that an export was made of. Raises NuvError (3) where it was deleted."""
        return self._context.manifest(StateRef(record.instance, record.snapshot))

    def _reap(self, space: str) -> None:
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
                self._engine(record).remove(record.image)
            except NuvError as error:
                warnings.append(f"an image {record.image} may be left in the engine: {error}")
        if record.pushed and (problem := delete_tag(self.images, self._context.settings, record.image)):
            warnings.append(problem)
        return warnings

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

    def leaving(self, export: str, done: str) -> ExportRecord:
        """The export, whose image is about to be `done` (`pushed`, `archived`). Needs the editor role (4).

        Raises NuvError (6) where it has no image, or the content guard found what nobody has accepted.
        """
        record = self.with_image(export)
        refuse_to_leave(record.findings, done)
        return record

    def archive(self, export: str, path: Path, reporter: Reporter | None = None) -> ExportRecord:
        """Write the image as an archive that `docker load` reads; whole or not at all. Needs the editor role (4).

        A folder as `path`: a file in it. Raises NuvError (5) where the file is there already, (6) where the content
        guard found something that nobody has accepted.
        """
        reporter = reporter or Silent()
        with self._alone(export):
            record = self.leaving(export, "archived")
            if path.is_dir():
                path = path / f"{slugify(record.name)}-{record.id[:8]}.tar"
            reporter.step("archive", f"Writing {path.name}")
            self._same(record)
            # By its name, not its id: what is loaded back has the name again.
            self._engine(record).save(record.image, path, reporter)
            return self._update(export, archive=path_to_text(str(path.absolute())))

    def push(self, export: str, public_ok: bool = False, reporter: Reporter | None = None) -> ExportRecord:
        """Push the image to its registry and check the digest there. Needs the editor role (4).

        Raises NuvError (6) where the registry counts as public and `public_ok` was not said, (1) where it refuses.
        """
        reporter = reporter or Silent()
        with self._alone(export):
            record = self.leaving(export, "pushed")
            if self.public(record.image.rpartition(":")[0]) and not public_ok:
                raise NuvError(
                    f"{record.image} would be public",
                    "anyone could pull it without signing in",
                    "Say --public-ok if that is meant, or list the registry under private_registries in the settings.",
                    Exit.REFUSED,
                )
            if record.verification is not None and not record.verification.passed:
                raise NuvError(
                    f"{record.image} is not pushed",
                    "it did not pass its verification",
                    f"See `nuvtui exports show {record.id[:8]}`; verify it again once that is mended "
                    f"(`nuvtui exports verify {record.id[:8]}`), or export again.",
                    Exit.REFUSED,
                )
            self._same(record)
            reporter.step("push", f"Pushing {record.image}")
            digest = push_image(self._engine(record), record.image, reporter)
            return self._update(export, digest=digest, pushed=True)

    def verify(self, export: str, again: bool = False, reporter: Reporter | None = None) -> ExportRecord:
        """Run the image as strangers will, compare it with the plan, `again`: build it again and compare.

        Needs the editor role (4). Raises NuvError (6) where the export has no image.
        """
        from nuvtui.services.exports import verification

        reporter = reporter or Silent()
        with self._alone(export):
            record = self.with_image(export)
            self._same(record)
            reporter.step("verify", f"Running {record.image}")
            found = verification.verify(self.images, record, self.report_of(record), reporter)
            self._update(export, verification=found)
            if again:
                check = self._rebuild(record, reporter)
                found = msgspec.structs.replace(found, checks=[*found.checks, check])
            return self._update(export, verification=found)

    def _rebuild(self, record: ExportRecord, reporter: Reporter) -> Check:
        """Build the export again from its snapshot, compare the images, and take the second one away.

        Raises Cancelled.
        """
        try:
            return self._rebuilt(record, reporter)
        except NuvError as error:
            if error.exit_code == Exit.CANCELLED:
                raise
            return Check("rebuild", "not done", f"it cannot be built again: {error}"[:1000])

    def _rebuilt(self, record: ExportRecord, reporter: Reporter) -> Check:
        if record.snapshot is None:
            return Check("rebuild", "not done", "the export has no snapshot to be built from")
        self.snapshot_of(record)
        spec = ExportSpec(
            application=record.application,
            instance=record.instance,
            snapshot=record.snapshot,
            name=record.name,
            with_files=record.with_files,
            engine=record.engine,  # type: ignore[arg-type]
            registry=record.image.rpartition("/")[0],
            without_license=True,
            tables=record.tables,
            tables_format=record.tables_format,
            accepted=[Accepted(one.finding, one.reason) for one in record.accepted],
        )
        again = self.create(spec, reporter, fresh=True, pin=record.base_digest)
        try:
            if again.image_id == record.image_id:
                cached = " (the engine knew what the install steps led to, and did not run them again)"
                known = cached if again.steps_image and again.steps_image == record.steps_image else ""
                return Check(
                    "rebuild", "passed", f"built again, and it is the same image: {record.image_id}{known}"
                )
            old, new = self.report_of(record).layers, self.report_of(again).layers
            differ = [b.what for a, b in zip(old, new, strict=False) if a.diff_id != b.diff_id]
            return Check(
                "rebuild",
                "failed",
                f"built again, it is another image ({again.image_id}); different: {', '.join(differ) or 'configuration'}",
            )
        finally:
            self.delete(again.id)

    def check_load(self, space: str, path: Path) -> None:
        """Raise NuvError where the archive at `path` may not be loaded (4) or is none (3)."""
        self._context.require_somewhere(self._context.view(), Action.EXPORT, space)
        if not path.is_file():
            raise NuvError(f"No file {path_to_text(str(path))}", "", "", Exit.NOT_FOUND)

    def load(self, space: str, path: Path, reporter: Reporter | None = None) -> builtins.list[str]:
        """Read an archive back, into the engine that answers, else into the store. Returns the references in it."""
        self.check_load(space, path)
        reporter = reporter or Silent()
        reporter.step("load", f"Reading {path.name}")
        engine = self.images.discovery.engine or self.images.oci
        return engine.load(path, reporter)

    def exclude(self, instance: str, application: str, path: str) -> None:
        """Leave a workspace file out of exports: `path` (text form) is added to the application's `exclude`.

        Needs the editor role (4). Raises NuvError where the application's file cannot be changed safely.
        """
        from nuvtui.services.applications import applications, edit

        view = self._context.view()
        found = self._context.instance(view, instance)
        self._context.require(view, Action.MODIFY, found.space, found.id)
        part, _ = self.applications.get(StateRef(instance), application)
        text = edit.exclude(part.text, text_to_path(path), f"{application}.yaml")
        applications.apply(self._context.workspace(found), [msgspec.structs.replace(part, text=text)], [])

    def delete(self, export: str) -> tuple[ExportRecord, builtins.list[str]]:
        """Delete the image from the engine and, where allowed, its tag from the registry. Needs the editor role (4).

        Returns the record (it stays listed as deleted) and sentences about what could not be deleted.
        """
        record = self.get(export)
        self._context.require(self._context.view(), Action.EXPORT, record.space, record.instance)
        if record.status == "running":
            raise NuvError(f"Export {export[:8]} is running", "", "Cancel it first.", Exit.CONFLICT)
        from nuvtui.images.engine.protocol import KeepsUnnamed

        problems: builtins.list[str] = []
        with self._alone(export):
            record = self.get(export)
            if record.engine and (record.image or record.steps_image):
                try:
                    engine = self._engine(record)
                    removed = bool(record.image) and engine.remove(record.image)
                    if record.image_id and not removed:
                        problems.append(
                            f"the image was not found in the engine ({record.engine}); another one may have it"
                        )
                    if record.steps_image and isinstance(engine, KeepsUnnamed):
                        engine.forget(record.steps_image)
                except NuvError as error:
                    problems.append(f"the image stays in the engine: {error}")
            if record.pushed and (problem := delete_tag(self.images, self._context.settings, record.image)):
                problems.append(problem)
            if record.archive:
                problems.append(f"the archive stays where it is: {record.archive}")
            record = self._update(export, status="deleted", warnings=[*record.warnings, *problems])
        return record, problems

    def with_image(self, export: str) -> ExportRecord:
        """An export that has an image, which the user may work with. Raises NuvError: role (4), no image (6)."""
        record = self.get(export)
        self._context.require(self._context.view(), Action.EXPORT, record.space, record.instance)
        if record.status != "completed":
            raise NuvError(
                f"Export {export[:8]} has no image", f"it is {record.status}", "Export again.", Exit.REFUSED
            )
        return record

    def _same(self, record: ExportRecord) -> None:
        """Raise NuvError (6) where the engine has another image than the one that was exported, or none."""
        facts = self._engine(record).inspect(record.image)
        if facts is None or facts.id != record.image_id:
            raise NuvError(
                f"{record.image} is not there any more" if facts is None else f"{record.image} was replaced",
                f"the engine {record.engine} has {'no such image' if facts is None else 'another image of that name'}",
                "Export again: the snapshot has everything. Or is another engine answering now? `nuvtui doctor`.",
                Exit.REFUSED,
            )

    def _engine(self, record: ExportRecord) -> Engine:
        """The engine that has the export's image. Raises NuvError (6) where it does not answer."""
        return self.images.named(record.engine)
