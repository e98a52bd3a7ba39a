"""The services of the suite itself: they start, do what the tests rely on, and leave nothing behind."""

from tests.support.engine import Engine
from tests.support.registry import Registry


def test_an_image_goes_through_the_registry_into_the_second_engine(
    engine: Engine, second_engine: Engine, registry: Registry, tiny_base: str
) -> None:
    reference = f"{registry.host}/suite/tiny:1"
    engine.run("tag", tiny_base, reference)
    engine.run("push", reference)
    assert second_engine.images() == []
    second_engine.run("pull", reference)
    assert second_engine.text("run", "--rm", reference, "echo", "here") == "here"
    assert registry.digest("suite/tiny", "1")
