"""From an application and a snapshot to a build recipe: pure, so that a dry run needs no engine.

A recipe tells what an image's layers are made of: install steps (a Dockerfile and the scripts and package
lists that it adds, for an engine to run), the workspace files as entries of the snapshot's trees, and the files
that nuvtui writes itself (report, package list, start script). What becomes of them is the same whichever
engine builds: see `layers` and `image_config`.
"""

import posixpath
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

from nuvtui import clock
from nuvtui.config import Settings
from nuvtui.errors import Exit, NuvError
from nuvtui.images import dockerfile, report, requirements, sbom, scripts, site
from nuvtui.images.denylist import denied
from nuvtui.images.facts import ImageFacts
from nuvtui.images.reference import archive_path, parse
from nuvtui.model.application import HOST_IMAGE, Application, ApplicationKind, Lock
from nuvtui.model.export import AcceptedFinding, Excluded, ExportSpec, Report
from nuvtui.model.names import path_to_text, text_to_path
from nuvtui.model.snapshot import Ref, Snapshot
from nuvtui.model.tree import FILE, FOLDER, LINK, Entry
from nuvtui.store import ignore

FILES = "files"
"""Where the workspace files are inside an image, without leading slash."""
BUILD_ARCHIVE = "build.tar"
START = f"{scripts.FOLDER}/start"
EXCLUDED_SHOWN = 500
"""So many paths are listed for the `exclude` patterns; the rest is counted."""

_LICENSE_NAME = re.compile(r"(?:^|_)(?:LIC|LICENSE|LICENCE)(?:_|$)", re.IGNORECASE)
_SECRET_NAME = re.compile(
    r"(?:^|_)(?:TOKEN|SECRETS?|PASSWORD|PASSWD|PASSPHRASE|API_?KEY|ACCESS_KEY|PRIVATE_KEY|CREDENTIALS?)(?:_|$)",
    re.IGNORECASE,
)
_HOMELESS = frozenset(
    {
        ApplicationKind.SCRIPT,
        ApplicationKind.PYTHON,
        ApplicationKind.JUPYTERLAB,
        ApplicationKind.STREAMLIT,
        ApplicationKind.SHELL,
    }
)


@dataclass(frozen=True)
class Recipe:
    """All that a build needs, and all that the image is compared with afterwards."""

    image: str
    """Full reference of the image to be made."""
    base: str
    """Reference of the base image, as `FROM` names it; `host`: this machine's own runtime."""
    dockerfile: str
    """The install steps, for an engine that can run them; empty where there are none."""
    requirements: str
    """What pip installs, one requirement a line; part of the install steps."""
    other_steps: list[str]
    """Install steps other than pip's, in words: those need an engine that can run them."""
    files: dict[str, bytes]
    """Generated files by path in the image, without leading slash."""
    members: list[tuple[str, Entry]]
    """Workspace files that go in: path in the image (`files/…`, str with surrogateescape), folders before
    contents.
    """
    excluded: list[Excluded]
    labels: dict[str, str]
    env: dict[str, str]
    command: list[str]
    entrypoint: list[str]
    """Empty: the base image's own."""
    ports: list[int]
    workdir: str
    healthcheck: list[str]
    report: Report
    warnings: list[str]
    mtime: int
    """Seconds since the epoch: the time of the snapshot, which all generated files carry."""
    build_arguments: dict[str, str] = field(default_factory=dict, repr=False)
    """Predefined arguments for the build; may carry credentials, kept out of every text."""
    secret_values: list[str] = field(default_factory=list, repr=False)
    """Values that may appear nowhere, not in the log either."""

    @property
    def build_files(self) -> dict[str, bytes]:
        """The generated files that the install steps read."""
        return {path: data for path, data in self.files.items() if path.startswith(f"{scripts.BUILD}/")}

    @property
    def own_files(self) -> dict[str, bytes]:
        """The generated files that the image is left with for its users."""
        return {path: data for path, data in self.files.items() if not path.startswith(f"{scripts.BUILD}/")}

    @property
    def bytes(self) -> int:
        """Bytes of the workspace files that go in."""
        return self.report.bytes


