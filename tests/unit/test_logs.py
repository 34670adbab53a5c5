"""Log lines: readable by journald, quiet about what is secret."""

import io
import logging

import pytest
import structlog

from bwm import logs
from bwm.secret import Secret


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def lines():
    """Log to a text, as if standard error were a pipe; afterwards all is as before."""
    root = logging.getLogger()
    before = root.handlers, root.level
    stream = io.StringIO()
    yield lambda level: (logs.set_up(level, stream), stream)[1]
    structlog.reset_defaults()
    root.handlers, root.level = before


def test_a_line_for_journald_begins_with_its_priority_and_holds_every_key(lines):
    out = lines(logging.INFO)
    structlog.get_logger().warning("feed.lost", endpoint="tcp://127.0.0.1:1", after_s=5, words="it is gone")
    line = out.getvalue()
    assert line.startswith("<4>at=20")
    assert 'level=warning event=feed.lost endpoint=tcp://127.0.0.1:1 after_s=5 words="it is gone"' in line
    assert line.count("\n") == 1


def test_what_is_below_the_level_is_not_written(lines):
    out = lines(logging.WARNING)
    structlog.get_logger().info("block.connected")
    assert out.getvalue() == ""


def test_libraries_go_the_same_way_and_never_show_a_url(lines):
    out = lines(logging.DEBUG)
    logging.getLogger("urllib3.connectionpool").warning("Retrying: https://host.invalid/canary failed")
    line = out.getvalue()
    assert line.startswith("<4>at=20")
    assert "logger=urllib3.connectionpool" in line
    assert "https://*** failed" in line


@pytest.mark.parametrize("name", ["apprise", "urllib3", "urllib3.connectionpool", "BitcoinRPC", "peewee"])
def test_x45_talkative_libraries_stay_quiet_even_when_debugging(lines, name):
    out = lines(logging.DEBUG)
    logging.getLogger(name).info("canary")
    logging.getLogger(name).debug("canary")
    assert out.getvalue() == ""


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_an_exception_shows_its_way_but_no_variable(lines, stream):
    lines(logging.INFO)
    out = stream()
    logs.set_up(logging.INFO, out)
    token = "canary" + str(1)  # not a literal: the traceback shows source lines
    try:
        {}[Secret(token)]
    except KeyError:
        structlog.get_logger().exception("loop.died")
    assert "KeyError" in out.getvalue()
    assert "canary1" not in out.getvalue()


def test_a_person_at_a_terminal_reads_columns(lines):
    lines(logging.INFO)
    out = Terminal()
    logs.set_up(logging.INFO, out)
    structlog.get_logger().info("bwm.started", network="regtest")
    assert "bwm.started" in out.getvalue()
    assert not out.getvalue().startswith("<")
