"""What a scan writes to when nothing is to be written: a look at the Current State."""

from blake3 import blake3

from nuvtui.model import tree as tree_format
from nuvtui.model.tree import Entry
from nuvtui.store.chunks import WHOLE, Cutter
from nuvtui.store.store import Store


class TreeOnlyWriter(Cutter):
    """Computes ids like an ObjectWriter and writes nothing: for a look at the Current State.

    Keeps the tree objects that the store does not hold, and no file's bytes.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.generation = store.generation()
        store.index.refresh()
        self.trees: dict[bytes, bytes] = {}
        self._space = memoryview(bytearray(WHOLE + 1))

    def has(self, object_id: bytes) -> bool:
        """True where the store holds the object."""
        return self.store.index.find(object_id) is not None

    def put(self, data: bytes | memoryview) -> bytes:
        """Compute the id of an object without storing it."""
        return blake3(data).digest()

    def space(self) -> memoryview:
        """Buffer to read the next file into, as `ObjectWriter.space`."""
        return self._space

    def put_space(self, length: int) -> bytes:
        """Compute the id of the first `length` bytes of `space` without storing them."""
        return blake3(self._space[:length]).digest()

    def put_tree(self, data: bytes) -> bytes:
        """The id of a folder's tree object, which is kept in memory where the store does not hold it."""
        object_id = blake3(data).digest()
        if not self.has(object_id):
            self.trees[object_id] = data
        return object_id

    def tree(self, object_id: bytes) -> list[Entry]:
        """The entries of a tree object, from memory or from the store."""
        data = self.trees.get(object_id)
        return self.store.tree(object_id) if data is None else tree_format.decode(data)
