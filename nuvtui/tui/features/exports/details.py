"""Everything about an export, field by field: what went wrong first, then the image and how to run it, what is not in it."""

from collections.abc import Sequence

from nuvtui.model.export import ExportRecord, Finding
from nuvtui.model.names import short, text_to_path
from nuvtui.tui.common.describe import path_shown
from nuvtui.tui.common.export_details import sign, verification_fields
from nuvtui.tui.common.outcome import warned
from nuvtui.tui.toolkit.amounts import size
from nuvtui.tui.toolkit.detail_list import LABEL, Field, field, say
from nuvtui.tui.toolkit.glyphs import Glyphs
from nuvtui.tui.toolkit.lines import Tone, line
from nuvtui.tui.toolkit.moments import moment

NAMED = 2000
"""Things left out that are listed."""


def standing(record: ExportRecord, glyphs: Glyphs) -> tuple[str, str, Tone]:
    """Sign, word and tone of how an export stands: one that does not hold what it promises is not simply done."""
    if record.status == "completed" and record.verification is not None and not record.verification.passed:
        return glyphs.warning, "unfit", "bad"
    mark, tone = sign(record.status, glyphs)
    return mark, record.status, tone


def head(record: ExportRecord, glyphs: Glyphs) -> list[Field]:
    """How an export stands, and why it failed."""
    mark, word, tone = standing(record, glyphs)
    ended_early = record.failed_stage and record.status in ("failed", "cancelled")
    where = f" at {record.failed_stage}" if ended_early else ""
    found = [
        Field(
            line(
                (f"{mark} {word}{where}", tone),
                (f"  {moment(record.finished or record.created)}", "muted"),
            )
        )
    ]
    if record.error and record.status == "failed":
        found.append(say((record.error, "bad"), value=record.error, what="the error"))
    return found


def _unfit(record: ExportRecord, glyphs: Glyphs) -> list[Field]:
    """What an image does not hold of what it promises."""
    checks = record.verification.checks if record.verification is not None else []
    return [
        say((f"{glyphs.warning} {check.name}: {check.text}", "bad"), value=check.text, what="what is wrong")
        for check in checks
        if check.status == "failed"
    ]


def fields(record: ExportRecord, glyphs: Glyphs) -> list[Field]:
    """What there is to know about an export, the most wanted first."""
    completed = record.status == "completed"
    found = [*_unfit(record, glyphs), *_held(record.findings, glyphs)] if completed else []
    if record.image:
        found.append(field("Image", record.image, what="the image's name"))
    if completed and record.run_command:
        found += _first(record)
        found.append(field("Run it", record.run_command, what="the run command"))
    for name, value in (
        ("Digest", record.digest),
        ("Size", size(record.size) if record.size else ""),
        ("Archive", text_to_path(record.archive) if record.archive else ""),
        ("Application", record.application),
        ("Contents", "application and workspace files" if record.with_files else "application only"),
        ("Tables", ", ".join(record.tables)),
        ("Snapshot", short(record.snapshot) if record.snapshot else ""),
        ("Engine", record.engine),
        ("Base", record.base_digest),
        ("Id", record.image_id),
        ("By", f"{record.author}, {moment(record.created)}"),
        ("Export", record.id),
    ):
        if value:
            found.append(field(name, value))
        elif name == "Digest" and completed:
            found.append(field(name, "", "not pushed; p pushes"))
    return [*found, *_checked(record, glyphs), *_left(record)]


def _first(record: ExportRecord) -> list[Field]:
    """What has to be done before the run command works."""
    if not record.needs_loading:
        return []
    command = record.load_command
    if record.archive:
        return [field("First", command, "brings it to the engine", what="the command that loads it")]
    return [
        say(
            (f"{'First':<{LABEL}} ", "muted"),
            ("archive it (a), then ", ""),
            (command, "strong"),
            ("; or push it (p)", ""),
            value=command,
            what="the command that loads it",
        )
    ]


def _checked(record: ExportRecord, glyphs: Glyphs) -> list[Field]:
    found: list[Field] = []
    if record.verification is not None:
        found += [Field(line()), *verification_fields(record.verification, glyphs)]
    if record.accepted:
        found += [Field(line()), Field(line(("Accepted", "strong")))]
        found += [
            say(f"  {path_shown(one.finding)}", (f"  {one.reason}", "muted")) for one in record.accepted
        ]
    said = {f"{finding.subject}: {finding.text}" for finding in record.findings}
    warnings = [warning for warning in record.warnings if warning not in said]
    if warnings:
        found += [Field(line()), *(warned(warning, glyphs) for warning in warnings)]
    return found


def _left(record: ExportRecord) -> list[Field]:
    if not record.excluded:
        return []
    found = [Field(line()), Field(line((f"Left out ({len(record.excluded):,})", "strong")))]
    return found + [
        say(
            f"  {path_shown(excluded.what)}",
            (f"  {excluded.reason}", "muted"),
            value=path_shown(excluded.what),
            what="the name",
        )
        for excluded in record.excluded[:NAMED]
    ]


def held(findings: Sequence[Finding]) -> list[Finding]:
    """What keeps an image from being pushed or archived."""
    return [finding for finding in findings if finding.level in ("push", "stop")]


def _held(findings: Sequence[Finding], glyphs: Glyphs) -> list[Field]:
    found = held(findings)
    if not found:
        return []
    return [
        say((f"{glyphs.warning} Must not leave: the content guard found", "bad")),
        *(say("  ", (finding.subject, "strong"), f"  {finding.text}") for finding in found),
    ]
