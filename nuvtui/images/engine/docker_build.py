"""Builds on a Docker-compatible engine: install steps, layers on top, and nothing left of what did not end well.

An image is tagged by nuvtui itself, after the engine named its id and confirmed what is in it: until then nothing
can be left behind under a name.
"""

import contextlib
import json
import re
import time
from collections.abc import Sequence
from dataclasses import replace

from docker.utils.config import load_general_config
from docker.utils.proxy import ProxyConfig

from nuvtui.errors import Cancelled, NuvError
from nuvtui.images import compare, site
from nuvtui.images.engine import buildkit
from nuvtui.images.engine.build_context import context
from nuvtui.images.engine.classic_builder import ClassicBuild
from nuvtui.images.engine.client import StatusError
from nuvtui.images.engine.docker_daemon import TAR, DockerDaemon, LoadError
from nuvtui.images.engine.load import Load
from nuvtui.images.engine.protocol import Built
from nuvtui.images.facts import ImageFacts
from nuvtui.images.oci.config import image_config
from nuvtui.images.oci.descriptor import Descriptor, digest_of
from nuvtui.images.oci.layers import Layer
from nuvtui.images.oci.layout import LAYER, Layout
from nuvtui.images.recipe import Recipe
from nuvtui.images.redact import Redactor
from nuvtui.model import export as model
from nuvtui.reporter import Reporter

CANCEL_SECONDS = 10.0
"""So long the engine has to end what was cancelled, before nuvtui removes it itself."""


