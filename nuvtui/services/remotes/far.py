"""Distributions of the stage to instances on another server, through `ssh` and `nuvtui store serve` there."""

import contextlib
import os
import socket
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

import msgspec

from nuvtui import clock
from nuvtui.errors import Cancelled, Exit, NuvError
from nuvtui.model import tree as tree_format
from nuvtui.model.distribution import Distribution, Server, Strategies, TargetPlan, TargetResult
from nuvtui.model.far import Ask, DistributeThere, FarInstance, FindTargets, PlanThere, RecallThere, Selection
from nuvtui.model.names import text_to_path
from nuvtui.model.operations import Distribute
from nuvtui.model.remote import RemoteSettings
from nuvtui.model.snapshot import FilesPart, Snapshot
from nuvtui.model.stage import Stage, StateRef
from nuvtui.model.tree import FILE, FOLDER, Entry
from nuvtui.paths import DOT
from nuvtui.reporter import Reporter, Silent
from nuvtui.services.context import Context
from nuvtui.services.sharing.distribution import DistributionService
from nuvtui.services.snapshots.changeset import IGNORE
from nuvtui.store import manifests, trees
from nuvtui.store.writer import ObjectWriter, writing

if TYPE_CHECKING:
    from nuvtui.remote.ssh import SshBlobs

T = TypeVar("T")


class FarService:
    """Distributes to other servers."""

    def __init__(self, context: Context, distribution: DistributionService) -> None:
        self._context = context
        self._distribution = distribution

    def targets(self, server: Server, names: Sequence[str]) -> list[FarInstance]:
        """The instances there that `names` (`space/instance`) mean. Raises NuvError: none such (3), role (4)."""
        with self._connected(server) as far:
            return _ask(far, FindTargets(list(names)), list[FarInstance])

    def dry_run(
        self, space: str, server: Server, targets: list[str], strategies: Strategies
    ) -> list[TargetPlan]:
        """What a distribution of the stage would do to each target there. Nothing is sent but names and ids."""
        stage = self._distribution.stage(space)
        source = self._distribution.staged(stage, stage.source)
        selection = Selection(
            {os.fsencode(path): entry for path, entry in source.files.items()},
            {os.fsencode(path): entry for path, entry in source.folders.items()},
            list(source.tables.values()),
            list(source.applications.values()),
            self._ignore(stage.source),
        )
        with self._connected(server) as far:
            return _ask(far, PlanThere(targets, strategies, selection), list[TargetPlan])

    def _ignore(self, source: StateRef) -> bytes:
        """The ignore file of a state; empty where it has none."""
        if source.snapshot is None:
            instance = self._context.instance(self._context.view(), source.instance)
            with contextlib.suppress(FileNotFoundError):
                return self._context.workspace(instance).ignore.read_bytes()
            return b""
        store = self._context.store
        root = bytes.fromhex(self._context.manifest(source).files.root)
        entry = trees.lookup(store.tree, root, IGNORE)
        return b"".join(store.stream(entry.content)) if entry is not None and entry.kind == FILE else b""

    def distribute(
        self, operation: Distribute, server: Server, reporter: Reporter, task: str | None = None
    ) -> Distribution:
        """Send the staged objects and have them distributed there; recorded on both sides.

        Raises NuvError; where the connection breaks while the other side works, it goes on there: its history says
        what became of it.
        """
        stage = self._distribution.stage(operation.space)
        identifier = operation.distribution or clock.new_id()
        record = Distribution(
            id=identifier,
            space=stage.space,
            source=stage.source,
            author=self._context.user,
            created=clock.now(),
            strategies=operation.strategies,
            message=operation.message,
            status="running",
            targets=[
                TargetResult(target, f"{server.address}:{target}", "waiting") for target in operation.targets
            ],
            files=stage.files,
            tables=stage.tables,
            applications=stage.applications,
            everything=stage.everything,
            task=task,
            server=server,
        )
        with self._context.exclusive(f"distribution-{identifier}", "This distribution"):
            self._put(record)
            status = "failed"
            try:
                source = self._distribution.fix_source(stage.source, identifier, reporter)
                record = msgspec.structs.replace(record, source=source)
                with self._sent(record, stage, server, reporter) as (far, manifest):
                    question = self._question(record, stage, operation, manifest)
                    reporter.check()
                    reporter.step("there", f"Distributing on {server.address}")
                    status = "interrupted"  # until it answers, nobody here knows what became of it
                    done = _ask(far, question, Distribution)
            except BaseException as error:
                from nuvtui.remote.failure import TransientError

                known = isinstance(error, NuvError)
                broken = isinstance(error, TransientError) and status == "interrupted"
                if known and not broken and not isinstance(error, Cancelled):
                    status = "failed"
                reason = str(error) if known else f"stopped by {type(error).__name__}"
                if status == "interrupted":
                    reason += f". What became of it, {server.address} knows: `nuvtui distribution list` there"
                targets = [
                    msgspec.structs.replace(target, status=status, error=reason) for target in record.targets
                ]
                self._put(msgspec.structs.replace(record, status=status, targets=targets))
                if broken:
                    raise NuvError(
                        f"{server.address} went away while it distributed",
                        str(error),
                        "What became of it is told there: `nuvtui distribution list`.",
                    ) from error
                raise
            record = msgspec.structs.replace(record, status=done.status, targets=_named(done.targets, server))
            self._put(record)
        return record

    @contextlib.contextmanager
    def _sent(
        self, record: Distribution, stage: Stage, server: Server, reporter: Reporter
    ) -> Iterator[tuple["SshBlobs", Snapshot]]:
        """The other side, which holds all that is staged for as long as the block runs, and a manifest of it."""
        from nuvtui.remote import config, kinds, push
        from nuvtui.remote.repository import Repository
        from nuvtui.remote.sealing import Plain

        store = self._context.local_store
        with writing(store) as writer:  # gc waits: only this knows that the selection's folders are needed
            manifest = self._selected(writer, stage, record.source)
            writer.commit()
            with self._connected(server) as far:
                blobs = kinds.wrapped(far, self._context.settings, reporter)
                cache = self._context.home.cache / "remotes"
                repository = Repository(server.address, blobs, config.read(blobs), Plain(), cache)
                push.send_objects(repository, store, manifest, reporter)
                yield far, manifest

    def _question(
        self, record: Distribution, stage: Stage, operation: Distribute, manifest: Snapshot
    ) -> DistributeThere:
        view = self._context.view()
        source = self._context.instance(view, record.source.instance)
        name = f"{self._context.space(view, source.space).name}/{source.name}"
        return DistributeThere(
            record.id,
            operation.targets,
            operation.strategies,
            operation.message,
            operation.plans,
            f"{socket.gethostname()}: {name}"[:200],
            manifest.id,
            manifests.encode(manifest),
            stage.everything,
            stage.files,
            stage.tables,
            stage.applications,
        )

    def _selected(self, writer: ObjectWriter, stage: Stage, source: StateRef) -> Snapshot:
        """The manifest of a snapshot that holds what is staged, and nothing else of its source but the ignore file."""
        self._distribution.staged(stage, source)  # all of it is there
        whole = self._context.manifest(source)
        manifest = msgspec.structs.replace(
            whole, id=clock.new_id(), description="", next_phase="", warnings=[], stored_bytes=0
        )
        if stage.everything:
            return manifest
        chosen = {os.fsencode(text_to_path(text)) for text in stage.files}
        chosen.add(os.fsencode(f"{DOT}/ignore"))
        above = {
            b"/".join(parts[:end])
            for path in chosen
            for parts in [path.split(b"/")]
            for end in range(len(parts))
        }
        root, size, count = self._part(writer, bytes.fromhex(whole.files.root), b"", chosen, above)
        return msgspec.structs.replace(
            manifest,
            files=FilesPart(root.hex(), count, size),
            tables=[table for table in whole.tables if table.name in stage.tables],
            applications=[part for part in whole.applications if part.slug in stage.applications],
        )

    def _part(
        self, writer: ObjectWriter, tree: bytes, base: bytes, chosen: set[bytes], above: set[bytes]
    ) -> tuple[bytes, int, int]:
        """The tree that holds what is `chosen` below `base`, the bytes of its files and their number."""
        entries: list[Entry] = []
        for entry in self._context.store.tree(tree):
            path = base + entry.name
            if path in chosen:
                entries.append(entry)
            elif entry.kind == FOLDER and path in above:
                below, size, count = self._part(writer, entry.content[0], path + b"/", chosen, above)
                entries.append(msgspec.structs.replace(entry, content=[below], size=size, count=count))
        root = writer.put_tree(tree_format.encode(entries))
        return root, sum(entry.size for entry in entries), sum(entry.count for entry in entries)

    def recall(self, identifier: str, reporter: Reporter | None = None) -> Distribution:
        """Have a distribution recalled on the server where it went. Needs the administrator role, here and there (4)."""
        record = self._distribution.check_recall(identifier)
        assert record.server is not None
        (reporter or Silent()).step("there", f"Recalling on {record.server.address}")
        with self._connected(record.server) as far:
            done = _ask(far, RecallThere(identifier), Distribution)
        record = msgspec.structs.replace(
            record, status=done.status, targets=_named(done.targets, record.server)
        )
        self._put(record)
        return record

    def _put(self, record: Distribution) -> None:
        with self._context.state.transaction() as tx:
            tx.distributions.put(record)

    @contextlib.contextmanager
    def _connected(self, server: Server) -> Iterator["SshBlobs"]:
        """The store home of the account there."""
        from nuvtui.remote import ssh, url

        address = msgspec.structs.replace(url.parse(f"{server.address}:home"), path="")
        far = ssh.open_ssh(address, RemoteSettings(command=server.command), create=False)
        with contextlib.closing(far):
            yield far


