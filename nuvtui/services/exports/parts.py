"""What an export is made with: the engine, the base image, and the layers that go on top of it."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nuvtui.errors import Exit, NuvError
from nuvtui.model.application import HOST_IMAGE, Application, Lock
from nuvtui.model.export import Excluded, ExportSpec, Finding
from nuvtui.model.names import path_to_text
from nuvtui.model.snapshot import ApplicationPart, Snapshot
from nuvtui.model.tree import FILE, LINK
from nuvtui.paths import Workspace
from nuvtui.reporter import Reporter
from nuvtui.services.applications import application_file, base_pins, locks
from nuvtui.services.context import Context
from nuvtui.tables import scratch

if TYPE_CHECKING:
    from nuvtui.images.engine.discovery import Discovery
    from nuvtui.images.engine.oci_engine import OciEngine
    from nuvtui.images.engine.protocol import Engine
    from nuvtui.images.facts import ImageFacts
    from nuvtui.images.host.capture import HostCapture
    from nuvtui.images.host.files import HostFile
    from nuvtui.images.oci.layers import Layer
    from nuvtui.images.oci.layout import Layout
    from nuvtui.images.recipe import Recipe

TABLES = "tables"
"""Folder of the workspace, inside an image, that chosen tables are written to."""
DISCOVERY_SECONDS = 30.0
"""So long an engine that was found, or was not, is not looked for again."""
_PLACES = 40


@dataclasses.dataclass
class Base:
    """What an image stands on."""

    facts: ImageFacts
    digest: str = ""
    """The registry's digest of it; empty: it came from none."""
    layers: list[Layer] = dataclasses.field(default_factory=list)
    """Of this machine's own runtime, where that is the base."""
    files: list[HostFile] = dataclasses.field(default_factory=list)
    """What those layers hold."""
    warnings: list[str] = dataclasses.field(default_factory=list)
    excluded: list[Excluded] = dataclasses.field(default_factory=list)


class Images:
    """Engines and the store's own images."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._found: Discovery | None = None
        self._looked = 0.0

    @functools.cached_property
    def layout(self) -> Layout:
        """The images that are kept in the store home."""
        from nuvtui.images.oci.layout import Layout

        return Layout(self._context.home.images, shared=self._context.store.shared)

    @functools.cached_property
    def oci(self) -> OciEngine:
        """The built-in engine."""
        from nuvtui.images.engine.oci_engine import OciEngine

        self._context.make_folder(self._context.home.tmp)
        return OciEngine(self.layout, self._context.settings, self._context.home.tmp)

    @property
    def discovery(self) -> Discovery:
        """The search for an engine that answers. It can take seconds, so that its outcome counts for a while."""
        from nuvtui.images.engine.discovery import discover

        if self._found is None or time.monotonic() - self._looked > DISCOVERY_SECONDS:
            self._found = discover(self._context.settings, layout=self.layout, tmp=self.oci.tmp)
            self._looked = time.monotonic()
        return self._found

    def named(self, name: str) -> Engine:
        """The engine that made an export: `docker` or `oci`. Raises NuvError (6) where it does not answer."""
        return self.oci if name == "oci" else self.discovery.required()

    def chosen(self, wanted: str) -> tuple[Engine | None, list[Finding]]:
        """The engine for an export by what the user wants (`auto`, `docker`, `oci`), and what is to be said of it."""
        if wanted == "oci":
            return self.oci, [Finding("note", "engine", "the built-in engine oci, as asked for")]
        found = self.discovery
        if found.engine is not None:
            return found.engine, [found.finding()]
        finding = found.finding()
        if wanted == "docker":
            text = finding.text.replace(", the built-in engine `oci` is used", "")
            return None, [
                Finding("stop", "engine", text, f"{finding.hint} Or build without one: --engine oci.")
            ]
        return self.oci, [finding]


def needs_engine(application: Application, engine_name: str) -> list[Finding]:
    """What of an application's set-up cannot be done by the engine that was chosen, and the way out."""
    packages = application.packages
    steps = [f"packages.{name}" for name in ("apt", "conda", "cran") if getattr(packages, name)]
    steps += ["setup"] if application.setup else []
    if application.image == HOST_IMAGE and steps:
        return [
            Finding(
                "stop",
                step,
                "cannot be run on this machine's own runtime (image: host), which has no package manager in it",
                "Install it here, into the environment that is captured, or name a base image and use an engine.",
            )
            for step in steps
        ]
    if engine_name != "oci":
        return []
    found = [
        Finding(
            "stop",
            step,
            "has to be run inside the image, which the built-in engine cannot do",
            "Start Docker or Podman and export with --engine docker; or use `image: host` with the packages "
            "installed in `environment`; or take a base image that has them.",
        )
        for step in steps
    ]
    return found + [
        Finding(
            "stop",
            "packages.pip",
            f"{entry.partition('@')[0].strip()} would have to be compiled or checked out, which needs an engine",
            "Name a version that the package index has as a wheel, or export with --engine docker.",
        )
        for entry in packages.pip
        if "@" in entry and not entry.split(";")[0].strip().endswith(".whl")
    ]