class DockerBuild:
    """One build of an image."""

    def __init__(
        self,
        daemon: DockerDaemon,
        recipe: Recipe,
        base: ImageFacts,
        reporter: Reporter,
        network: str,
        layout: Layout | None,
    ) -> None:
        """`network`: network mode of the steps, empty: the engine's default; `layout`: remembers layers."""
        self._daemon, self._recipe, self._base, self._reporter = daemon, recipe, base, reporter
        self._network, self._layout = network, layout
        self._proxies = _proxies(daemon.endpoint.url)
        secrets = [*recipe.secret_values, *site.url_secrets(self._proxies.values())]
        self._progress = ClassicBuild(reporter, Redactor(reporter.log, secrets))

    def run(self, layers: Sequence[Layer], tag: str, fresh: bool) -> Built:
        """Run the recipe's install steps on the base image, lay `layers` on top and tag the image.

        Layers and configuration are nuvtui's own, handed to the engine as an archive whose id is known before:
        the engine checks every layer against its digest. An image that it has already is only tagged, unless it
        is to be `fresh`. Raises Cancelled (then nothing is tagged and no container is left), NuvError where the
        build failed.
        """
        before = self._tagged(tag)
        try:
            below = [model.Layer("base", diff_id) for diff_id in self._base.layers]
            source = self._base.id
            if self._recipe.dockerfile:
                stepped = self._steps()
                if stepped.layers[: len(below)] != self._base.layers:
                    raise NuvError(
                        "The build failed", "what the engine made does not stand on the base image"
                    )
                below += [model.Layer("packages", diff_id) for diff_id in stepped.layers[len(below) :]]
                source = stepped.id
            made = self._stacked(below, source, layers, fresh)
            try:
                self._reporter.check()
                self._daemon.tag(made.image, tag)
            except BaseException:
                self._daemon.forget(made.image)
                raise
            return replace(made, steps=source if self._recipe.dockerfile else "")
        except BaseException as error:
            with contextlib.suppress(NuvError):
                self._undo(before, tag, cancelled=isinstance(error, Cancelled))
            raise

    def _steps(self) -> ImageFacts:
        """The image that the install steps lead to."""
        try:
            image = self._by_buildkit()
            if not image:
                self._run_build()
                image = self._progress.finish()
        finally:
            self._progress.redactor.flush()
        facts = self._daemon.inspect(image)
        if facts is None:
            raise NuvError("The build failed", f"the engine says it made {image}, but does not have it")
        return facts

    def _by_buildkit(self) -> str:
        """The image as `docker buildx` makes it; empty where it is not there: then the classic builder is used."""
        if (
            buildkit.find().problem
            or self._daemon.endpoint.tls is not None
            or self._daemon.product.name != "Docker Engine"
        ):
            return ""
        try:
            return buildkit.BuildxBuild().run(
                self._daemon.endpoint.url,
                [context(self._recipe)],
                self._recipe.build_arguments,
                self._network,
                self._reporter,
                self._progress.redactor.write,
            )
        except buildkit.UnusableError as error:
            self._reporter.log(f"{error.message}: the classic builder is used\n".encode("utf-8", "replace"))
            return ""
        except NuvError as error:
            if isinstance(error, Cancelled):
                raise
            raise NuvError(error.title, self._progress.redactor.text(error.message), error.hint) from None

    def _stacked(self, below: list[model.Layer], source: str, layers: Sequence[Layer], fresh: bool) -> Built:
        """Lay `layers` on the layers `below`, which the image `source` in the engine has."""
        known = [self._layout.recall(layer.key) if self._layout else None for layer in layers]
        if all(known) and not fresh:
            parts = [
                *below,
                *(
                    model.Layer(layer.what, found.digest, found.size)
                    for layer, found in zip(layers, known, strict=True)
                    if found
                ),
            ]
            image = digest_of(image_config(self._base, self._recipe, parts))
            if self._daemon.inspect(image) is not None:
                self._reporter.log(b"The engine has this image already.\n")
                return Built(image, parts)
        load = Load(self._recipe, self._base, below, layers, self._reporter, self._daemon.tmp)
        try:
            self._daemon.load_pieces(load.pieces(), self._reporter)
        except LoadError as error:
            if not below or re.search(r"no space left", error.message, re.I):
                raise
            # An engine that wants every layer gets every layer.
            said = f"The engine wants all layers: {error.message[:500]}\n"
            self._reporter.log(said.encode("utf-8", "replace"))
            whole = load.pieces(self._daemon.layers(source, self._reporter))
            self._daemon.load_pieces(whole, self._reporter)
        built = load.built()
        try:
            return self._checked(built)
        except BaseException:
            self._daemon.forget(built.image)
            raise
        finally:
            self._remember(layers, built, len(below))

    def _remember(self, layers: Sequence[Layer], built: Built, below: int) -> None:
        if self._layout:
            for layer, part in zip(layers, built.layers[below:], strict=True):
                self._layout.remember(layer.key, Descriptor(LAYER, part.diff_id, part.size))

    def _checked(self, built: Built) -> Built:
        """What was loaded, as the engine has it. Raises NuvError where that is something else."""
        facts = self._daemon.inspect(built.image)
        if facts is None or facts.layers != [part.diff_id for part in built.layers]:
            raise NuvError(
                "The image is not what was planned",
                "the engine has other layers than it was given, or counts images otherwise (containerd's store does)",
                "Nothing was tagged. Export with --engine oci, and load the archive: `docker load -i FILE`.",
            )
        if wrong := compare.differences(self._recipe, facts):
            raise NuvError(
                "The image is not what was planned",
                "; ".join(wrong[:5]),
                "Nothing was tagged. Please report this with the export's log.",
            )
        return Built(facts.id, built.layers)

    def _run_build(self) -> None:
        # Not `APIClient.build`: it hands every sign-in of this machine to the engine, and does not look at
        # the status of an answer that comes in pieces.
        query = {"dockerfile": "Dockerfile", "rm": "1", "forcerm": "1", "q": "0"}
        if self._network:
            query["networkmode"] = self._network
        if arguments := {**self._proxies, **self._recipe.build_arguments}:
            query["buildargs"] = json.dumps(arguments)
        try:
            sent = [context(self._recipe)]
            for message in self._daemon.messages("/build", self._reporter, sent, params=query, headers=TAR):
                self._progress.take(message)
        except StatusError as error:
            raise NuvError("The build was refused", self._progress.redactor.text(error.message)) from error

    def _tagged(self, reference: str) -> str | None:
        facts = self._daemon.inspect(reference)
        return facts.id if facts else None

    def _undo(self, before: str | None, tag: str, *, cancelled: bool) -> None:
        """Nothing of a build that did not come to its end may be left: containers, a new tag, and if it was
        cancelled its untagged images. (After a failure those are the cache of the next try.)
        """
        ends = time.monotonic() + CANCEL_SECONDS / 2
        for container in self._progress.containers:
            while self._daemon.has_container(container):
                if time.monotonic() > ends:
                    self._daemon.remove_container(container)
                    break
                time.sleep(0.05)
        now = self._tagged(tag)
        if now is not None and now != before:
            self._daemon.remove(tag)
        if cancelled:
            for image in reversed(self._progress.images):
                with contextlib.suppress(NuvError), self._daemon.call() as call:
                    call.api.remove_image(image, noprune=True)


def _proxies(url: str) -> dict[str, str]:
    """The proxies of the Docker CLI's settings, as it hands them to builds: predefined arguments, in no
    image. They may carry credentials.
    """
    with contextlib.suppress(AttributeError, KeyError, TypeError):
        known = load_general_config().get("proxies") or {}
        found = ProxyConfig.from_dict(known.get(url) or known["default"])
        # The one for FTP is a carrier of the recipe's own.
        return {
            name: str(value) for name, value in found.get_environment().items() if "ftp" not in name.lower()
        }
    return {}