def parse_targets(keys: Sequence[str]) -> tuple[str, list[str]] | None:
    """Server and `space/instance` of targets on another server; None where no key names a server.

    Raises NuvError (2) where they are on several.
    """
    from nuvtui.remote import url

    found = []
    for key in keys:
        if ":" in key:
            address = url.parse(key)
            user = f"{address.user}@" if address.user else ""
            found.append((f"{user}{address.host}", address.path))
    if not found:
        return None
    servers = {server for server, _ in found}
    if len(servers) > 1 or len(found) != len(keys):
        raise NuvError(
            "The targets are on several servers",
            "a distribution goes to one server",
            "Distribute to one server after the other.",
            Exit.USAGE,
        )
    return servers.pop(), [name for _, name in found]


def _named(targets: list[TargetResult], server: Server) -> list[TargetResult]:
    """Results from another server, with its name before theirs."""
    return [msgspec.structs.replace(target, name=f"{server.address}:{target.name}") for target in targets]


def _ask(far: "SshBlobs", ask: Ask, kind: type[T]) -> T:
    """What the other side answers. Raises NuvError."""
    data = far.call(msgspec.msgpack.encode(ask))
    try:
        return msgspec.msgpack.decode(data, type=kind)
    except msgspec.DecodeError as error:
        raise NuvError(
            f"{far.url} answers what makes no sense", str(error), "Use the same version on both servers."
        ) from error