class Parts:
    """Finds or makes the parts of one export."""

    def __init__(
        self, context: Context, images: Images, engine: Engine, reporter: Reporter, pin: str = ""
    ) -> None:
        """`pin`: the digest of the base image, whatever is pinned otherwise."""
        self._context, self._images, self._engine, self._reporter = context, images, engine, reporter
        self._wanted_pin = pin

    # Base

    def base(self, spec: ExportSpec, application: Application, part: ApplicationPart) -> Base:
        """The base image, in the engine; pinned from now on, where it comes from a registry.

        Raises NuvError where it cannot be had.
        """
        if application.image == HOST_IMAGE:
            return self._host(spec, application, part.lock)
        from nuvtui.images import reference as references
        from nuvtui.images.registry.credentials import credentials

        if (path := references.archive_path(application.image)) is not None:
            return self._archive(spec, application.image, path)
        parsed = references.parse(application.image)
        pin = "" if parsed.digest else self._pin(spec, application.image, part)
        wanted = str(parsed.pinned(pin)) if pin else application.image
        facts = self._local(wanted, application.image, pin)
        digest = pin or parsed.digest or (self._engine.base_digest(wanted) if facts else "")
        if facts and digest and not pin and not parsed.digest:
            # The image came here once. What counts where nothing is pinned is what the tag names now.
            now = self._named_now(application.image, facts) or digest
            if now != digest:
                digest, wanted = now, str(parsed.pinned(now))
                facts = self._local(wanted, application.image, now)
        if facts:
            return self._pinned(spec, application.image, pin, Base(facts, digest))
        auth = credentials(parsed.registry)
        facts = self._engine.pull_if_missing(wanted, auth, self._reporter)
        digest = digest or self._engine.base_digest(wanted)
        return self._pinned(spec, application.image, pin, Base(facts, digest))

    def _local(self, wanted: str, image: str, pin: str) -> ImageFacts | None:
        """The base image where it is on this machine already: in the engine, or in another one that answers."""
        if facts := self._engine.inspect(wanted):
            return facts
        if pin and (facts := self._engine.inspect(image)) and self._engine.base_digest(image) == pin:
            return facts
        if self._engine.name != "oci" or self._context.settings.engine == "oci":
            return None
        other = self._images.discovery.engine
        if other is None:
            return None
        from nuvtui.images import reference as references
        from nuvtui.images.registry.credentials import credentials

        with contextlib.suppress(NuvError):
            if other.inspect(wanted) is not None:
                origin = other.base_digest(wanted)
                if origin:
                    # As the registry has it: then the image is the same wherever it is made.
                    with contextlib.suppress(NuvError):
                        auth = credentials(references.parse(wanted).registry)
                        return self._engine.pull_if_missing(wanted, auth, self._reporter)
                with self._images.oci.keep(other.saved(wanted, self._reporter)) as file:
                    return self._images.oci.adopt(wanted, file, self._reporter, origin)
        return None

    def _named_now(self, image: str, facts: ImageFacts) -> str:
        """The digest that the registry has for a tag; empty where it cannot be asked."""
        from nuvtui.images import reference as references
        from nuvtui.images.registry.credentials import credentials
        from nuvtui.images.registry.pull import resolve

        platform = (facts.os, facts.architecture, facts.variant)
        with contextlib.suppress(NuvError):
            insecure = self._engine.insecure_registries
            auth = credentials(references.parse(image).registry)
            return resolve(image, platform, auth, self._context.settings, insecure)[0]
        return ""

    def _pin(self, spec: ExportSpec, image: str, part: ApplicationPart) -> str:
        return self._wanted_pin or part.base_digest or base_pins.read(self._workspace(spec), part.slug, image)

    def _pinned(self, spec: ExportSpec, image: str, pin: str, base: Base) -> Base:
        # Only the Current State is pinned: an old snapshot may name another image.
        if base.digest and not pin and "@" not in image and spec.snapshot is None:
            with contextlib.suppress(
                NuvError
            ):  # a read-only workspace: the report names the digest in any case
                base_pins.write(self._workspace(spec), spec.application, image, base.digest)
        return base

    def _workspace(self, spec: ExportSpec) -> Workspace:
        return self._context.workspace(self._context.instance(self._context.view(), spec.instance))

    def _archive(self, spec: ExportSpec, image: str, path: str) -> Base:
        located = application_file.located(self._workspace(spec), path)
        kind = image.partition(":")[0]
        name = f"{kind}:{located}"
        if self._engine.name == "oci":
            return Base(self._engine.pull_if_missing(name, None, self._reporter))
        if not located.is_file():
            raise NuvError(
                f"No archive {located}", "the application names it as its base image", "", Exit.NOT_FOUND
            )
        loaded = self._engine.load(located, self._reporter)
        facts = self._engine.inspect(loaded[0])
        if facts is None:
            raise NuvError(f"Archive {located} cannot be used", "the engine does not have what it loaded")
        return Base(facts)

    def _host(self, spec: ExportSpec, application: Application, lock: Lock | None) -> Base:
        from nuvtui.images.facts import ImageFacts
        from nuvtui.images.host.capture import capture
        from nuvtui.images.oci import layers

        workspace = self._workspace(spec)
        folder = (
            application_file.located(workspace, application.environment) if application.environment else None
        )
        self._reporter.progress(0, None, "files", "this machine's own runtime")
        found: HostCapture = capture(folder, self._reporter.check)
        licences = {
            str(application_file.located(workspace, path)).lstrip("/") for path in application.license.files
        }
        runtime = [file for file in found.runtime if file.path not in licences]
        own = [file for file in found.environment if file.path not in licences]
        facts = ImageFacts(id=HOST_IMAGE, size=0, env=found.env, architecture=found.architecture)
        made = [layers.host_layer("runtime", runtime)]
        if own:
            made.append(layers.host_layer("environment", own))
        warnings = list(found.warnings)
        if lock is not None:
            now, _ = locks.capture(workspace, application.environment)
            warnings += _drift(lock, now)
        files = [*runtime, *own]
        return Base(facts, layers=made, files=files, warnings=warnings, excluded=list(found.excluded))

    # Packages

    def packages(self, recipe: Recipe, base: Base, folder: Path) -> tuple[list[Layer], list[tuple[str, str]]]:
        """Layers of what pip installs without an engine, and what that is. `folder`: private, for the wheels.

        Raises NuvError (6) where the image has no Python that is known, or a package comes as no wheel.
        """
        from nuvtui.images.oci import layers
        from nuvtui.images.python.install import install, superseded
        from nuvtui.images.python.interpreter import find_python, libc_version

        with self._tree(base) as tree:
            paths, links, read = tree
            libc = libc_version(read)
            python = find_python(paths, links, libc, base.facts.architecture, base.facts.env.get("PATH", ""))
            if python is None:
                raise NuvError(
                    "packages.pip cannot be installed",
                    "no Python was found in the base image",
                    "Take a base image with Python, or export with --engine docker.",
                    Exit.REFUSED,
                )
            done = install(
                recipe.requirements,
                python,
                folder,
                self._context.settings,
                self._reporter,
                recipe.secret_values,
            )
            gone = superseded(paths, done, python, read)
        present = set(paths)
        kept = [f for f in done.files if not (f.kind == "d" and f.path in present)]
        from nuvtui.images.host.files import HostFile

        hidden = [
            HostFile(f"{path.rpartition('/')[0]}/.wh.{path.rpartition('/')[2]}".lstrip("/"), "f", 0o644, 0)
            for path in gone
        ]
        files = sorted([*kept, *hidden], key=lambda file: file.path)
        return [layers.host_layer("packages", files)], done.packages

    @contextlib.contextmanager
    def _tree(self, base: Base) -> Iterator[tuple[list[str], dict[str, str], Callable[[str], bytes | None]]]:
        """Paths, links and contents of what the packages are installed on."""
        if base.files:
            from nuvtui.images.python.interpreter import resolve

            known = {file.path: file for file in base.files}
            links = {file.path: file.target for file in base.files if file.kind == LINK}

            def read(path: str) -> bytes | None:
                file = known.get(resolve(path, links) or "")
                if file is None or file.kind != FILE:
                    return None
                return Path(file.source).read_bytes() if file.source else file.data

            yield list(known), links, read
            return
        with self._images.oci.tree(base.facts.tags[0], self._reporter) as tree:
            yield tree.paths, tree.links, tree.read

    # Tables

    @contextlib.contextmanager
    def tables(
        self, spec: ExportSpec, manifest: Snapshot, look: Callable[[str, Path], None]
    ) -> Iterator[list[Layer]]:
        """A layer with the chosen tables of the snapshot as files, beside a README of their columns.

        `look` is shown each table as text, by its name and a CSV file. Raises NuvError (3) where the snapshot has
        no such table.
        """
        if not spec.tables:
            yield []
            return
        from nuvtui.images.host.files import HostFile
        from nuvtui.images.oci import layers
        from nuvtui.tables.parquet import Captured

        known = {table.name: table for table in manifest.tables}
        with scratch.folder(self._context.home.tmp) as folder:
            top = f"files/{TABLES}"
            files = [HostFile("files", "d", 0o777, 0), HostFile(top, "d", 0o777, 0)]
            # Nothing of the snapshot itself: unchanged tables are the same layer in the next one.
            said = ["# Tables", ""]
            for name in spec.tables:
                if name not in known:
                    raise NuvError(
                        f"No table {name!r} in the snapshot",
                        "",
                        f"There is: {', '.join(known) or 'none'}.",
                        Exit.NOT_FOUND,
                    )
                self._reporter.check()
                self._reporter.progress(len(files) - 2, len(spec.tables), "", f"table {name}")
                file = folder / f"{file_name(name)}.{spec.tables_format}"
                captured = Captured(self._context.store, known[name], self._context.home.cache / "tables")
                captured.export(file)
                # What is in a Parquet file cannot be searched: it is compressed.
                text_file = file if file.suffix == ".csv" else file.with_suffix(".look.csv")
                if text_file != file:
                    captured.export(text_file)
                look(name, text_file)
                if text_file != file:
                    text_file.unlink()
                files.append(HostFile(f"{top}/{file.name}", "f", 0o666, file.stat().st_size, str(file)))
                said += [f"## {_plain(name)}", "", f"`{file.name}`, {known[name].rows:,} rows.", ""]
                said += ["| column | type |", "|---|---|"]
                said += [f"| {_plain(c.name)} | {_plain(c.type)} |" for c in known[name].columns] + [""]
            text = "\n".join(said).encode("utf-8", "replace")
            files.append(HostFile(f"{top}/README.md", "f", 0o666, len(text), "", text))
            made = layers.host_layer("tables", sorted(files, key=lambda file: file.path))
            content = [
                *(chunk for name in spec.tables for chunk in known[name].content),
                spec.tables_format,
                text.hex(),
            ]
            yield [dataclasses.replace(made, key="tables-" + " ".join(content))]


