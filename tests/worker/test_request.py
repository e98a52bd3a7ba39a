"""What a task is asked to do arrives as it was asked, whatever bytes its names are made of."""

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nuvtui.model.names import path_to_text
from nuvtui.model.task import TaskStatus
from nuvtui.paths import Home
from nuvtui.worker import files, request
from nuvtui.worker.request import Request
from nuvtui.worker.submit import submit
from tests.worker.running import WORKER, ended, worker_log

NAMES = st.binary(max_size=12).map(os.fsdecode)
VALUES = st.recursive(
    NAMES | st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.integers() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)


@given(arguments=st.dictionaries(NAMES, VALUES, max_size=3), cwd=NAMES, user=NAMES)
def test_it_arrives_as_it_was_asked(
    tmp_path_factory: pytest.TempPathFactory, arguments: dict[str, Any], cwd: str, user: str
) -> None:
    folder = tmp_path_factory.mktemp("task")
    asked = Request(
        operation={"kind": "k"} | arguments,
        title="",
        user=user,
        settings={"home": cwd},
        cwd=path_to_text(cwd),
    )
    (folder / files.REQUEST).write_bytes(request.encode(asked))
    assert request.read(folder) == asked


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"\xff", b"[" * 100_000, b'{"kind": "\\ud800"}'])
def test_what_is_no_request_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / files.REQUEST).write_bytes(data)
    with pytest.raises(msgspec.DecodeError):
        request.read(tmp_path)


@pytest.mark.parametrize("name", [b"caf\xe9", b"back\\slash \\xe9", b"new\nline", "日本".encode()])
def test_a_worker_works_in_a_folder_of_any_name(
    tmp_path: Path, name: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / os.fsdecode(name)
    folder.mkdir()
    monkeypatch.setenv("SOMEBODYS", os.fsdecode(name))
    home = Home(folder / "home")
    asked = Request(
        operation={"kind": "about"}, title=f"About {folder}", user=os.fsdecode(name), cwd=path_to_text(str(folder)),
        settings={"home": str(home.root)},
    )  # fmt: skip
    task = submit(home, asked, worker=WORKER)
    view = ended(home, task)
    assert view.status is TaskStatus.COMPLETED, worker_log(home, task)
    shown = os.fsdecode(name).replace("\udce9", "\\xe9")
    assert view.title == f"About {tmp_path}/{shown}"
    assert (view.result["cwd"], view.result["home"]) == (f"{tmp_path}/{shown}", f"{tmp_path}/{shown}/home")
