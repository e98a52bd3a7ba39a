"""Policies: what is done with an instance's snapshots without anybody asking, and which of them stay.

The keep rules are restic's: each rule keeps the newest snapshot of so many hours, days, weeks, months or years that
have one; what no rule keeps, goes. They hold for each kind of snapshot by itself. A named snapshot always stays.
"""

import datetime
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from typing import Literal

import msgspec

from nuvtui.model import order
from nuvtui.model.schedule import Schedule
from nuvtui.model.snapshot import Ref, SnapshotRecord

DisposableKind = Literal["quick", "automatic"]
Rule = Literal["last", "hourly", "daily", "weekly", "monthly", "yearly", "within"]
Keeper = Literal["named", "newest", "undo restore", "undo distribution", "in use", "no rules"] | Rule
"""What keeps a snapshot: what it is, what it is needed for, that its kind has no rules, or a rule."""


class Keep(msgspec.Struct, frozen=True, omit_defaults=True):
    """Keep rules for one kind of snapshot. One without any number keeps none of them."""

    last: int = 0
    hourly: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    yearly: int = 0
    within: int = 0
    """All that are not older than so many seconds."""


class Hook(msgspec.Struct, frozen=True):
    """A command of the shell that runs before or after."""

    command: str
    seconds: int
    """How long it may take."""


class Installed(msgspec.Struct, frozen=True):
    """Where the schedule of a policy stands."""

    where: Literal["systemd", "crontab"]
    user: str
    host: str
    key: str
    """In the names of its units, or the marks around its line."""
    schedule: Schedule
    """As it was installed."""
    at: str
    """When it was."""


class HookRun(msgspec.Struct, frozen=True):
    """How a hook went."""

    when: Literal["before", "after"]
    command: str
    exit_code: int | None
    """None: it was stopped, since it took too long, or could not be started."""
    output: list[str]
    """The last lines that it wrote, sanitised."""
    problem: str = ""
    """Completes "The hook …"; empty: it went well."""


class Pushed(msgspec.Struct, frozen=True):
    """How a push went."""

    remote: str
    snapshots: list[Ref]
    """Those that the remote did not hold before."""
    problem: str = ""
    """Empty: it went well."""


class PolicyRun(msgspec.Struct, frozen=True):
    """What a run of a policy did."""

    instance: str
    task: str
    """Id of its task; empty: none."""
    started: str
    finished: str = ""
    """Empty: it is running, or was interrupted."""
    outcome: Literal["", "taken", "unchanged", "failed"] = ""
    """A snapshot was taken, or nothing had changed since the newest; empty: it did not get there."""
    snapshot: str = ""
    """Id of the snapshot that was taken, or of the newest."""
    hooks: list[HookRun] = []
    pushed: list[Pushed] = []
    deleted: list[str] = []
    """Ids of the snapshots that no rule kept."""
    problems: list[str] = []
    """What went wrong, each a sentence; empty: all went well."""


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """The policy of one instance, as the state file keeps it."""

    id: str
    """That of the instance."""
    space: str
    schedule: Schedule | None = None
    quick: Keep | None = None
    """None: all of them stay."""
    automatic: Keep | None = None
    push: list[str] = []
    """Names of the remotes that a run pushes to."""
    before: Hook | None = None
    after: Hook | None = None
    author: str = ""
    changed: str = ""
    installed: Installed | None = None
    last: PolicyRun | None = None
    """The last run that began."""


class MissedRun(msgspec.Struct, frozen=True):
    """Runs of an installed schedule that did not take place."""

    space: str
    instance: str
    """Names."""
    instance_id: str
    due: str
    """When the newest of them was due, in UTC."""
    count: int
    """How many, up to 100."""


class Verdict(msgspec.Struct, frozen=True):
    """What becomes of a snapshot."""

    snapshot: SnapshotRecord
    kept_by: list[Keeper]
    """Empty: it goes."""


class PolicyPlan(msgspec.Struct, frozen=True):
    """What a run would do."""

    takes: bool | None
    """Whether it would take a snapshot, or nothing changed since the newest; None: it was not looked."""
    push: list[str]
    verdicts: list[Verdict]
    """On the snapshots that are there now, newest first."""
    freed_bytes: int
    """What deleting those that go would free at the next gc."""
    plan: str
    """Digest of which snapshots go: what a run is to be held to."""

    @property
    def going(self) -> list[SnapshotRecord]:
        """The snapshots that no rule keeps."""
        return [verdict.snapshot for verdict in self.verdicts if not verdict.kept_by]


def kept(
    records: Sequence[SnapshotRecord],
    policy: Policy,
    now: datetime.datetime,
    used: Collection[str] = (),
    zone: datetime.tzinfo | None = None,
) -> list[Verdict]:
    """What becomes of the snapshots of one instance, newest first.

    `used`: ids of snapshots that something refers to. `zone`: where days and weeks begin; None: the machine's zone.
    Times are those of `order.with_times`: a clock that was set back makes no snapshot old.
    """
    timed = [
        (record, datetime.datetime.fromisoformat(taken)) for record, taken in order.with_times(records, now)
    ]
    keepers: dict[str, list[Keeper]] = {record.id: [] for record, _taken in timed}
    for place, (record, _taken) in enumerate(timed):
        if record.kind == "named":
            keepers[record.id].append("named")
        if place == 0:
            keepers[record.id].append("newest")
        if record.id in used:
            keepers[record.id].append("in use")
    for keeper, reasons in _UNDO:
        latest = next((r for r, _ in timed if r.cause is not None and r.cause.reason in reasons), None)
        if latest is not None:
            keepers[latest.id].append(keeper)
    for kind, rules in (("quick", policy.quick), ("automatic", policy.automatic)):
        of_kind = [(record, taken) for record, taken in timed if record.kind == kind]
        if rules is None:
            for record, _taken in of_kind:
                keepers[record.id].append("no rules")
        else:
            for identifier, rule in _by_rules(of_kind, rules, now, zone):
                keepers[identifier].append(rule)
    return [Verdict(record, keepers[record.id]) for record, _taken in timed]


_UNDO: tuple[tuple[Keeper, tuple[str, ...]], ...] = (
    ("undo restore", ("restore",)),
    ("undo distribution", ("distribution", "recall")),
)
"""What the latest automatic snapshots before a change of the Current State are for, by their causes."""


def _by_rules(
    timed: Sequence[tuple[SnapshotRecord, datetime.datetime]],
    rules: Keep,
    now: datetime.datetime,
    zone: datetime.tzinfo | None,
) -> list[tuple[str, Rule]]:
    """The snapshots (newest first) that each rule keeps. Rules do not know of each other."""
    found: list[tuple[str, Rule]] = [(record.id, "last") for record, _taken in timed[: rules.last]]
    for rule, period in _PERIODS.items():
        seen: set[Hashable] = set()
        for record, taken in timed:
            if len(seen) >= getattr(rules, rule):
                break
            key = period(taken.astimezone(zone))
            if key not in seen:
                seen.add(key)
                found.append((record.id, rule))
    return found + [
        (record.id, "within")
        for record, taken in timed
        if rules.within and (now - taken).total_seconds() <= rules.within
    ]


_PERIODS: Mapping[Rule, Callable[[datetime.datetime], Hashable]] = {
    "hourly": lambda at: (at.date(), at.hour, at.utcoffset()),
    "daily": lambda at: at.date(),
    "weekly": lambda at: at.isocalendar()[:2],
    "monthly": lambda at: (at.year, at.month),
    "yearly": lambda at: at.year,
}
