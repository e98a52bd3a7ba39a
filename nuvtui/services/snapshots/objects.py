"""All objects of a state by name, to plan a change with, and a digest that tells whether they are still the same."""

import functools

import msgspec

from nuvtui.model.distribution import folders_above
from nuvtui.model.plan_digest import plan_digest
from nuvtui.model.snapshot import ApplicationPart, TablePart
from nuvtui.model.stage import StateRef
from nuvtui.model.tree import FOLDER, Entry
from nuvtui.services.applications import applications
from nuvtui.services.context import Context
from nuvtui.services.snapshots import changeset
from nuvtui.services.states.service import Files, StatesService, table_memory
from nuvtui.store import ignore, trees
from nuvtui.store.folders import opened
from nuvtui.tables import capture as table_capture
from nuvtui.tables.database import Tables


class Objects(msgspec.Struct, dict=True):
    """The objects of a state, or the staged part of them, by name."""

    files: dict[str, Entry]
    """Files, links and empty folders by path."""
    folders: dict[str, Entry]
    """All other folders by path."""
    tables: dict[str, TablePart]
    applications: dict[str, ApplicationPart]
    rules: ignore.Rules
    """What the state leaves out, and so does not speak of."""

    @functools.cached_property
    def filled(self) -> set[str]:
        """Folders that hold something."""
        return folders_above(self.files)

    @functools.cached_property
    def digest(self) -> str:
        """Equal where two states hold the same, whatever the times of their files."""
        parts = [repr((path, entry.mode)) for path, entry in sorted(self.folders.items())]
        parts += [repr((path, file_token(entry))) for path, entry in sorted(self.files.items())]
        for name, table in sorted(self.tables.items()):
            parts += [
                name,
                table.fingerprint,
                table.description,
                repr(table.columns),
                repr(table.constraints),
            ]
        for slug, part in sorted(self.applications.items()):
            parts += [slug, part.text]
        return plan_digest(*parts)


def objects_of(context: Context, ref: StateRef) -> Objects:
    """All objects of a state. For the Current State nothing is written to the store."""
    files = StatesService(context).files(ref)
    if ref.snapshot is not None:
        manifest = context.manifest(ref)
        tables, parts = manifest.tables, manifest.applications
        rules = changeset.rules_of(context.store, bytes.fromhex(manifest.files.root))
    else:
        instance = context.instance(context.view(), ref.instance)
        workspace = context.workspace(instance)
        newest = context.newest_sound(context.view(), ref.instance)
        tables = table_capture.describe(
            Tables(workspace), newest.tables if newest else [], table_memory(context, ref.instance)
        )
        parts = applications.capture(workspace)[0]
        with opened(workspace.root) as root:
            rules = ignore.read(root)
    plain, folders = _entries(files)
    return Objects(plain, folders, {t.name: t for t in tables}, {a.slug: a for a in parts}, rules)


def _entries(files: Files) -> tuple[dict[str, Entry], dict[str, Entry]]:
    """Files, links and empty folders by path; and the other folders."""
    plain: dict[str, Entry] = {}
    folders: dict[str, Entry] = {}
    for path, entry in trees.walk(files.tree, files.root):
        if entry.kind == FOLDER and entry.count:
            folders[path] = entry
        else:
            plain[path] = entry
    return plain, folders


def file_token(entry: Entry) -> object:
    """What of a file, link or folder counts as its content."""
    if entry.kind == FOLDER:
        return (FOLDER, entry.mode)
    return entry.kind, entry.mode, tuple(entry.content), entry.target
