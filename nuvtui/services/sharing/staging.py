"""The stage: collect files, tables and applications of one source state, before a distribution."""

from typing import NamedTuple

import msgspec

from nuvtui import clock
from nuvtui.errors import Exit, NuvError
from nuvtui.model.distribution import ObjectType
from nuvtui.model.names import path_to_text, short, text_to_path
from nuvtui.model.roles import Action
from nuvtui.model.stage import Stage, StateRef
from nuvtui.model.tree import FOLDER
from nuvtui.paths import DOT
from nuvtui.services.context import Context
from nuvtui.services.states.service import FileView, StateReader, StatesService, safe_parts

STAGE_HINT = "Stage something: `nuvtui stage add --all`, or with --files, --tables, --apps what is wanted."


class StagedItem(msgspec.Struct, frozen=True):
    """A thing in the stage."""

    type: ObjectType
    name: str
    """Path in text form, table name or slug; `.` for all files of the state."""
    size: int = 0
    """Bytes of files (0 for folders of the Current State), rows of tables."""
    count: int = 1
    missing: bool = False
    """Gone from the source state since it was staged."""


class Chosen(NamedTuple):
    """What is to be staged, found in its source state."""

    source: StateRef
    everything: bool
    files: list[str]
    tables: list[str]
    applications: list[str]


class StagingService:
    """The acting user's stage in a space."""

    def __init__(self, context: Context, states: StatesService) -> None:
        self._context = context
        self._states = states

    def get(self, space: str) -> Stage | None:
        """The stage, or None where nothing is staged."""
        return self._context.view().stages.get(f"{space}/{self._context.user}")

    def choose(
        self,
        source: StateRef,
        files: list[str] | None = None,
        tables: list[str] | None = None,
        applications: list[str] | None = None,
        *,
        everything: bool = False,
    ) -> Chosen:
        """Look up what is to be staged. Paths are str with surrogateescape, relative to the workspace.

        Raises NuvError: role (4); something is not in the source state (3).
        """
        reader = self._states.reader(source)
        paths = [_normal(path) for path in files or []]
        for path in paths:
            _find(reader, path)
        _known(tables or [], [t.name for t in reader.tables()] if tables else [], "table", reader.label)
        _known(
            applications or [],
            [a.slug for a in reader.applications()] if applications else [],
            "application",
            reader.label,
        )
        return Chosen(
            source,
            everything or "" in paths,
            [path_to_text(path) for path in paths if path],
            tables or [],
            applications or [],
        )

    def put(self, chosen: Chosen, *, replace: bool = False) -> Stage:
        """Put what was looked up on the stage; a folder stands for all below.

        Raises NuvError (5): another state is staged already and `replace` was not said: the stage is never dropped
        silently.
        """
        view = self._context.view()
        space = self._context.instance(view, chosen.source.instance).space
        with self._context.state.transaction() as tx:
            stage = tx.stages.get(f"{space}/{self._context.user}")
            if stage is not None and stage.source != chosen.source:
                if not stage.empty and not replace:
                    raise NuvError(
                        f"The stage holds objects of {self.label(stage.source)}",
                        "a distribution has one source state",
                        "Clear the stage first (`nuvtui stage clear`) or say --replace.",
                        Exit.CONFLICT,
                    )
                stage = None
            stage = stage or Stage(space, self._context.user, chosen.source, clock.now())
            stage = msgspec.structs.replace(
                stage,
                everything=stage.everything or chosen.everything,
                files=_merge(stage.files, chosen.files),
                tables=sorted({*stage.tables, *chosen.tables}),
                applications=sorted({*stage.applications, *chosen.applications}),
            )
            tx.stages.put(stage)
        return stage

    def add(
        self,
        source: StateRef,
        files: list[str] | None = None,
        tables: list[str] | None = None,
        applications: list[str] | None = None,
        *,
        everything: bool = False,
        replace: bool = False,
    ) -> Stage:
        """Look up (`choose`) and put on the stage (`put`). Raises NuvError as they do."""
        return self.put(
            self.choose(source, files, tables, applications, everything=everything), replace=replace
        )

    def remove(
        self,
        space: str,
        files: list[str] | None = None,
        tables: list[str] | None = None,
        applications: list[str] | None = None,
        *,
        everything: bool = False,
    ) -> Stage:
        """Take out of the stage. Raises NuvError (3) where it does not hold a named thing."""
        with self._context.state.transaction() as tx:
            stage = tx.stages.get(f"{space}/{self._context.user}")
            if stage is None:
                raise NuvError("Nothing is staged", "", STAGE_HINT, Exit.NOT_FOUND)
            paths = [path_to_text(_normal(path)) for path in files or []]
            for wanted, held, kind in (
                (paths, stage.files, "path"),
                (tables or [], stage.tables, "table"),
                (applications or [], stage.applications, "application"),
            ):
                _known(wanted, held, kind, "the stage")
            stage = msgspec.structs.replace(
                stage,
                everything=stage.everything and not everything,
                files=[path for path in stage.files if path not in paths],
                tables=[name for name in stage.tables if name not in (tables or [])],
                applications=[slug for slug in stage.applications if slug not in (applications or [])],
            )
            tx.stages.put(stage)
        return stage

    def clear(self, space: str) -> None:
        """Empty the stage."""
        with self._context.state.transaction() as tx:
            if tx.stages.get(f"{space}/{self._context.user}") is not None:
                tx.stages.delete(f"{space}/{self._context.user}")

    def label(self, source: StateRef) -> str:
        """How a source state is called: `the Current State of Master`, `snapshot 1a2b3c4d (paper-1) of Master`."""
        view = self._context.view()
        instance = view.instances.get(source.instance)
        where = instance.name if instance else source.instance
        if source.snapshot is None:
            return f"the Current State of {where}"
        record = view.snapshots.get(source.snapshot)
        name = f" ({record.name})" if record and record.name else ""
        return f"snapshot {short(source.snapshot)}{name} of {where}"

    def contents(self, stage: Stage) -> list[StagedItem]:
        """What the stage holds, with sizes; what is gone from the source state is marked missing."""
        view = self._context.view()
        instance = self._context.instance(view, stage.source.instance)
        self._context.require(view, Action.VIEW, instance.space, instance.id)
        reader = self._states.reader(stage.source)
        items = []
        if stage.everything:
            items.append(StagedItem(ObjectType.FILES, "."))
        for text in stage.files:
            try:
                entry = _find(reader, text_to_path(text))
            except NuvError:
                items.append(StagedItem(ObjectType.FILES, text, missing=True))
                continue
            name = text + "/" if entry is not None and entry.kind == FOLDER else text
            items.append(
                StagedItem(ObjectType.FILES, name, entry.size if entry else 0, entry.count if entry else 1)
            )
        if stage.tables or stage.everything:
            rows = {t.name: t.rows for t in reader.tables()}
            for table in sorted(rows) if stage.everything else stage.tables:
                items.append(
                    StagedItem(ObjectType.TABLES, table, rows.get(table, 0), missing=table not in rows)
                )
        if stage.applications or stage.everything:
            slugs = {a.slug for a in reader.applications()}
            for slug in sorted(slugs) if stage.everything else stage.applications:
                items.append(StagedItem(ObjectType.APPLICATIONS, slug, missing=slug not in slugs))
        return items


