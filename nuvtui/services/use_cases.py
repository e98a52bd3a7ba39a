"""The use cases that operations and the demo combine: what `bootstrap.Services` gives them, as a protocol.

A protocol, because the composition root stands above the services and may not be imported by them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from nuvtui.services.changes import ChangesService
    from nuvtui.services.distribution import DistributionService
    from nuvtui.services.exports import ExportsService
    from nuvtui.services.maintenance import MaintenanceService
    from nuvtui.services.restore import RestoreService
    from nuvtui.services.snapshots import SnapshotsService
    from nuvtui.services.spaces import InstancesService, SpacesService
    from nuvtui.services.staging import StagingService
    from nuvtui.services.tables import TablesService


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
