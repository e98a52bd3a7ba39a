"""One export, from its first stage to its last. What is half done when it fails or is cancelled is taken away."""

from __future__ import annotations

import contextlib
import dataclasses
import io
from pathlib import Path
from typing import TYPE_CHECKING, cast

import msgspec

from nuvtui import atomic, clock
from nuvtui.errors import Cancelled, Exit, NuvError
from nuvtui.model.application import Application
from nuvtui.model.cause import Cause
from nuvtui.model.export import AcceptedFinding, ExportRecord, ExportSpec, Finding, Report, Verification
from nuvtui.model.names import path_to_text, text_to_path
from nuvtui.model.snapshot import ApplicationPart, Snapshot
from nuvtui.model.stage import StateRef
from nuvtui.reporter import Reporter
from nuvtui.services.applications import application_file
from nuvtui.services.context import Context
from nuvtui.services.exports.guard_memory import GuardMemory
from nuvtui.services.exports.parts import Base, Parts
from nuvtui.services.exports.plan import Planner, eligibility, judged, not_holdable, refuse, refuse_to_leave
from nuvtui.services.exports.publishing import delete_tag, push_image, run_command
from nuvtui.services.snapshots import archiver
from nuvtui.tables import scratch

if TYPE_CHECKING:
    from nuvtui.images.engine.protocol import Built, Engine
    from nuvtui.images.facts import ImageFacts
    from nuvtui.images.oci.layers import Layer
    from nuvtui.images.recipe import Recipe


