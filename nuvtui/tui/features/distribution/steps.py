"""What the wizard of a distribution is made of: the bar of steps, and the widgets of each."""

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.strip import Strip
from textual.widgets import ContentSwitcher, Input

from nuvtui import sanitise
from nuvtui.tui.features.distribution.targets import TargetList, heading
from nuvtui.tui.toolkit.detail import DetailPane
from nuvtui.tui.toolkit.form_list import FormList
from nuvtui.tui.toolkit.line_list import LineList
from nuvtui.tui.toolkit.lines import Line, LineWidget, Piece, line

STEPS = ("targets", "strategies", "plan", "message")


TITLES = {"targets": "Targets", "strategies": "Strategies", "plan": "Dry run", "message": "Message"}


class StepBar(LineWidget, can_focus=False):
    """Which step of how many."""

    def __init__(self) -> None:
        super().__init__(id="wizard-bar")
        self._step = STEPS[0]

    def show(self, step: str) -> None:
        """Show another step."""
        self._step = step
        self.refresh()

    def draw(self, y: int, width: int) -> Strip:
        """One line; the step that one is at stands in brackets, so that colour is not needed."""
        pieces: list[Piece] = []
        here = STEPS.index(self._step)
        for at, step in enumerate(STEPS):
            if pieces:
                pieces.append((f" {self.glyphs.arrow} ", "muted"))
            title = f"{at + 1} {TITLES[step]}"
            if at == here:
                pieces.append((f"[{title}]", "accent"))
            else:
                pieces.append((f"{self.glyphs.done} {title}" if at < here else title, "muted"))
        return self.strip(line(*pieces) if y == 0 else Line(), width, self.style_of(""))


class Steps(Vertical):
    """The bar, and the step below it."""

    def __init__(self) -> None:
        super().__init__(id="wizard-body", classes="pane")
        self.border_title = "Distribution"

    def compose(self) -> ComposeResult:
        """All steps; one is shown."""
        yield StepBar()
        with ContentSwitcher(initial="step-targets"):
            with Vertical(id="step-targets", classes="step"):
                targets = TargetList(
                    id="wizard-targets", markable=True, empty="Reading the instances", heading=heading
                )
                targets.opens = "go on to strategies"
                yield targets
                yield DetailPane(id="wizard-say", can_focus=False)
            with Vertical(id="step-strategies", classes="step"):
                yield FormList(id="wizard-form")
                yield DetailPane(id="wizard-explain", can_focus=False)
            with Vertical(id="step-plan", classes="step"):
                yield DetailPane(id="wizard-summary", can_focus=False)
                plan = LineList(id="wizard-plan")
                plan.opens = "go on to the message"
                yield plan
            with Vertical(id="step-message", classes="step"):
                yield DetailPane(
                    [
                        line(("Message to the users of the targets", "strong")),
                        line(("What you type now is its text; it may stay empty.", "muted")),
                    ],
                    id="wizard-label",
                    can_focus=False,
                )
                message = Input(
                    placeholder=sanitise.line("type a message, or leave it empty"),
                    compact=True,
                    id="wizard-message",
                )
                message.cursor_blink = False
                yield message
                yield DetailPane(id="wizard-last", can_focus=False)
