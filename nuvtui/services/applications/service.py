"""Applications of an instance's Current State, with the roles checked."""

import builtins

from nuvtui.errors import Exit, NuvError
from nuvtui.model.application import Application, ApplicationKind
from nuvtui.model.export import Finding
from nuvtui.model.roles import Action
from nuvtui.model.snapshot import ApplicationPart
from nuvtui.model.stage import StateRef
from nuvtui.paths import Workspace
from nuvtui.services.applications import application_file, applications
from nuvtui.services.context import Context
from nuvtui.services.states.service import StatesService


class ApplicationsService:
    """Applications by instance."""

    def __init__(self, context: Context, states: StatesService) -> None:
        self._context = context
        self._states = states

    def _open(self, instance: str, action: Action) -> Workspace:
        view = self._context.view()
        found = self._context.instance(view, instance)
        self._context.require(view, action, found.space, instance)
        return self._context.workspace(found)

    def list(self, ref: StateRef) -> builtins.list[ApplicationPart]:
        """Applications of a state, by slug; one that does not parse has the kind `invalid` and the reason as its note."""
        return self._states.reader(ref).applications()

    def get(self, ref: StateRef, slug: str) -> tuple[ApplicationPart, Application]:
        """An application of a state, parsed. Raises NuvError (3) where there is none, (2) where it does not parse."""
        for part in self.list(ref):
            if part.slug == slug:
                return part, application_file.parse(part.text, f"{slug}.yaml")
        known = ", ".join(part.slug for part in self.list(ref))
        raise NuvError(
            f"No application {slug!r}",
            "",
            f"There is: {known}." if known else "Make one: `nuvtui apps new SLUG --template KIND`.",
            Exit.NOT_FOUND,
        )

    def new(self, instance: str, slug: str, kind: ApplicationKind) -> None:
        """Write a new application from a template. Needs the editor role (4); raises NuvError (5) where it exists."""
        applications.new(self._open(instance, Action.MODIFY), slug, kind)

    def check(self, instance: str, slug: str) -> builtins.list[Finding]:
        """What is wrong or worth knowing about an application of the Current State."""
        workspace = self._open(instance, Action.VIEW)
        _part, application = self.get(StateRef(instance), slug)
        return application_file.check(application, workspace, f"{slug}.yaml")

    def delete(self, instance: str, slug: str) -> None:
        """Delete an application's file. Needs the editor role (4)."""
        applications.delete(self._open(instance, Action.MODIFY), slug)
