"""The event log: what is in the file, what readers get from it."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nuvtui.model.task import Event, Failure, TaskStatus, fold
from nuvtui.tasks.events import EventWriter, Tailer, log_size, parse, plain, read_events, read_log


def test_each_event_is_one_line_with_the_fixed_keys_first(tmp_path: Path) -> None:
    with EventWriter(tmp_path) as events:
        events.write("queued", kind="snapshot", title="a\nb \u2028", user="alice")
        events.write("progress", done=1, total=None, unit="files")
        events.write("finished", status="failed", error=Failure("t", "m"), result={"a": [1, None]})
        assert events.finished
    lines = (tmp_path / "events.jsonl").read_bytes().splitlines()
    assert [list(json.loads(line))[:4] for line in lines] == [["v", "seq", "ts", "type"]] * 3
    assert [json.loads(line)["seq"] for line in lines] == [1, 2, 3]
    task = fold("x", read_events(tmp_path))
    assert (task.title, task.status, task.error) == ("a\nb \u2028", TaskStatus.FAILED, Failure("t", "m"))
    assert (tmp_path / "events.jsonl").stat().st_mode & 0o777 == 0o600


def test_a_torn_last_line_is_no_event_and_the_next_writer_cuts_it_off(tmp_path: Path) -> None:
    with EventWriter(tmp_path) as events:
        events.write("queued", kind="snapshot")
        events.write("started", pid=1)
    whole = (tmp_path / "events.jsonl").read_bytes()
    line = whole.splitlines(keepends=True)[1]
    for cut in range(1, len(line)):
        (tmp_path / "events.jsonl").write_bytes(whole + line[:cut])
        tailer = Tailer(tmp_path)
        assert [event.seq for event in tailer.poll()] == [1, 2]
        assert [event.seq for event in read_events(tmp_path)] == [1, 2]
        with EventWriter(tmp_path) as events:
            assert not events.finished
            events.write("step", step="s", title="t")
        assert [(event.seq, event.type) for event in tailer.poll()] == [(3, "step")]
        assert (tmp_path / "events.jsonl").read_bytes().startswith(whole)
        assert len(read_events(tmp_path)) == 3


def test_a_damaged_line_or_an_unknown_type_hides_no_other_event(tmp_path: Path) -> None:
    with EventWriter(tmp_path) as events:
        events.write("queued", kind="snapshot")
    with (tmp_path / "events.jsonl").open("ab") as file:
        file.write(b'\0\0\0\n{"v":9,"seq":2,"ts":"","type":"sung"}\n[]\n\n')
    with EventWriter(tmp_path) as events:
        events.write("finished", status="completed")
    assert [event.type for event in read_events(tmp_path)] == ["queued", "finished"]


def test_no_log_is_no_event(tmp_path: Path) -> None:
    assert read_events(tmp_path) == []
    tailer = Tailer(tmp_path)
    assert tailer.poll() == []
    with EventWriter(tmp_path) as events:
        events.write("queued", kind="snapshot")
    assert len(tailer.poll()) == 1
    assert tailer.poll() == []


@settings(max_examples=50)
@given(
    texts=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), max_size=8), data=st.data()
)
def test_a_reader_gets_every_event_once_wherever_the_writes_are_cut(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("task")
    with EventWriter(folder) as events:
        written = [events.write("warning", what=text) for text in texts]
    path = folder / "events.jsonl"
    whole = path.read_bytes()
    path.write_bytes(b"")
    tailer, seen, at = Tailer(folder), list[Event](), 0
    while at < len(whole):
        end = data.draw(st.integers(at + 1, len(whole)))
        with path.open("ab") as file:
            file.write(whole[at:end])
        seen += tailer.poll()
        at = end
    assert seen == written == parse(whole)


def test_a_write_that_the_disk_refuses_leaves_the_log_whole(tmp_path: Path) -> None:
    with EventWriter(tmp_path) as events:
        events.write("queued", kind="snapshot")
        before = (tmp_path / "events.jsonl").read_bytes()
        real = os.write

        def half(descriptor: int, data: bytes) -> int:
            # What a full disk does: a part is taken, the rest refused. Not to be had from a real one at will.
            if len(data) < 2 or not data.startswith(b"{"):
                raise OSError(28, "No space left on device")
            return real(descriptor, data[: len(data) // 2])

        os.write = half
        try:
            with pytest.raises(OSError, match="No space left"):
                events.write("warning", what="x" * 100)
        finally:
            os.write = real
        assert (tmp_path / "events.jsonl").read_bytes() == before
        with pytest.raises(TypeError):
            events.write("finished", result=object())
        assert events.write("started", pid=1).seq == 2
    assert [event.seq for event in read_events(tmp_path)] == [1, 2]


def test_the_build_log_is_read_by_offset(tmp_path: Path) -> None:
    assert (log_size(tmp_path), read_log(tmp_path, 0, 10)) == (0, b"")
    (tmp_path / "build.log").write_bytes(b"0123456789")
    assert log_size(tmp_path) == 10
    assert read_log(tmp_path, 4, 3) == b"456"
    assert read_log(tmp_path, 8, 100) == b"89"
    assert read_log(tmp_path, 10, 1) == b""


@given(st.text(st.characters()))
def test_any_text_can_be_written_and_ordinary_text_stays(text: str) -> None:
    safe = plain(text)
    assert safe.encode("utf-8").decode("utf-8") == safe
    if not any(0xD800 <= ord(char) <= 0xDFFF for char in text):
        assert safe == text


def test_undecodable_bytes_are_shown() -> None:
    assert plain(os.fsdecode(b"caf\xe9/\xff")) == "caf\\xe9/\\xff"
