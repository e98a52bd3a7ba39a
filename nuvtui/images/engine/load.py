"""An image as an archive for an engine to load: only the layers that it lacks have content.

Format: what `docker load` reads, `manifest.json` with configuration and plain layers. An engine takes an empty
file for a layer that it has (Docker and Podman look layers up by digest before they open the file). Layers come
first and the configuration, which names their digests, last: so each layer is read and hashed only once, on its
way to the engine.
"""

import hashlib
import json
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from nuvtui.images.engine.protocol import Built
from nuvtui.images.facts import ImageFacts
from nuvtui.images.oci.config import image_config
from nuvtui.images.oci.descriptor import digest_of
from nuvtui.images.oci.layers import Layer
from nuvtui.images.recipe import Recipe
from nuvtui.model import export as model
from nuvtui.reporter import Reporter


class Load:
    """The archive of one image, and after it was streamed, what it was."""

    def __init__(
        self,
        recipe: Recipe,
        base: ImageFacts,
        below: Sequence[model.Layer],
        layers: Sequence[Layer],
        reporter: Reporter,
        tmp: Path | None = None,
    ) -> None:
        """`below`: layers that the engine has; `layers`: those to be laid on top; `tmp`: where one is kept for a moment."""
        self._tmp = tmp
        self._recipe, self._base, self._reporter = recipe, base, reporter
        self._below, self._layers = list(below), list(layers)
        self._built: Built | None = None

    def pieces(self, all_below: Iterator[tuple[str, Iterator[bytes]]] | None = None) -> Iterator[bytes]:
        """The archive, piece by piece. `all_below`: the layers below with their content, for an engine that
        wants them again.
        """
        if all_below is None:
            for known in self._below:
                yield _header(_name(known.diff_id), 0)
        else:
            for diff_id, content in all_below:
                yield from _sized(_name(diff_id), content, self._tmp)
        parts = list(self._below)
        names = [_name(part.diff_id) for part in parts]
        sizes = [layer.size for layer in self._layers]
        total, done = sum(sizes), 0
        for number, (layer, size) in enumerate(zip(self._layers, sizes, strict=True)):
            names.append(f"layers/{number}.tar")
            yield _header(names[-1], size)
            hashed = hashlib.sha256()
            for piece in layer.stream():
                self._reporter.check()
                hashed.update(piece)
                yield piece
                done += len(piece)
                self._reporter.progress(done, total, "bytes", f"layer {layer.what}")
            diff_id = f"sha256:{hashed.hexdigest()}"
            parts.append(model.Layer(layer.what, diff_id, size))
            self._reporter.log(f"{layer.what}: {diff_id}, {size:,} bytes\n".encode())
        config = image_config(self._base, self._recipe, parts)
        image = digest_of(config)
        self._built = Built(image, parts)
        manifest = [{"Config": "config.json", "RepoTags": None, "Layers": names}]
        for name, data in (("config.json", config), ("manifest.json", json.dumps(manifest).encode())):
            yield _header(name, len(data)) + data + bytes(-len(data) % 512)
        yield bytes(1024)

    def built(self) -> Built:
        """What was streamed."""
        assert self._built is not None
        return self._built


def _sized(name: str, data: Iterator[bytes], tmp: Path | None) -> Iterator[bytes]:
    """A member whose size is not known before: kept in a temporary file for a moment."""
    import tempfile

    with tempfile.TemporaryFile(dir=tmp) as file:
        for piece in data:
            file.write(piece)
        size = file.tell()
        file.seek(0)
        yield _header(name, size)
        while piece := file.read(1 << 20):
            yield piece
        yield bytes(-size % 512)


def _name(diff_id: str) -> str:
    return f"below/{diff_id.removeprefix('sha256:')}.tar"


def _header(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf(tarfile.GNU_FORMAT)