def build_recipe(
    application: Application,
    slug: str,
    manifest: Snapshot,
    tree: Callable[[bytes], list[Entry]],
    spec: ExportSpec,
    settings: Settings,
    image: str,
    base_digest: str | None = None,
    base: ImageFacts | None = None,
    installed: Sequence[tuple[str, str]] = (),
    accepted: Sequence[AcceptedFinding] = (),
) -> Recipe:
    """The recipe of an export.

    `tree` gives the entries of a folder of the snapshot by object id. `base_digest` (`sha256:…`) pins the
    base image; `base` is what the engine knows of it: entrypoint, user and variables are carried on.
    `installed`: packages that were installed without an engine. Raises NuvError: exit code 2 where a value of the
    application cannot be carried into an image, 6 where the application is not eligible.
    """
    _eligible(application, spec)
    reference = _base_name(application.image)
    lock = next((part.lock for part in manifest.applications if part.slug == slug), None)
    variables, left_out, secrets, license_variables = _variables(application)
    workspace = manifest.provenance.workspace
    license_files = [_license_path(path, workspace) for path in application.license.files]
    excluded, warnings = left_out, _lock_warnings(application, lock)
    members: list[tuple[str, Entry]] = []
    if spec.with_files:
        members = list(_members(manifest, tree, application, excluded, warnings))
    excluded += _always_out(application, manifest, spec)

    env = dict(variables)
    if base is not None and "HOME" not in base.env and "HOME" not in env and application.kind in _HOMELESS:
        env["HOME"] = "/tmp"  # noqa: S108 - an arbitrary user has no home folder in the image
    wanted = requirements.pip(
        application.packages.pip, None if application.image == HOST_IMAGE else lock
    )  # what the environment of this machine has, it brings along
    files, steps = scripts.build_files(
        requirements.apt(application.packages.apt),
        wanted,
        requirements.conda(application.packages.conda),
        requirements.cran(application.packages.cran),
        application.setup,
    )
    entrypoint: list[str] = []
    command = list(application.command)
    if secrets or license_variables or license_files:
        files[START] = scripts.start(application.name, secrets, license_variables, license_files).encode(
            "utf-8", "replace"
        )
        entrypoint = [f"/{START}", *(base.entrypoint if base else [])]
        if not command and base is not None:
            command = list(base.command)
    dockerfile.exec_form(command, "command")
    dockerfile.exec_form(application.healthcheck, "healthcheck")
    labels = _labels(application, slug, manifest, spec, reference, base_digest or "")
    draft = Report(
        export="",
        image=image,
        application=application.name,
        kind=str(application.kind),
        space=manifest.space,
        instance=manifest.instance,
        snapshot=Ref(manifest.id, manifest.name),
        created=manifest.created,
        author=manifest.author,
        description=manifest.description,
        with_files=spec.with_files,
        files=sum(1 for _, entry in members if entry.kind != FOLDER),
        bytes=sum(entry.size for _, entry in members if entry.kind not in (FOLDER, LINK)),
        base=reference,
        base_digest=base_digest or "",
        packages=msgspec.to_builtins(application.packages),
        lock=lock,
        variables=sorted(env),
        secrets=secrets,
        license_variables=license_variables,
        license_files=license_files,
        excluded=excluded,
        command=command or (base.command if base else []),
        ports=list(application.ports),
        workdir=application.workdir,
        provenance=manifest.provenance,
        warnings=warnings,
        healthcheck=list(application.healthcheck),
        installed=list(installed),
        tables=list(spec.tables),
        accepted=list(accepted),
    )
    inside = report.public(draft)
    files[f"{scripts.FOLDER}/report.json"] = report.to_json(inside)
    files[f"{scripts.FOLDER}/report.md"] = report.to_markdown(inside).encode("utf-8", "replace")
    files[f"{scripts.FOLDER}/sbom.cdx.json"] = sbom.cyclonedx(inside)
    origin = source = str(parse(reference).pinned(base_digest)) if base_digest else reference
    if base is not None and archive_path(application.image) is not None:
        source = next(iter(base.tags), base.id)  # as the engine calls what it has loaded
    return Recipe(
        image=image,
        base=origin,
        dockerfile=_dockerfile(source, steps, env, bool(application.setup)) if steps else "",
        requirements=wanted,
        other_steps=_other_steps(application),
        files=files,
        members=members,
        excluded=excluded,
        labels=labels,
        env=env,
        command=command,
        entrypoint=entrypoint,
        ports=[_port(port) for port in application.ports],
        workdir=dockerfile.absolute(application.workdir, "workdir"),
        healthcheck=list(application.healthcheck),
        report=draft,
        warnings=warnings,
        mtime=int(clock.parse(manifest.created).timestamp()),
        build_arguments=site.build_arguments(settings) if steps else {},
        secret_values=site.secret_values(settings),
    )


