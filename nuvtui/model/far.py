"""Distributions to another server: what is asked there, and what is answered."""

import msgspec

from nuvtui.model.distribution import Strategies
from nuvtui.model.snapshot import ApplicationPart, TablePart
from nuvtui.model.tree import Entry


class FarInstance(msgspec.Struct, frozen=True):
    """An instance on another server."""

    id: str
    name: str
    """`space/instance`, as they are called there."""


class Selection(msgspec.Struct, frozen=True):
    """Staged objects by name, without the content of files and tables: enough to say what would happen."""

    files: dict[bytes, Entry]
    """Files, links and empty folders by path."""
    folders: dict[bytes, Entry]
    tables: list[TablePart]
    applications: list[ApplicationPart]
    ignore: bytes
    """The ignore file of the source state."""


class FindTargets(msgspec.Struct, frozen=True, tag="targets"):
    """Instances by `space/instance`, name or id; answer: a FarInstance for each."""

    names: list[str]


class PlanThere(msgspec.Struct, frozen=True, tag="plan"):
    """What a distribution would do; answer: a TargetPlan for each target."""

    targets: list[str]
    """Ids of instances there."""
    strategies: Strategies
    selection: Selection


class DistributeThere(msgspec.Struct, frozen=True, tag="distribute"):
    """Distribute what was pushed a moment ago; answer: the Distribution as it is recorded there."""

    distribution: str
    """Its id, on both sides."""
    targets: list[str]
    strategies: Strategies
    message: str
    plans: list[str]
    """Digests of approved dry runs; empty: whatever the targets hold."""
    origin: str
    """Where it comes from: `host: space/instance`."""
    snapshot: str
    """Id of the manifest."""
    manifest: bytes
    """Of a snapshot that holds what was staged, as the store writes it."""
    everything: bool
    files: list[str]
    tables: list[str]
    applications: list[str]


class RecallThere(msgspec.Struct, frozen=True, tag="recall"):
    """Recall a distribution that came from elsewhere; answer: the Distribution."""

    distribution: str


Ask = FindTargets | PlanThere | DistributeThere | RecallThere
