"""Standard error that nobody has to wait for."""

import io
import os
from pathlib import Path

import pytest

from bwm.outlet import outlet

LINE = "level=info event=block.connected height={}\n"


@pytest.fixture
def pipe():
    """A pipe whose reader does not read until it is asked to: its two ends."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    yield reader, os.fdopen(writer, "w")
    os.close(reader)


def read(reader: int) -> str:
    taken = b""
    try:
        while more := os.read(reader, 1 << 16):
            taken += more
    except BlockingIOError:
        pass
    return taken.decode()


def test_what_the_reader_does_not_take_now_he_gets_later_and_whole(pipe):
    reader, writer = pipe
    stream = outlet(writer)
    lines = [LINE.format(number) for number in range(10_000)]  # six times what a pipe holds
    for line in lines:
        stream.write(line)
    taken = read(reader)
    assert 0 < len(taken) < len("".join(lines)) / 2
    while more := (stream.flush(), read(reader))[1]:
        taken += more
    assert taken == "".join(lines)


def test_what_is_too_much_is_dropped_and_counted(pipe):
    reader, writer = pipe
    stream = outlet(writer)
    for number in range(40_000):
        stream.write(LINE.format(number))
    taken = read(reader)
    while more := (stream.write("now\n"), read(reader).removesuffix("now\n"))[1]:
        taken += more
    said = [line for line in taken.splitlines() if "log.lines_dropped" in line]
    kept = taken.count("event=block.connected")
    assert said == [f"<4>level=warning event=log.lines_dropped lines={40_000 - kept}"]


def test_a_reader_that_is_gone_is_nobodys_trouble(pipe):
    reader, writer = pipe
    stream = outlet(writer)
    held, silent = os.pipe()
    os.dup2(silent, reader)  # the last reader of the pipe is gone
    stream.write(LINE.format(1))
    stream.flush()
    os.close(held)
    os.close(silent)


def test_without_any_place_it_goes_nowhere():
    print("Error: the node is away", file=outlet(None))


def test_a_file_gets_every_line_and_a_text_of_a_test_is_left_alone(tmp_path: Path):
    with (tmp_path / "log").open("w") as file:
        stream = outlet(file)
        stream.write("ä 1\n" * 5000)
        assert (tmp_path / "log").read_text() == "ä 1\n" * 5000
        assert (stream.fileno(), stream.isatty()) == (file.fileno(), False)
    text = io.StringIO()
    assert outlet(text) is text
