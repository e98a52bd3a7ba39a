"""The form of a new export with its findings beside or below it."""

from textual.app import ComposeResult
from textual.containers import Vertical

from nuvtui.tui.features.exports.findings import FindingsPane
from nuvtui.tui.toolkit.form_list import FormList


class FormBody(Vertical):
    """Fields, findings."""

    def __init__(self, form: FormList, pane: FindingsPane) -> None:
        super().__init__(id="form-body")
        self._form = form
        self._pane = pane

    def compose(self) -> ComposeResult:
        """Both."""
        with Vertical(id="form-fields", classes="pane") as fields:
            fields.border_title = "New export"
            yield self._form
        yield self._pane
