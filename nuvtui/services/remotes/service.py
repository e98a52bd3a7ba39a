"""Remotes: adding them, what they hold, push and pull."""

import builtins
import contextlib
import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from nuvtui import atomic, clock
from nuvtui.errors import Exit, NuvError
from nuvtui.model.names import is_slug
from nuvtui.model.remote import (
    Listing,
    PullResult,
    PushResult,
    RemoteAnswer,
    RemoteCheck,
    RemotePrune,
    RemoteRecord,
    RemoteSettings,
    RemoteStatus,
)
from nuvtui.model.roles import Action
from nuvtui.model.snapshot import SnapshotRecord
from nuvtui.reporter import Reporter, Silent
from nuvtui.services.context import Context
from nuvtui.services.remotes import arrival
from nuvtui.services.remotes.listing import named, unreadable
from nuvtui.services.remotes.source import RemoteSource
from nuvtui.services.remotes.space_state import SpaceState, space_blobs
from nuvtui.services.spaces.service import pick
from nuvtui.store.partial import ObjectSource

if TYPE_CHECKING:
    from nuvtui.remote.blobs import Blobs
    from nuvtui.remote.config import Config
    from nuvtui.remote.repository import Repository


class RemotesService:
    """The remotes of this store."""

    def __init__(self, context: Context) -> None:
        self._context = context

    # -- which there are

    def list(self) -> builtins.list[RemoteStatus]:
        """Every remote, by name, as far as this machine knows without asking it."""
        return [_status(record) for record in self._records()]

    def _records(self) -> builtins.list[RemoteRecord]:
        return sorted(self._context.view().remotes.all(), key=lambda record: record.id)

    def find(self, name: str) -> RemoteRecord:
        """The remote called `name`; empty: the only one. Raises NuvError (3), (2) where there are several."""
        records = self._records()
        if name:
            return pick(name, records, "remote", lambda r: r.id, lambda r: (r.id,))
        if not records:
            raise NuvError(
                "There is no remote yet",
                "",
                "Add one: `nuvtui remotes add NAME URL`, such as a folder on another disk.",
                Exit.NOT_FOUND,
            )
        if len(records) > 1:
            names = ", ".join(record.id for record in records)
            raise NuvError(
                "Which remote?", f"there are {names}", "Name one: `--to NAME`, `--from NAME`.", Exit.USAGE
            )
        return records[0]

    def add(
        self,
        name: str,
        url: str,
        recipients: Sequence[str] = (),
        *,
        write_only: bool = False,
        settings: RemoteSettings = RemoteSettings(),  # noqa: B008 - immutable
        recovery: str = "",
    ) -> RemoteRecord:
        """Add a remote: one that is there is joined, an empty place becomes one, sealed where there are recipients.

        `recovery`: text of a recovery sheet, whose keys are kept for this account's own identity.
        Raises NuvError: the name (2, 5), the address (2), what is found there, no key that opens it (6).
        """
        from nuvtui.remote import config, keys, kinds
        from nuvtui.remote import url as addresses

        if not is_slug(name):
            raise NuvError(
                f"{name!r} cannot be a remote's name",
                "expected small letters, digits and `-`",
                "Such as `lab`.",
                Exit.USAGE,
            )
        address = addresses.parse(url)
        recipients = [keys.check_recipient(each) for each in recipients]
        if write_only and (not recipients or keys.PASSPHRASE in recipients):
            raise NuvError(
                "A machine that can only write needs public keys as recipients",
                "without one nobody could read what it pushes, and with a passphrase who takes the machine could",
                "Give the public keys of those who shall: `--recipient KEY`.",
                Exit.USAGE,
            )
        if self._context.view().remotes.get(name) is not None:
            raise _taken(name)
        blobs = kinds.open_blobs(address, settings, self._context.settings, Silent(), create=True)
        joined = True
        with contextlib.closing(blobs):
            try:
                found = config.read(blobs)
            except NuvError as error:
                if error.exit_code != Exit.NOT_FOUND or config.exists(blobs):
                    raise
                found = config.create(blobs, recipients)
                joined = False
            if found.ring is None and (recipients or write_only):
                raise NuvError(
                    f"The remote at {address.url} is not encrypted",
                    "it was made so, and what is there lies open",
                    "Add it with `--no-encrypt`, or give another place.",
                    Exit.CONFLICT,
                )
            if found.ring is not None and not write_only:
                self._open_with(blobs, found, recovery)
                if joined and recipients:
                    # This account's own key is what it opens encrypted remotes with, unless by a passphrase.
                    held = {keys.PASSPHRASE, self.own_recipient()}
                    held.update(config.unlock(blobs, found, keys.Identities()).recipients)
                    _refuse_others([each for each in recipients if each not in held], name, address.url)
        record = RemoteRecord(
            id=name,
            url=address.url,
            kind=address.kind,
            repository=found.repository,
            encrypted=found.ring is not None,
            recipients=list(recipients) if write_only else [],
            write_only=write_only,
            settings=settings,
            added=clock.now(),
        )
        with self._context.state.transaction() as tx:
            if tx.remotes.get(name) is not None:
                raise _taken(name)
            twin = next((r for r in tx.remotes.all() if r.repository == record.repository), None)
            if twin is not None:
                raise NuvError(
                    f"{twin.id} is this remote already",
                    f"what lies at {twin.url} and at {record.url} has one repository id",
                    "Use that one; a copy of a remote is no second remote.",
                    Exit.CONFLICT,
                )
            tx.remotes.put(record)
        return record

    def add_own(self, name: str, url: str, *, encrypt: bool) -> RemoteRecord:
        """Add a remote; `encrypt`: sealed for this account's own key, which is made where there is none."""
        from nuvtui.remote import keys

        return self.add(name, url, [keys.make_identity()] if encrypt else [])

    def _open_with(self, blobs: "Blobs", found: "Config", recovery: str) -> None:
        """Raise NuvError (6) unless a key of this account, or of the recovery sheet, opens the remote."""
        from nuvtui.remote import config, keys
        from nuvtui.remote import recovery as sheets

        secrets = sheets.read(recovery) if recovery else []
        config.seal(blobs, found, keys.Identities(), secrets)
        if secrets:
            config.adopt(blobs, found, secrets, keys.make_identity())

    def own_recipient(self) -> str:
        """The public key of this account, which is made where there is none. Raises NuvError."""
        from nuvtui.remote import keys

        return keys.make_identity()

    def join(self, name: str, url: str, settings: RemoteSettings) -> RemoteRecord:
        """Add a remote that is there. Raises NuvError (3) where none is."""
        from nuvtui.remote import config, kinds
        from nuvtui.remote import url as addresses

        blobs = kinds.open_blobs(addresses.parse(url), settings, self._context.settings, Silent())
        with contextlib.closing(blobs):
            config.read(blobs)
        return self.add(name, url, settings=settings)

    def remove(self, name: str) -> None:
        """Forget a remote; what lies there stays."""
        record = self.find(name)
        with self._context.state.transaction() as tx:
            tx.remotes.delete(record.id)

    # -- what they hold

    @contextlib.contextmanager
    def opened(
        self, record: RemoteRecord, reporter: Reporter, *, writing: bool = False, patient: bool = True
    ) -> Iterator["Repository"]:
        """The remote, opened; `writing`: a machine that can only write may; `patient`: failures are tried again.

        Raises NuvError.
        """
        from nuvtui.remote import config, keys, kinds
        from nuvtui.remote import url as addresses
        from nuvtui.remote.repository import Repository

        settings = self._context.settings
        if not patient:
            settings = msgspec.structs.replace(settings, remote_patience="0s")
        blobs = kinds.open_blobs(addresses.parse(record.url), record.settings, settings, reporter)
        with contextlib.closing(blobs):
            found = config.read(blobs)
            if found.repository != record.repository:
                raise NuvError(
                    f"{record.url} is another remote now",
                    f"what lies there is not what was added as {record.id}",
                    f"Is its disk mounted? To use what is there now: `nuvtui remotes remove {record.id}`, then `add`.",
                    Exit.CONFLICT,
                )
            config.check_encryption(blobs, found, record.encrypted)
            if record.write_only:
                if not writing:
                    raise NuvError(
                        f"This machine can only write to {record.id}",
                        "it has no key that reads what is there, so that who takes the machine reads nothing",
                        "Ask from a machine of one of the recipients.",
                        Exit.REFUSED,
                    )
                seal = config.seal_for_session(blobs, record.recipients)
            else:
                seal = config.seal(blobs, found, keys.Identities())
            yield Repository(record.id, blobs, found, seal, self._cache)

    @property
    def _cache(self) -> Path:
        return self._context.home.cache / "remotes"

    def status(self, name: str) -> RemoteStatus:
        """A remote, asked what it holds. A failure is told in the status."""
        from nuvtui.remote import memory

        record = self.find(name)
        try:
            with self.opened(record, Silent(), patient=False) as repository:
                repository.refresh()
                held = repository.snapshot_ids()
                memory.replace(repository.cache, held)
                return msgspec.structs.replace(
                    _status(record),
                    snapshots=len(held),
                    bytes=sum(repository.packs.values()),
                    reachable=True,
                )
        except NuvError as error:
            return msgspec.structs.replace(_status(record), reachable=False, problem=str(error))

    def ask(self, name: str) -> RemoteAnswer:
        """As `status`, with the recipients where it could be reached."""
        status = self.status(name)
        recipients = self.find(name).recipients
        if status.reachable and status.encrypted:
            with contextlib.suppress(NuvError):
                recipients = self.recipients(name)
        return RemoteAnswer(status, recipients)

    def snapshots(self, name: str) -> Listing:
        """The snapshots on a remote, the newest first, and those of which no more than the id can be read."""
        with self.opened(self.find(name), Silent()) as repository:
            found = repository.snapshots()
            return Listing(found.snapshots[::-1], found.damaged)

    def held(self) -> dict[str, builtins.list[str]]:
        """Snapshot id to the names of the remotes that hold it, as this machine last saw: nobody is asked."""
        records = self._context.view().remotes.all()
        if not records:
            return {}
        from nuvtui.remote import memory

        found: dict[str, builtins.list[str]] = {}
        for record in sorted(records, key=lambda record: record.id):
            for snapshot in memory.snapshots(self._cache / record.repository):
                found.setdefault(snapshot, []).append(record.id)
        return found

    def source(self) -> ObjectSource:
        """What the remotes hold, for reading what is not here. They are opened when they are needed."""
        return self._source

    @functools.cached_property
    def _source(self) -> RemoteSource:
        return RemoteSource(self)

    def records(self) -> builtins.list[SnapshotRecord]:
        """The snapshots that were seen on remotes when they were last listed: nobody is asked."""
        from nuvtui.remote import memory

        found: dict[str, SnapshotRecord] = {}
        for record in self._records():
            for each in memory.records(self._cache / record.repository):
                found.setdefault(each.id, each)
        return builtins.list(found.values())

    def bring(self, snapshot: str, reporter: Reporter) -> None:
        """Pull a snapshot that is only on a remote; one that is here, or nowhere, is left to whoever asks for it."""
        if self._context.local_store.has_manifest(snapshot):
            return
        for name in self.held().get(snapshot, [])[:1]:
            self.pull(name, [snapshot], reporter)

    # -- moving snapshots

    def check_push(self, name: str, snapshots: Sequence[str]) -> RemoteRecord:
        """The remote to push to. Raises NuvError: none such (3), no snapshot named (2), role (4)."""
        record = self.find(name)
        view = self._context.view()
        if not snapshots:
            raise NuvError(
                "There is no snapshot to push", "", "Take one: `nuvtui snapshots create`.", Exit.USAGE
            )
        for each in snapshots:
            manifest = self._context.local_store.read_manifest(each)
            self._context.require(view, Action.VIEW, manifest.space.id, manifest.instance.id)
        return record

    def push(self, name: str, snapshots: Sequence[str], reporter: Reporter) -> PushResult:
        """Send snapshots, and what they need, that the remote lacks. Needs the viewer role (4)."""
        from nuvtui.remote import memory, push

        record = self.check_push(name, snapshots)
        view = self._context.view()
        with self.opened(record, reporter, writing=True) as repository:
            spaces = space_blobs(self._context, view, snapshots, repository)
            result = push.push(repository, self._context.local_store, snapshots, spaces, reporter)
            memory.remember(repository.cache, snapshots)
        with self._context.state.transaction() as tx:
            known = tx.remotes.get(record.id)
            if known is not None:
                tx.remotes.put(msgspec.structs.replace(known, pushed=clock.now()))
        return result

    def resolve(self, name: str, texts: Sequence[str], *, every: bool, space: str = "") -> builtins.list[str]:
        """Ids of the snapshots on a remote that `texts` (id, prefix, name) mean; all of a space, or its newest.

        Raises NuvError where that cannot be told, or is one that cannot be read.
        """
        listing = self.snapshots(name)
        if not every and texts:
            chosen = named(listing, texts, name)
        else:
            mine = [each.id for each in listing.snapshots if not space or each.space == space]
            # One of which only the id is known may be of this space, and its newest.
            chosen = [*(fault.id for fault in listing.damaged), *(mine if every else mine[:1])]
        for fault in listing.damaged:
            if fault.id in chosen:
                raise unreadable(fault, name)
        return chosen

    def find_snapshots(self, name: str, texts: Sequence[str]) -> builtins.list[str]:
        """Ids of the snapshots on a remote that `texts` (id, prefix, name) mean, damaged ones too. Raises NuvError."""
        return named(self.snapshots(name), texts, name)

    def pull(self, name: str, snapshots: Sequence[str], reporter: Reporter) -> PullResult:
        """Bring snapshots into the store, and list them. Needs the editor role in their instances (4)."""
        from nuvtui.remote import pull

        record = self.find(name)
        with self.opened(record, reporter) as repository:
            view = self._context.view()
            for each in snapshots:
                arrival.check(self._context, view, repository.manifest(each))
            result = pull.pull(repository, self._context.local_store, snapshots, reporter)
        self.register(snapshots)
        return result

    def register(self, snapshots: Sequence[str]) -> None:
        """List snapshots whose manifests are in the store, with the space and the instance that they need."""
        arrival.register(self._context, snapshots)

    def spaces(self, repository: "Repository") -> builtins.list[SpaceState]:
        """The newest that a remote says of each space it holds."""
        from nuvtui.services.remotes.space_state import read_spaces

        return read_spaces(repository)

    # -- keeping

    def check(self, name: str, read_data: bool, reporter: Reporter) -> RemoteCheck:
        """Whether a remote holds all that its snapshots need; `read_data`: every byte of it read."""
        from nuvtui.remote import check

        with self.opened(self.find(name), reporter) as repository:
            return check.check(repository, read_data, reporter)

    def forget(self, name: str, snapshots: Sequence[str]) -> None:
        """Take snapshots off a remote. What only they needed goes by prune."""
        from nuvtui.remote import memory

        with self.opened(self.find(name), Silent()) as repository:
            for each in snapshots:
                repository.blobs.delete(f"snapshots/{each}")
            memory.replace(repository.cache, set(repository.snapshot_ids()))

    def prune(self, name: str, dry_run: bool, grace: float | None, reporter: Reporter) -> RemotePrune:
        """Free what no snapshot on a remote needs; `grace`: seconds between the phases, None: a day."""
        from nuvtui.remote import prune

        with self.opened(self.find(name), reporter) as repository:
            return prune.prune(repository, dry_run, reporter, prune.GRACE if grace is None else grace)

    def recipients(
        self, name: str, add: Sequence[str] = (), remove: Sequence[str] = ()
    ) -> builtins.list[str]:
        """Who can read a remote; changed first, where asked to. Raises NuvError."""
        from nuvtui.remote import config, keys

        record = self.find(name)
        with self.opened(record, Silent()) as repository:
            if repository.config.ring is None:
                raise _open_to_all(record)
            identities = keys.Identities()
            if add or remove:
                added = [keys.check_recipient(each) for each in add]
                return config.change_recipients(
                    repository.blobs, repository.config, identities, added, remove
                )
            return config.unlock(repository.blobs, repository.config, identities).recipients

    def recovery_sheet(self, name: str) -> str:
        """The text of a remote's recovery sheet. Raises NuvError (6) where it is not encrypted, or no key opens it."""
        from nuvtui.remote import config, keys, recovery

        record = self.find(name)
        with self.opened(record, Silent()) as repository:
            if repository.config.ring is None:
                raise _open_to_all(record)
            unlocked = config.unlock(repository.blobs, repository.config, keys.Identities())
            secrets = [keyset.secret for keyset in unlocked.keysets]
            return recovery.sheet(record.id, record.url, record.repository, secrets)

    def write_recovery_sheet(self, name: str, file: Path) -> None:
        """Write a remote's recovery sheet to `file`, for its owner alone. Raises NuvError."""
        text = self.recovery_sheet(name)
        try:
            atomic.write_file(file, text.encode(), 0o600)
        except OSError as error:
            raise NuvError(
                f"{file} cannot be written", error.strerror or str(error), "Give another file."
            ) from error


def _taken(name: str) -> NuvError:
    return NuvError(
        f"There is a remote {name} already",
        "",
        "Choose another name, or remove that one first.",
        Exit.CONFLICT,
    )


def _refuse_others(others: Sequence[str], name: str, url: str) -> None:
    """Raise NuvError (5) where a remote that is there was to be added with keys that cannot read it."""
    if others:
        raise NuvError(
            f"The remote at {url} is there already",
            f"it cannot be read with {', '.join(others)}, and adding it here changes nothing there",
            f"Add it without that key: `nuvtui remotes add {name} {url}`. "
            f"Then let the key in: `nuvtui remotes recipients add {name} KEY`.",
            Exit.CONFLICT,
        )


def _open_to_all(record: RemoteRecord) -> NuvError:
    return NuvError(
        f"{record.id} is not encrypted",
        "whoever can read the place can read all that is there: it has no keys and no recipients",
        "A remote is encrypted when it is made: `nuvtui remotes add NAME URL --encrypt`.",
        Exit.REFUSED,
    )


def _status(record: RemoteRecord) -> RemoteStatus:
    return RemoteStatus(
        record.id, record.url, record.kind, record.encrypted, record.write_only, record.added, record.pushed
    )