def _eligible(application: Application, spec: ExportSpec) -> None:
    if application.needs_license and not spec.without_license:
        raise NuvError(
            f"{application.name} is licensed and not eligible for export",
            "licences never go into an image",
            "With `--without-license` the image is built without; its start says what is missing.",
            Exit.REFUSED,
        )


def _base_name(image: str) -> str:
    """The base image in full; `host` and archives (by their file's name alone) as they are."""
    if image == HOST_IMAGE:
        return image
    if (path := archive_path(image)) is not None:
        return f"{image.partition(':')[0]}:{path.rpartition('/')[2]}"
    return str(parse(image))


def _other_steps(application: Application) -> list[str]:
    packages = application.packages
    found = [f"packages.{name}" for name in ("apt", "conda", "cran") if getattr(packages, name)]
    return [*found, *(["setup"] if application.setup else [])]


def _variables(application: Application) -> tuple[dict[str, str], list[Excluded], list[str], list[str]]:
    """Variables that go in, what is left out, names of secrets, names of licence variables."""
    secrets = [dockerfile.variable(name, "secrets") for name in application.secrets]
    licences = [dockerfile.variable(name, "license.variables") for name in application.license.variables]
    variables = carried(application)
    excluded = []
    for name, value in application.variables.items():
        dockerfile.variable(name, "variables")
        if name in variables:
            dockerfile.one_line(value, f"variables.{name}")
        elif name in secrets or name in licences:
            continue
        elif _LICENSE_NAME.search(name):
            licences.append(name)
        else:
            secrets.append(name)
            excluded.append(
                Excluded(
                    f"variable {name}", "named like a secret: list it under `secrets`, hand it in at run time"
                )
            )
    excluded += [Excluded(f"variable {n}", "secret: handed in at run time") for n in application.secrets]
    excluded += [Excluded(f"variable {n}", "licence: bring your own") for n in licences]
    return variables, excluded, list(dict.fromkeys(secrets)), list(dict.fromkeys(licences))


def carried(application: Application) -> dict[str, str]:
    """The variables that go into an image: none of a secret or a licence, by its list or by its name."""
    listed = {*application.secrets, *application.license.variables}
    return {
        name: value
        for name, value in application.variables.items()
        if name not in listed and not _LICENSE_NAME.search(name) and not _SECRET_NAME.search(name)
    }


def _license_path(path: str, workspace: str) -> str:
    """The absolute path inside the image of licence file `path`: relative to the workspace, or absolute."""
    inside = _in_workspace(path, workspace)
    full = path if inside is None else f"/{FILES}/{inside}"
    return dockerfile.absolute(full.rstrip("/"), "license.files")


def _in_workspace(path: str, workspace: str) -> str | None:
    """`path` relative to the workspace, however it is written; None where it is outside."""
    for root in (f"/{FILES}", posixpath.normpath(text_to_path(workspace)) if workspace else ""):
        if root and posixpath.normpath(path).startswith(f"{root}/"):
            return posixpath.normpath(path)[len(root) + 1 :]
    return None if path.startswith(("/", "~")) or ".." in path.split("/") else posixpath.normpath(path)


def _lock_warnings(application: Application, lock: Lock | None) -> list[str]:
    if lock is None or application.image == HOST_IMAGE:
        return []
    warnings = []
    if missing := requirements.not_from_index(lock):
        warnings.append(
            f"Not in the image, as no index has them (local or from a URL): {', '.join(missing)}."
        )
    if lock.manager != "venv":
        warnings.append(
            f"The {lock.manager} environment's {len(lock.packages)} packages are reported, not installed; "
            f"what the image needs goes under packages.{'conda' if lock.manager == 'conda' else 'cran'}."
        )
    return warnings


