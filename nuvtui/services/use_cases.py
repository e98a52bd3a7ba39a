"""The use cases that operations and the demo combine: what `bootstrap.Services` gives them, as a protocol.

A protocol, because the composition root stands above the services and may not be imported by them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from nuvtui.services.exports.service import ExportsService
    from nuvtui.services.maintenance import MaintenanceService
    from nuvtui.services.sharing.distribution import DistributionService
    from nuvtui.services.sharing.staging import StagingService
    from nuvtui.services.snapshots.restore import RestoreService
    from nuvtui.services.snapshots.service import SnapshotsService
    from nuvtui.services.spaces.service import InstancesService, SpacesService
    from nuvtui.services.states.changes import ChangesService
    from nuvtui.services.states.tables import TablesService


class UseCases(Protocol):
    """Made lazily by the implementation: naming one here imports nothing at run time."""

    @property
    def spaces(self) -> SpacesService: ...

    @property
    def instances(self) -> InstancesService: ...

    @property
    def snapshots(self) -> SnapshotsService: ...

    @property
    def changes(self) -> ChangesService: ...

    @property
    def restore(self) -> RestoreService: ...

    @property
    def staging(self) -> StagingService: ...

    @property
    def distribution(self) -> DistributionService: ...

    @property
    def tables(self) -> TablesService: ...

    @property
    def exports(self) -> ExportsService: ...

    @property
    def maintenance(self) -> MaintenanceService: ...
