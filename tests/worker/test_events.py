"""The event log: what is in the file, what readers get from it."""

import json
import os
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nuvtui.model.task import Event, Failure, TaskStatus, TaskView, advance, fold
from nuvtui.worker import events as events_module
from nuvtui.worker.events import EventWriter, Tailer, log_size, plain, read_log
from tests.worker.running import read_events


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
    assert [*tailer.poll()] == []
    with EventWriter(tmp_path) as events:
        events.write("queued", kind="snapshot")
    assert len([*tailer.poll()]) == 1
    assert [*tailer.poll()] == []


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
    assert seen == written == read_events(folder)


@st.composite
def _logs(draw: st.DrawFn) -> bytes:
    """Logs as workers write them, with long rows of progress, and lines that something else put in between."""
    lines = []
    for seq in range(draw(st.integers(0, 30))):
        kind = draw(
            st.sampled_from([*["progress"] * 6, "step", "warning", "step_done", "started", "odd", "finished"])
        )
        fields: dict[str, object] = {"what": draw(st.text(max_size=3)), "done": draw(st.integers(0, 9))}
        event = {
            "v": 1,
            "seq": seq,
            "ts": f"2026-01-01T00:00:{draw(st.integers(0, 2)):02d}",
            "type": kind,
            **fields,
        }
        if kind == "odd":
            lines.append(
                draw(
                    st.sampled_from(
                        [
                            b"",
                            b"\0\0",
                            b"[]",
                            b'{"v":1,"seq":1,"ts":"","type":"progress"',
                            b'{"v":1,"seq":1,"ts":"","type":"progress","done":"x"}',
                            b"[" * 5000,
                        ]
                    )
                )
            )
        else:
            pairs = list(event.items())
            if draw(st.booleans()):
                pairs = draw(st.permutations(pairs))
            lines.append(
                json.dumps(dict(pairs), separators=draw(st.sampled_from([(",", ":"), (", ", ": ")]))).encode()
            )
    return b"".join(line + b"\n" for line in lines)


@settings(max_examples=40)
@given(log=_logs(), every_second=st.booleans(), piece=st.integers(1, 400), data=st.data())
def test_what_is_passed_over_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, log: bytes, every_second: bool, piece: int, data: st.DataObject
) -> None:
    """However the log grows and in whatever pieces it is read, the fold is that of every event in it."""
    folder = tmp_path_factory.mktemp("task")
    path = folder / "events.jsonl"
    tailer, view, at = Tailer(folder, every_second=every_second), TaskView("x"), 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(events_module, "_PIECE", piece)
        while at < len(log):
            end = data.draw(st.integers(at + 1, len(log)))
            with path.open("ab") as file:
                file.write(log[at:end])
            at = end
            for event in tailer.poll():
                view = advance(view, event)
            assert view == fold("x", read_events(folder))
        with EventWriter(folder) as writer:
            assert writer.finished == any(event.type == "finished" for event in read_events(folder))


def test_a_long_log_is_folded_in_little_room(tmp_path: Path) -> None:
    line = b'{"v":1,"seq":%d,"ts":"2026-01-01T00:00:00","type":"progress","done":%d,"what":"data/%d.csv"}\n'
    with (tmp_path / "events.jsonl").open("wb") as file:
        for number in range(100_000):
            file.write(line % (number, number, number))
    tracemalloc.start()
    try:
        view = fold("x", Tailer(tmp_path).poll())
        with EventWriter(tmp_path) as events:
            assert events.write("started").seq == 100_000
        assert tracemalloc.get_traced_memory()[1] < 8 << 20  # of a log of nine
    finally:
        tracemalloc.stop()
    assert (view.done, view.what) == (99_999, "data/99999.csv")


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


def test_a_name_of_undecodable_bytes_is_written_as_it_is_shown(tmp_path: Path) -> None:
    with EventWriter(tmp_path) as events:
        events.write(
            "finished", status="completed", result={"pa\udce9": ["caf\udce9", "\ud800", "é", 1, None]}
        )
    (event,) = read_events(tmp_path)
    assert event.result == {"pa\\xe9": ["caf\\xe9", "\ufffd", "é", 1, None]}