def _members(
    manifest: Snapshot,
    tree: Callable[[bytes], list[Entry]],
    application: Application,
    excluded: list[Excluded],
    warnings: list[str],
) -> Iterator[tuple[str, Entry]]:
    rules = ignore.parse("\n".join(application.exclude).encode("utf-8", "surrogateescape"))
    licences = {_in_workspace(path, manifest.provenance.workspace) for path in application.license.files}
    hidden = 0
    # A copy or another link of a licence file is one as well.
    contents = {
        tuple(entry.content)
        for path in licences
        if path
        and (entry := _entry(manifest, tree, path)) is not None
        and entry.kind == FILE
        and entry.content
    }

    folders = [iter(tree(bytes.fromhex(manifest.files.root)))]
    base = ""
    while folders:
        entry = next(folders[-1], None)
        if entry is None:
            folders.pop()
            base = base[: base.rfind("/", 0, -1) + 1]
            continue
        path = base + entry.name.decode("utf-8", "surrogateescape")
        folder = entry.kind == FOLDER
        shown = path_to_text(path) + ("/" if folder else "")
        reason = denied(path)
        if path in licences or (entry.content and tuple(entry.content) in contents):
            reason = "licence: bring your own"
        if reason is not None:
            if path != ".nuvtui":
                excluded.append(Excluded(shown, reason))
        elif rules.match(path.encode("utf-8", "surrogateescape"), folder):
            hidden += 1
            if hidden <= EXCLUDED_SHOWN:
                excluded.append(Excluded(shown, "left out by the application's `exclude`"))
        else:
            if entry.kind == LINK and entry.target.startswith(b"/"):
                warnings.append(
                    f"{shown} is a link to a place outside the workspace, which the image does not have."
                )
            yield f"{FILES}/{path}", entry
            if folder:
                folders.append(iter(tree(entry.content[0])))
                base = f"{path}/"
    if hidden > EXCLUDED_SHOWN:
        excluded.append(
            Excluded(f"{hidden - EXCLUDED_SHOWN} more", "left out by the application's `exclude`")
        )


def _entry(manifest: Snapshot, tree: Callable[[bytes], list[Entry]], path: str) -> Entry | None:
    """The entry of a workspace file; None where there is none."""
    content: list[bytes] = [bytes.fromhex(manifest.files.root)]
    entry = None
    for part in path.encode("utf-8", "surrogateescape").split(b"/"):
        entry = next((e for e in tree(content[0]) if e.name == part), None) if content else None
        if entry is None:
            return None
        content = entry.content if entry.kind == FOLDER else []
    return entry


def _always_out(application: Application, manifest: Snapshot, spec: ExportSpec) -> list[Excluded]:
    out = []
    if application.license.files:
        said = set(application.license.files)
        out += [
            Excluded(path_to_text(path), "licence: bring your own")
            for path in sorted(said)
            if not spec.with_files or _in_workspace(path, manifest.provenance.workspace) is None
        ]
    left = [table.name for table in manifest.tables if table.name not in spec.tables]
    if left:
        out.append(Excluded(f"tables: {', '.join(left)}", "not asked for (`--tables`)"))
    if not spec.with_files:
        out.append(Excluded("workspace files", "not asked for (`--with-files`)"))
    out.append(Excluded("~ (personal files)", "never exported"))
    return out


def _labels(
    application: Application, slug: str, manifest: Snapshot, spec: ExportSpec, base: str, base_digest: str
) -> dict[str, str]:
    code = manifest.provenance.code
    labels = {
        "org.opencontainers.image.title": application.name,
        "org.opencontainers.image.description": manifest.description,
        "org.opencontainers.image.version": manifest.name or manifest.id,
        "org.opencontainers.image.created": manifest.created,
        "org.opencontainers.image.revision": code.commit if code else "",
        "org.opencontainers.image.source": code.remote if code else "",
        "org.opencontainers.image.authors": manifest.author,
        "org.opencontainers.image.base.name": base,
        "org.opencontainers.image.base.digest": base_digest,
        "io.nuvtui.snapshot": manifest.id,
        "io.nuvtui.space": manifest.space.name,
        "io.nuvtui.instance": manifest.instance.name,
        "io.nuvtui.application": slug,
        "io.nuvtui.scope": "application and files" if spec.with_files else "application",
    }
    return {key: flat for key, value in labels.items() if (flat := dockerfile.flattened(value))}


def _dockerfile(base: str, steps: list[str], env: dict[str, str], setup: bool) -> str:
    """The install steps alone: what goes on top of them, and the configuration, nuvtui makes itself."""
    variables = [f"ENV {name}={dockerfile.quoted(value, f'variables.{name}')}" for name, value in env.items()]
    runs = [f"RUN {dockerfile.exec_form(['/bin/sh', step], 'setup')}" for step in steps]
    # The application's own commands see its variables; the packages do not depend on them.
    own = len(runs) - 1 if setup else len(runs)
    lines = [
        "# Written by nuvtui: the install steps. Files, report and configuration are laid on top.",
        f"FROM {base}",
        "USER 0",
        f'ADD ["{BUILD_ARCHIVE}", "/"]',
        *runs[:own],
        *(variables if setup else []),
        *runs[own:],
    ]
    return "\n".join(lines) + "\n"


def _port(port: int) -> int:
    if not 0 < port < 65536:
        raise NuvError("ports cannot go into an image", f"expected 1 to 65535, found {port}", "", Exit.USAGE)
    return port