def _normal(path: str) -> str:
    return "/".join(safe_parts(path))


def _find(reader: StateReader, path: str) -> FileView | None:
    """The FileView at `path` (None for the root). Raises NuvError (3)."""
    if not path:
        return None
    folder, _, name = path.rpartition("/")
    if path == DOT or (path.startswith(f"{DOT}/") and path != f"{DOT}/ignore"):
        raise NuvError(
            f"{path_to_text(path)!r} is not a workspace file",
            f"{DOT} holds what nuvtui keeps itself",
            "Stage applications and tables by their names.",
            Exit.NOT_FOUND,
        )
    for view in reader.folder(folder):
        if view.name == name:
            return view
    raise NuvError(f"No {path_to_text(path)!r} in {reader.label}", "", "", Exit.NOT_FOUND)


def _known(wanted: list[str], known: list[str], kind: str, where: str) -> None:
    for name in wanted:
        if name not in known:
            raise NuvError(f"No {kind} {name!r} in {where}", "", "", Exit.NOT_FOUND)


def _merge(held: list[str], added: list[str]) -> list[str]:
    """Paths without those that a staged folder covers already."""
    paths = {*held, *added}
    return sorted(path for path in paths if not any(above in paths for above in _above(path)))


def _above(path: str) -> list[str]:
    """The folders that `path` lies in."""
    parts = path.split("/")
    return ["/".join(parts[:end]) for end in range(1, len(parts))]
