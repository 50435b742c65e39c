"""The lines of a log never wait long for a reader that has stopped."""

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from orderengine.process.log_output import LogOutput, log_output

LINE = "x" * 99 + "\n"
FULL = 2000  # lines: three times as much as a pipe holds


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    os.close(reader)
    os.close(writer)


@pytest.fixture
def output(pipe: tuple[int, int]) -> LogOutput:
    return LogOutput(pipe[1], lambda count: json.dumps({"dropped": count}))


def write_in_time(output: LogOutput, *lines: str) -> None:
    def write() -> None:
        for line in lines:
            output.write(line)

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    thread.join(30)
    assert not thread.is_alive(), "a line waits for a reader that does not read"


def read_all(reader: int) -> str:
    os.set_blocking(reader, False)
    read = b""
    try:
        while data := os.read(reader, 65_536):
            read += data
    except BlockingIOError:
        pass
    return read.decode()


def test_a_reader_that_stopped_is_not_waited_for_and_is_told_how_much_it_missed(
    pipe: tuple[int, int], output: LogOutput
) -> None:
    write_in_time(output, *[LINE] * FULL)
    kept = read_all(pipe[0]).splitlines(keepends=True)
    assert 0 < len(kept) < FULL
    assert set(kept) == {LINE}
    write_in_time(output, "again\n")
    notice, line = read_all(pipe[0]).splitlines()
    assert json.loads(notice) == {"dropped": FULL - len(kept)}
    assert line == "again"


def test_a_long_line_that_was_cut_off_does_not_run_into_the_next(
    pipe: tuple[int, int], output: LogOutput
) -> None:
    write_in_time(output, "long" * 50_000 + "\n", "lost\n")
    assert read_all(pipe[0]).startswith("long")
    write_in_time(output, "again\n")
    assert read_all(pipe[0]) == '\n{"dropped": 2}\nagain\n'


def test_a_slow_reader_gets_everything(pipe: tuple[int, int], output: LogOutput) -> None:
    read: list[bytes] = []

    def read_on() -> None:
        while sum(map(len, read)) < FULL * len(LINE):
            read.append(os.read(pipe[0], 1000))

    reader = threading.Thread(target=read_on, daemon=True)
    reader.start()
    write_in_time(output, *[LINE] * FULL)
    reader.join(30)
    assert b"".join(read).decode() == LINE * FULL


def test_the_pipe_of_others_blocks_as_before(pipe: tuple[int, int], output: LogOutput) -> None:
    write_in_time(output, LINE)
    assert os.get_blocking(pipe[1])


def test_a_reader_that_has_left_is_no_error(output: LogOutput, pipe: tuple[int, int]) -> None:
    with Path(os.devnull).open() as nothing:
        os.dup2(nothing.fileno(), pipe[0])
    write_in_time(output, LINE, LINE)


def test_a_file_takes_every_line(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as file:
        assert log_output(file, str) is file