class Run:
    """The stages of an export (`model.export.STAGES`), each a step of its task."""

    def __init__(
        self,
        context: Context,
        planner: Planner,
        spec: ExportSpec,
        record: ExportRecord,
        reporter: Reporter,
        fresh: bool = False,
        pin: str = "",
    ) -> None:
        """`fresh`: every layer is made anew, whatever is known of it from before. `pin`: digest of the base image."""
        self._pin = pin
        self._fresh = fresh
        self._planner = planner
        self._context = context
        self._spec = spec
        self._record = record
        self._reporter = reporter
        self._stage = ""
        self._engine: Engine | None = None
        self._known: list[str] = []
        self._accepted: list[AcceptedFinding] = []

    def all(self) -> ExportRecord:
        """Run every stage. What fails is recorded with its stage, and what it began is taken away."""
        self._save()
        try:
            with self._planner.images.layout.using():  # nobody sweeps away what this one stands on
                base = self._preflight()
                manifest = self._snapshot()
                report = self._image(manifest, base)
            self._verify(report)
            self._push()
            self._report(report)
        except Cancelled:
            self._take_away(cancelled=True)
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
        with self._context.state.transaction() as tx:
            tx.exports.put(self._record)

    def _begin(self, stage: str, title: str) -> None:
        self._reporter.check()
        self._stage = stage
        self._reporter.step(stage, title)

    def _warn(self, sentences: list[str]) -> None:
        for sentence in sentences:
            self._reporter.warning(sentence)
        if sentences:
            self._save(warnings=[*self._record.warnings, *sentences])

    # Stages

    def _preflight(self) -> Base:
        """Role, eligibility, engine, and the base image, which is pinned before the snapshot is taken."""
        self._begin("preflight", "Checking role, eligibility, engine and base image")
        findings, application, self._engine = self._planner.preflight(self._spec)
        refuse(findings)
        assert self._engine is not None
        self._save(engine=self._engine.name)
        for finding in findings:
            if finding.subject == "engine":
                self._reporter.log(f"{finding.text}\n".encode("utf-8", "replace"))
        self._warn(_sentences(findings))
        self._known = self._planner.known_values(self._spec, application)
        return self._base(application, self._part())

    def _part(self) -> ApplicationPart:
        part, _ = self._planner.applications.get(
            StateRef(self._spec.instance, self._spec.snapshot), self._spec.application
        )
        return part

    def _base(self, application: Application, part: ApplicationPart) -> Base:
        assert self._engine is not None
        parts = Parts(self._context, self._planner.images, self._engine, self._reporter, self._pin)
        base = parts.base(self._spec, application, part)
        self._save(base_digest=base.digest)
        return base

    def _snapshot(self) -> Snapshot:
        self._begin("snapshot", "Fixing the state to export")
        if self._spec.snapshot is not None:
            return self._context.manifest(StateRef(self._spec.instance, self._spec.snapshot))
        instance = self._context.instance(self._context.view(), self._spec.instance)
        with self._context.exclusive(
            f"instance-{instance.id}", f"Instance {instance.name}", reporter=self._reporter
        ):
            manifest = archiver.take(
                self._context,
                instance,
                "automatic",
                _SameStep(self._reporter),
                cause=Cause("export", self._record.id, self._spec.application),
            ).snapshot
        self._save(snapshot=manifest.id)
        return manifest

    def _image(self, manifest: Snapshot, base: Base) -> Report:
        """Plan, content guard, build, inspect; the archive where one was asked for."""
        engine = self._engine
        assert engine is not None
        spec = self._spec
        self._begin("plan", "Planning the image")
        part = next((a for a in manifest.applications if a.slug == spec.application), None)
        if part is None:
            raise NuvError(f"No application {spec.application!r} in the snapshot", "", "", Exit.NOT_FOUND)
        application = application_file.parse(part.text, f"{part.slug}.yaml")
        refuse(eligibility(spec, application))
        image = self._planner.reference(spec, manifest, self._record.id)
        recipe = self._recipe(application, manifest, image, base)
        self._warn([*base.warnings, *recipe.warnings])
        self._save(image=image, excluded=[*recipe.excluded, *base.excluded], tables=list(spec.tables))
        self._guard(application, recipe)
        if self._accepted:  # the report in the image tells what was let pass
            recipe = self._recipe(application, manifest, image, base)
        self._begin("build", f"Building {image}")
        with contextlib.ExitStack() as stack:
            recipe, layers = self._layers(recipe, application, manifest, image, base, stack)
            built = engine.build(recipe, base.facts, layers, image, self._reporter, fresh=self._fresh)
        self._save(image_id=built.image, steps_image=built.steps)
        self._begin("inspect", "Looking at what really is in the image")
        facts = engine.inspect(image)
        if facts is None or facts.id != built.image:
            raise NuvError("The image is gone", f"the engine does not have {image} any more", "Export again.")
        self._inspect(facts, recipe, built)
        self._save(size=facts.size)
        if spec.output:
            path = Path(text_to_path(spec.output))
            engine.save(image, path, self._reporter)
            self._save(archive=path_to_text(str(path)))
        return msgspec.structs.replace(
            recipe.report,
            export=self._record.id,
            engine=engine.name,
            image_id=built.image,
            size=facts.size,
            layers=built.layers,
            excluded=self._record.excluded,
        )

    def _recipe(
        self,
        application: Application,
        manifest: Snapshot,
        image: str,
        base: Base,
        installed: list[tuple[str, str]] | None = None,
    ) -> Recipe:
        from nuvtui.images.recipe import build_recipe

        recipe = build_recipe(
            application,
            self._spec.application,
            manifest,
            self._context.store.tree,
            self._spec,
            self._context.settings,
            image,
            base.digest or None,
            base.facts,
            installed or (),
            self._accepted,
        )
        # What may not be in the image may not be in its log either.
        return dataclasses.replace(recipe, secret_values=[*recipe.secret_values, *self._known])

    def _guard(self, application: Application, recipe: Recipe) -> None:
        from nuvtui.images.guard import scans
        from nuvtui.images.oci import layers
        from nuvtui.images.recipe import carried

        self._begin("guard", "Looking for what must not leave")
        refuse(not_holdable(path_to_text(path) for path, _ in recipe.members))
        findings = scans.scan_application(application, carried(application), self._known)
        findings += GuardMemory(self._context.home.cache).findings(
            layers.files_layer(recipe, self._context.store).key,
            self._known,
            lambda: scans.scan_members(recipe.members, self._context.store, self._known, self._reporter),
        )
        self._found(findings)

    def _look_into(self, table: str, file: Path) -> None:
        """The content guard on a table that goes into the image."""
        from nuvtui.images.guard import scans

        self._found(scans.scan_text(f"table {path_to_text(table)}", file, self._known, self._reporter))

    def _found(self, findings: list[Finding]) -> None:
        """Keep what the content guard found; an application that is to be pushed ends here."""
        left, passed = judged(findings, self._spec.accepted)
        self._accepted = [*self._accepted, *passed]
        held = [finding for finding in left if finding.level in ("push", "stop")]
        self._save(findings=[*self._record.findings, *held], accepted=self._accepted)
        self._warn([f"{f.subject}: {f.text}" for f in left if f.level == "warning"])
        for finding in held:
            self._reporter.warning(f"{finding.subject}: {finding.text}")
        if self._spec.push or self._spec.output:
            refuse_to_leave(held, "pushed" if self._spec.push else "archived")

    def _layers(
        self,
        recipe: Recipe,
        application: Application,
        manifest: Snapshot,
        image: str,
        base: Base,
        stack: contextlib.ExitStack,
    ) -> tuple[Recipe, list[Layer]]:
        """The layers on top of the base image, and the recipe with what pip installed for them."""
        from nuvtui.images.oci import layers as making

        assert self._engine is not None
        parts = Parts(self._context, self._planner.images, self._engine, self._reporter)
        layers = list(base.layers)
        if recipe.requirements and (self._engine.name == "oci" or base.layers):
            folder = stack.enter_context(scratch.folder(self._context.home.tmp))
            made, installed = parts.packages(recipe, base, folder)
            layers += made
            recipe = self._recipe(application, manifest, image, base, installed)
        if base.layers or self._engine.name == "oci":
            recipe = dataclasses.replace(recipe, dockerfile="")
        layers.append(making.files_layer(recipe, self._context.store))
        layers += stack.enter_context(parts.tables(self._spec, manifest, self._look_into))
        layers.append(making.application_layer(recipe))
        return recipe, layers

    def _inspect(self, facts: ImageFacts, recipe: Recipe, built: Built) -> None:
        """What the image says of itself, its layers by digest, and the content of those that are not known yet."""
        from nuvtui.images import compare
        from nuvtui.images.guard import scans

        assert self._engine is not None
        if wrong := compare.differences(recipe, facts):
            raise NuvError("The image is not what was planned", "; ".join(wrong[:5]))
        if facts.layers != [layer.diff_id for layer in built.layers]:
            raise NuvError(
                "The image is not what was planned", "it has other layers than those that were made"
            )
        findings = scans.scan_facts(facts, recipe.own_files, self._known)
        # Layers of the snapshot's files were looked into before, and are what they were by their digest. Others
        # are read, but for those of the base image where no value is known that could be in them.
        what = {layer.diff_id: layer.what for layer in built.layers}
        look = {d for d, name in what.items() if name in ("packages", "runtime", "environment", "tables")}
        if self._known:
            look |= {d for d, name in what.items() if name == "base"}
        if look:
            for diff_id, pieces in self._engine.layers(self._record.image, self._reporter):
                if diff_id in look:
                    name = what[diff_id]
                    stream = io.BufferedReader(_Stream(pieces), 1 << 20)
                    findings += scans.scan_layer(
                        stream, f"layer {name}", self._known, self._reporter, thorough=name != "base"
                    )
        if log := self._log():
            findings += scans.scan_text("build log", log, self._known)
        self._found(findings)

    def _log(self) -> Path | None:
        log = self._context.home.task(self._record.task) / "build.log" if self._record.task else None
        return log if log is not None and log.exists() else None

    def _verify(self, report: Report) -> None:
        from nuvtui.services.exports import verification

        if self._spec.verify:
            self._begin("verify", "Running the image")
            found = verification.verify(self._planner.images, self._record, report, self._reporter)
        elif self._record.engine == "oci":
            # Nobody asked to run it; but one that cannot even start is not handed over without a word.
            check = verification.configuration(self._planner.images, self._record, self._reporter)
            if check.status == "passed":
                return
            found = Verification(clock.now(), [check])
        else:
            return
        self._save(verification=found)
        failed = [check for check in found.checks if check.status == "failed"]
        self._warn([f"verify, {check.name}: {check.text}" for check in failed])
        if failed and self._spec.push:
            raise NuvError(
                "The image does not run as it should, and is not pushed",
                "; ".join(check.text for check in failed),
                "Export without a push to look at it: the image is kept then.",
            )

    def _push(self) -> None:
        if not self._spec.push:
            return
        refuse_to_leave(self._record.findings, "pushed")
        self._begin("push", f"Pushing {self._record.image}")
        assert self._engine is not None
        digest = push_image(self._engine, self._record.image, self._reporter)
        self._save(digest=digest, pushed=True)

    def _report(self, report: Report) -> None:
        from nuvtui.images import report as reports
        from nuvtui.images import sbom
        from nuvtui.images.guard import scans

        self._begin("report", "Writing the report")
        command = run_command(report)
        report = msgspec.structs.replace(
            report,
            digest=self._record.digest,
            run_command=command,
            warnings=self._record.warnings,
            findings=self._record.findings,
            accepted=self._accepted,
            verification=self._record.verification,
        )
        folder = self._context.home.export(self._record.id)
        self._context.make_folder(folder.parent)
        self._context.make_folder(folder)
        mode = self._context.store.file_mode
        files = {
            "report.json": reports.to_json(report),
            "report.md": reports.to_markdown(report).encode(),
            "sbom.cdx.json": sbom.cyclonedx(report),
        }
        found = [
            finding
            for name, data in files.items()
            for finding in scans.scan_text(f"report, {name}", [data], self._known)
        ]
        for name, data in files.items():
            atomic.write_file(folder / name, data, mode)
        left, _ = judged(found, self._spec.accepted)
        self._save(
            status="completed",
            finished=clock.now(),
            run_command=command,
            findings=[*self._record.findings, *left],
        )

    def _take_away(self, *, cancelled: bool = False) -> None:
        """Remove what a failed or cancelled export has made: image, archive, pushed tag. Says what stays.

        What the install steps led to is the cache of the next try; where that was `cancelled`, it goes too.
        """
        from nuvtui.images.engine.protocol import KeepsUnnamed

        warnings = list(self._record.warnings)
        if self._engine is not None and self._record.image:
            try:
                self._engine.remove(self._record.image)
            except NuvError as error:
                warnings.append(f"an image {self._record.image} may be left in the engine: {error}")
            if cancelled and self._record.steps_image and isinstance(self._engine, KeepsUnnamed):
                self._engine.forget(self._record.steps_image)
        if self._record.archive:  # set once this run has written it: never a file of somebody else
            with contextlib.suppress(OSError):
                Path(text_to_path(self._record.archive)).unlink()
        pushed = self._record.pushed
        if pushed:
            if problem := delete_tag(self._planner.images, self._context.settings, self._record.image):
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

    def step(self, _name: str, title: str) -> None:
        self._reporter.progress(0, None, "", title)


class _Stream(io.RawIOBase):
    """Pieces as a file to read from."""

    def __init__(self, pieces: object) -> None:
        super().__init__()
        self._pieces = cast("io.BytesIO", pieces)
        self._held = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        while not self._held:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._held = memoryview(piece)
        count = min(len(view), len(self._held))
        view[:count] = self._held[:count]
        self._held = self._held[count:]
        return count


def _sentences(findings: list[Finding]) -> list[str]:
    return [f"{f.subject}: {f.text}" for f in findings if f.level == "warning"]
