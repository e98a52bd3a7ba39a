"""What is said of an export wherever one is named: the sign of its status, and how its verification went."""

from nuvtui.model.export import Check, Verification
from nuvtui.tui.toolkit.detail_list import Field, say
from nuvtui.tui.toolkit.glyphs import Glyphs
from nuvtui.tui.toolkit.lines import Tone, line
from nuvtui.tui.toolkit.moments import moment

TONES: dict[str, Tone] = {"completed": "good", "running": "accent", "failed": "bad", "cancelled": "warn"}


def sign(status: str, glyphs: Glyphs) -> tuple[str, Tone]:
    """The sign of an export's status, and its tone."""
    mark = {"completed": glyphs.done, "running": glyphs.running, "deleted": glyphs.removed}.get(
        status, glyphs.failed
    )
    return mark, TONES.get(status, "muted")


CHECKS: dict[str, tuple[str, Tone]] = {"passed": ("done", "good"), "failed": ("failed", "bad")}
"""Glyph and tone of how a check went."""


def verification_fields(verification: Verification, glyphs: Glyphs) -> list[Field]:
    """What came out when an image was run and looked into."""
    word, tone = ("Verified", "good") if verification.passed else ("Does not hold what it promises", "bad")
    first = line((word, tone), (f"  {moment(verification.at)}", "muted"))  # type: ignore[arg-type]
    return [Field(first), *(_check(check, glyphs) for check in verification.checks)]


def _check(check: Check, glyphs: Glyphs) -> Field:
    name, tone = CHECKS.get(check.status, ("waiting", "warn"))
    return say(
        (f"  {getattr(glyphs, name)} {check.status}", tone), f"  {check.name}: ", (check.text, "muted")
    )