def file_name(table: str) -> str:
    """A harmless file name for a table, whatever it is called."""
    import urllib.parse

    return urllib.parse.quote(table, safe=" ._-").strip(". ")[:200] or "table"


def known_values(application: Application, registries: Sequence[str]) -> list[str]:
    """Values that must not be in the image: secrets and licence variables as this environment has them, and the
    passwords of `registries` (`host[:port]`).
    """
    from nuvtui.images.recipe import carried
    from nuvtui.images.registry.credentials import credentials

    names = [*application.secrets, *application.license.variables]
    values = [os.environ.get(name, "") for name in names]
    # A value that stands in the application's file by mistake is left out of the image, and is no less secret.
    inside = carried(application)
    values += [value for name, value in application.variables.items() if name not in inside]
    values = [value for value in values if len(value) >= 6]
    for host in dict.fromkeys(registries):
        with contextlib.suppress(NuvError):  # said by the push or pull that needs it
            if (auth := credentials(host)) is not None:
                values += [value for value in auth.secrets() if len(value) >= 6]
    return list(dict.fromkeys(values))


def _drift(lock: Lock, now: Lock | None) -> list[str]:
    """How the environment differs from what the snapshot recorded: `image: host` takes it as it is now."""
    then = {(p.name.lower(), p.version) for p in lock.packages}
    found = {(p.name.lower(), p.version) for p in (now.packages if now else [])}
    different = sorted({name for name, _ in then ^ found})
    if not different:
        return []
    shown = ", ".join(path_to_text(name) for name in different[:_PLACES])
    more = f" and {len(different) - _PLACES} more" if len(different) > _PLACES else ""
    return [
        f"The environment has changed since the snapshot, and the image has it as it is now: {shown}{more}."
    ]


def _plain(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
