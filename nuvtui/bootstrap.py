"""Composition root: adapters and services from settings, each made once, when first asked for."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from nuvtui import config
from nuvtui.services.context import Context, system_user

if TYPE_CHECKING:
    from nuvtui.config import Settings
    from nuvtui.services.applications.service import ApplicationsService
    from nuvtui.services.exports.service import ExportsService
    from nuvtui.services.maintenance import MaintenanceService
    from nuvtui.services.policies.service import PoliciesService
    from nuvtui.services.remotes.cloning import CloneService
    from nuvtui.services.remotes.far import FarService
    from nuvtui.services.remotes.receiving import Receiver
    from nuvtui.services.remotes.service import RemotesService
    from nuvtui.services.remotes.serving import HomeBlobs
    from nuvtui.services.search import SearchService
    from nuvtui.services.sharing.distribution import DistributionService
    from nuvtui.services.sharing.messages import MessagesService
    from nuvtui.services.sharing.staging import StagingService
    from nuvtui.services.snapshots.history import HistoryService
    from nuvtui.services.snapshots.restore import RestoreService
    from nuvtui.services.snapshots.service import SnapshotsService
    from nuvtui.services.spaces.members import MembersService
    from nuvtui.services.spaces.overview import OverviewService
    from nuvtui.services.spaces.service import InstancesService, SpacesService
    from nuvtui.services.states.changes import ChangesService
    from nuvtui.services.states.previews import PreviewsService
    from nuvtui.services.states.service import StatesService
    from nuvtui.services.states.tables import TablesService


class Services:
    """Every use case. Importing one costs what it needs and no more: that is why they are made lazily."""

    def __init__(self, settings: Settings, user: str) -> None:
        self.settings = settings
        self.user = user
        self.home = config.home(settings)
        self.context = Context(self.home, settings, user)
        self.context.elsewhere = lambda: self.remotes

    @property
    def recovered(self) -> str:
        """A sentence where the state file was found damaged and an earlier generation was taken; else empty."""
        return (self.context.state.recovered or "") if "state" in self.context.__dict__ else ""

    @functools.cached_property
    def spaces(self) -> SpacesService:
        from nuvtui.services.spaces.service import SpacesService

        return SpacesService(self.context)

    @functools.cached_property
    def instances(self) -> InstancesService:
        from nuvtui.services.spaces.service import InstancesService

        return InstancesService(self.context, self.spaces)

    @functools.cached_property
    def members(self) -> MembersService:
        from nuvtui.services.spaces.members import MembersService

        return MembersService(self.context)

    @functools.cached_property
    def snapshots(self) -> SnapshotsService:
        from nuvtui.services.snapshots.service import SnapshotsService

        return SnapshotsService(self.context)

    @functools.cached_property
    def states(self) -> StatesService:
        from nuvtui.services.states.service import StatesService

        return StatesService(self.context)

    @functools.cached_property
    def previews(self) -> PreviewsService:
        from nuvtui.services.states.previews import PreviewsService

        return PreviewsService(self.context)

    @functools.cached_property
    def history(self) -> HistoryService:
        from nuvtui.services.snapshots.history import HistoryService

        return HistoryService(self.context, self.states)

    @functools.cached_property
    def changes(self) -> ChangesService:
        from nuvtui.services.states.changes import ChangesService

        return ChangesService(self.context, self.states)

    @functools.cached_property
    def restore(self) -> RestoreService:
        from nuvtui.services.snapshots.restore import RestoreService

        return RestoreService(self.context)

    @functools.cached_property
    def staging(self) -> StagingService:
        from nuvtui.services.sharing.staging import StagingService

        return StagingService(self.context, self.states)

    @functools.cached_property
    def distribution(self) -> DistributionService:
        from nuvtui.services.sharing.distribution import DistributionService

        return DistributionService(self.context, self.states, self.staging)

    @functools.cached_property
    def messages(self) -> MessagesService:
        from nuvtui.services.sharing.messages import MessagesService

        return MessagesService(self.context)

    @functools.cached_property
    def tables(self) -> TablesService:
        from nuvtui.services.states.tables import TablesService

        return TablesService(self.context, self.states)

    @functools.cached_property
    def applications(self) -> ApplicationsService:
        from nuvtui.services.applications.service import ApplicationsService

        return ApplicationsService(self.context, self.states)

    @functools.cached_property
    def exports(self) -> ExportsService:
        from nuvtui.services.exports.service import ExportsService

        return ExportsService(self.context, self.states, self.applications)

    @functools.cached_property
    def maintenance(self) -> MaintenanceService:
        from nuvtui.services.maintenance import MaintenanceService

        return MaintenanceService(self.context)

    @functools.cached_property
    def served(self) -> HomeBlobs:
        """The store as a remote of other stores."""
        from nuvtui.services.remotes.serving import HomeBlobs

        return HomeBlobs(self.context, self.snapshots)

    @functools.cached_property
    def receiver(self) -> Receiver:
        """Answers to other servers that distribute to instances here."""
        from nuvtui.services.remotes.receiving import Receiver

        return Receiver(self.context, self.distribution, self.spaces, self.instances)

    @functools.cached_property
    def far(self) -> FarService:
        from nuvtui.services.remotes.far import FarService

        return FarService(self.context, self.distribution)

    @functools.cached_property
    def remotes(self) -> RemotesService:
        from nuvtui.services.remotes.service import RemotesService

        return RemotesService(self.context)

    @functools.cached_property
    def clones(self) -> CloneService:
        from nuvtui.services.remotes.cloning import CloneService

        return CloneService(self.context, self.remotes, self.spaces, self.restore)

    @functools.cached_property
    def policies(self) -> PoliciesService:
        from nuvtui.services.policies.service import PoliciesService

        return PoliciesService(self.context, self.snapshots, self.changes, lambda: self.remotes)

    @functools.cached_property
    def overview(self) -> OverviewService:
        from nuvtui.services.spaces.overview import OverviewService

        return OverviewService(self.context)

    @functools.cached_property
    def search(self) -> SearchService:
        from nuvtui.services.search import SearchService

        return SearchService(self.context)


def open_services(settings: Settings | None = None, user: str | None = None) -> Services:
    """The services of the acting user (None: whom the operating system reports) with `settings` (None: load them)."""
    return Services(settings or config.load(), user or system_user())
