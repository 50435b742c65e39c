import os
from urllib.parse import quote

import pytest

from orderengine.local.output import Lines, Mask, Output


def written(output: Output, read_end: int) -> str:
    return os.read(read_end, 1_000_000).decode()


def test_passwords_of_urls_are_masked_in_any_text() -> None:
    mask = Mask()
    assert mask("at redis://:secret@h:1/0") == "at redis://:***@h:1/0"
    url = "postgresql+psycopg2://me:p@ss:word@h/db"
    assert mask(f"({url})") == "(postgresql+psycopg2://me:***@h/db)"
    assert mask("http://127.0.0.1:3000/a@b") == "http://127.0.0.1:3000/a@b"


def test_known_passwords_are_masked_alone_and_decoded() -> None:
    mask = Mask([f"postgresql://me:{quote('s3cret/word', safe='')}@h/db", "redis://h/0"])
    assert mask("password=s3cret/word") == "password=***"
    assert mask("s3cret%2Fword") == "***"


def test_a_password_too_short_to_be_told_from_text_is_masked_in_urls_only() -> None:
    mask = Mask(["redis://:a@h/0"])
    assert mask("a redis://:a@h/0") == "a redis://:***@h/0"


def test_lines_are_complete_and_the_last_are_remembered() -> None:
    lines = Lines(remembered=2)
    assert lines.feed(b"one\ntw") == ["one"]
    assert lines.feed(b"o\r\nthree\nfo") == ["two", "three"]
    assert lines.finish() == ["fo"]
    assert lines.finish() == []
    assert lines.last == ["three", "fo"]


def test_a_line_without_end_is_cut() -> None:
    lines = Lines()
    assert [len(line) for line in lines.feed(b"x" * 70_000)] == [70_000]
    assert lines.feed(b"y\n") == ["y"]


def test_bytes_that_are_no_text_are_shown_all_the_same() -> None:
    assert Lines().feed(b"\xff\n") == ["�"]


def test_every_line_has_the_name_of_its_writer() -> None:
    read_end, write_end = os.pipe()
    output = Output(write_end, color=False)
    output.line("web", "hello")
    output.line("worker", "redis://:secret@h")
    assert written(output, read_end) == "web      | hello\nworker   | redis://:***@h\n"


def test_a_terminal_gets_colors() -> None:
    read_end, write_end = os.pipe()
    output = Output(write_end, color=True)
    output.line("web", "hello")
    output.line("worker", "hello")
    web, worker = written(output, read_end).splitlines()
    assert web == "\x1b[36mweb      | \x1b[0mhello"
    assert worker.startswith("\x1b[32m")


def test_a_reader_that_stopped_reading_blocks_nothing_and_learns_what_it_missed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("orderengine.local.output._PATIENCE_S", 0.01)
    read_end, write_end = os.pipe()
    output = Output(write_end, color=False)
    for _ in range(200):
        output.line("web", "x" * 1000)
    seen = written(output, read_end).count("\n")
    output.line("web", "again")
    assert written(output, read_end) == f"({200 - seen} lines were not shown)\nweb      | again\n"


def test_a_reader_that_is_gone_is_no_error() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    Output(write_end, color=False).line("web", "hello")
