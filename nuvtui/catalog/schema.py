"""What the state file holds: its tables, their keys, its version, and the way from one version to another."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from nuvtui.errors import Exit, NuvError
from nuvtui.model.distribution import Distribution
from nuvtui.model.export import ExportRecord
from nuvtui.model.policy import Policy
from nuvtui.model.remote import RemoteRecord
from nuvtui.model.snapshot import SnapshotRecord
from nuvtui.model.space import Instance, Member, Message, Space
from nuvtui.model.stage import Stage

FORMAT = "nuvtui state"
VERSION = 1
"""Version of the tables. A file of a newer version is refused, one of an older version is migrated."""

Documents = dict[str, dict[str, dict[str, Any]]]
"""Table name to key to document, as plain JSON values: what a migration gets and returns."""
Migration = Callable[[Documents], Documents]

MIGRATIONS: Mapping[int, Migration] = {}
"""Version to the step that leads from it to the next one."""


class CatalogTables(msgspec.Struct):
    """All tables, key to record. The fields' order is the order in the file."""

    spaces: dict[str, Space] = {}
    instances: dict[str, Instance] = {}
    members: dict[str, Member] = {}
    snapshots: dict[str, SnapshotRecord] = {}
    stages: dict[str, Stage] = {}
    distributions: dict[str, Distribution] = {}
    exports: dict[str, ExportRecord] = {}
    messages: dict[str, Message] = {}
    remotes: dict[str, RemoteRecord] = {}
    policies: dict[str, Policy] = {}


def member_key(space: str, user: str, instance: str | None = None) -> str:
    """Key of a member: of the whole space where `instance` is None."""
    return f"{space}/{instance or '*'}/{user}"


def stage_key(space: str, user: str) -> str:
    """Key of a user's stage in a space."""
    return f"{space}/{user}"


def key(record: Any) -> str:
    """The key under which `record` is kept."""
    if isinstance(record, Member):
        return member_key(record.space, record.user, record.instance)
    if isinstance(record, Stage):
        return stage_key(record.space, record.user)
    return str(record.id)


class CatalogSchema(msgspec.Struct, frozen=True):
    """A version together with the steps that lead to it."""

    version: int = VERSION
    migrations: Mapping[int, Migration] = MIGRATIONS

    def migrate(self, documents: Documents, version: int) -> Documents:
        """`documents` of `version`, brought to this schema's version step by step.

        Raises NuvError where no step leads on from a version.
        """
        while version < self.version:
            if version not in self.migrations:
                raise NuvError(
                    "The state file is too old",
                    f"found version {version}, from which no way leads to version {self.version}",
                    "Open the store with an older nuvtui first.",
                    Exit.REFUSED,
                )
            documents = self.migrations[version](documents)
            version += 1
        return documents
