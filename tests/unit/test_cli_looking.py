"""What a person and a script are shown of a bwm that does not run, and what is asked before something is gone."""

import json
import os
import pty
import socket
import sys
from contextlib import suppress
from dataclasses import replace
from fcntl import ioctl
from pathlib import Path
from struct import pack
from termios import TIOCSWINSZ

import pytest
from click.testing import CliRunner, Result

from bwm.cli import confirm, output
from bwm.cli.main import main
from bwm.daemon import keepsake
from bwm.daemon.keepsake import Keepsake
from bwm.daemon.lock import Lock
from bwm.db.database import Database

CONFIG = """\
network = "regtest"
state_dir = "{state_dir}"

[node]
rpc = "http://127.0.0.1:1"
user = "nobody"
password = "none"

[[channel]]
name = "log"
kind = "{kind}"
path = "alerts.jsonl"
"""
TIME = "2026-11-22T11:26:17Z"


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "bwm.toml"
    path.touch(0o600)
    path.write_text(CONFIG.format(state_dir=tmp_path / "state", kind="file"))
    return path


@pytest.fixture
def bwm(file):
    def run(*arguments: str, stdin: str = "", exit_code: int = 0) -> Result:
        result = CliRunner().invoke(main, ["--config", str(file), *arguments], input=stdin)
        assert result.exit_code == exit_code, result.output
        return result

    return run


def checks(bwm) -> dict[str, dict[str, str]]:
    return {check["name"]: check for check in json.loads(bwm("doctor", "--json", exit_code=1).stdout)}


@pytest.mark.parametrize(
    ("person", "arguments", "answer", "exit_code"),
    [(True, [], "n\n", 1), (True, [], "", 130), (True, [], "y\n", 0), (True, ["--yes"], "", 0), (False, [], "", 0)],
)
def test_a_person_is_asked_before_something_is_gone_and_a_script_is_not(
    bwm, file, monkeypatch, person, arguments, answer, exit_code
):
    monkeypatch.setattr(confirm, "somebody_is_there", lambda: person)
    bwm("remove-channel", "log", *arguments, stdin=answer, exit_code=exit_code)
    assert ("[[channel]]" not in file.read_text()) == (exit_code == 0)


def test_a_lost_database_is_told_before_the_daemon_refuses_it(bwm, tmp_path):
    bwm("list-vaults")
    assert checks(bwm)["database"]["verdict"] == "ok"
    keepsake.write(tmp_path / "state", Keepsake("b" * 32, generation=7, triggers=3, last_event=40, seen_at=1))
    database = checks(bwm)["database"]
    assert database["verdict"] == "fail"
    assert "3 triggers here: it was lost" in database["words"]
    assert any("it was lost" in gap for gap in json.loads(bwm("status", "--json").stdout)["not_covered"])


def test_an_older_database_is_told_before_the_daemon_starts_on_it(bwm, tmp_path):
    database = Database(f"sqlite:///{tmp_path}/state/bwm.sqlite", "regtest")
    with database.connection():
        keepsake.write(tmp_path / "state", replace(keepsake.of_database(), last_event=40))
    database = checks(bwm)["database"]
    assert database["verdict"] == "warn"
    assert "the database is a backup" in database["words"]


def test_a_channel_with_which_the_daemon_would_not_start_is_not_called_healthy(bwm, file):
    assert json.loads(bwm("status", "--json").stdout)["channels"][0]["healthy"]
    file.write_text(file.read_text().replace('"file"', '"pigeon"'))
    status = json.loads(bwm("status", "--json").stdout)
    assert not status["channels"][0]["healthy"]
    assert any("unknown kind 'pigeon'" in gap for gap in status["not_covered"])
    assert "bwm doctor" in bwm("status").stdout
    assert not json.loads(bwm("list-channels", "--json").stdout)[0]["healthy"]


def test_an_export_is_one_document_in_a_private_file_that_is_never_written_over(bwm, tmp_path):
    file = tmp_path / "export.json"
    assert "export.json" in bwm("export", str(file)).stdout
    assert file.stat().st_mode & 0o077 == 0
    lists = ["vaults", "guardians", "alerts", "events"]
    assert list(json.loads(file.read_text())) == ["network", "version", "at", *lists]
    before = file.read_text()
    assert "was not touched" in bwm("export", str(file), exit_code=2).stderr
    assert file.read_text() == before
    assert "Nothing was left" in bwm("export", str(tmp_path / "nowhere" / "x"), exit_code=1).stderr
    assert "Nothing was left" in bwm("export", "/dev/full/x", exit_code=1).stderr


def test_a_running_daemon_is_named_as_systemd_knows_it(bwm, file, tmp_path):
    lock = Lock(tmp_path / "state")
    try:
        said = bwm("add-channel", "more", "--kind", "file", "--path", str(tmp_path / "more.jsonl")).stderr
    finally:
        lock.release()
    assert said.endswith("systemctl restart bwm@regtest\n")


BESIDE = """
[[channel]]
name = "hook"
kind = "webhook"
url = "https://example.org/canary"
secret = "0123456789abcdef"
tor = true

[tor]
proxy = "127.0.0.1:{port}"

[[policy]]
name = "siren"
on = ["trigger.seen"]
then = [{{ hook = ["{folder}/siren"] }}]

[[peer_node]]
name = "friend"
rpc = "http://127.0.0.1:1"
user = "bwm"
password = "canary"

[api]
listen = "127.0.0.1:8480"
onion = true
onion_dir = "{folder}"
torrc = "{folder}/torrc"
"""


def test_doctor_looks_at_what_stands_beside_the_node(bwm, file, tmp_path):
    with socket.socket() as proxy:
        proxy.bind(("127.0.0.1", 0))  # it does not listen yet
        file.write_text(file.read_text() + BESIDE.format(port=proxy.getsockname()[1], folder=tmp_path))
        broken = checks(bwm)
        proxy.listen()
        (tmp_path / "siren").touch(0o700)
        (tmp_path / "torrc").write_text(f"HiddenServiceDir {tmp_path}\nHiddenServicePort 80 127.0.0.1:8480\n")
        (tmp_path / "hostname").write_text(f"{'a' * 56}.onion\n")
        mended = checks(bwm)
    wrong = {"policy siren": "fail", "tor": "fail", "second node friend": "warn", "onion service": "fail"}
    assert {name: broken[name]["verdict"] for name in wrong} == wrong
    assert "siren cannot be run" in broken["policy siren"]["words"]
    assert "canary" not in json.dumps(broken)
    assert (mended["tor"]["verdict"], mended["onion service"]["verdict"]) == ("ok", "ok")
    assert "policy siren" not in mended


@pytest.fixture
def on_a_terminal(monkeypatch):
    """Have a function print to a terminal of so many columns; the lines that are seen there."""

    def seen(columns: int, show) -> list[str]:
        terminal, ours = pty.openpty()
        ioctl(ours, TIOCSWINSZ, pack("HHHH", 24, columns, 0, 0))
        with os.fdopen(ours, "w") as stream, monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", stream)
            patch.setenv("COLUMNS", str(columns))
            patch.setenv("TERM", "dumb")
            show()
        shown = b""
        with suppress(OSError), os.fdopen(terminal, "rb", buffering=0) as screen:  # EIO is the end of what was shown
            while chunk := screen.read(4096):
                shown += chunk
        return shown.decode().splitlines()

    return seen


ALERTS = [
    ("lo4cl5itkf", "acknowledged", "emergency", TIME, "Coins are being moved: vault cold", "log: delivered"),
    ("xo4cl5itkf", "open", "critical", TIME, "The node does not answer", "log: delivered, phone: pending"),
]


def test_on_80_columns_ids_and_times_are_whole_and_sentences_are_folded(on_a_terminal):
    heads = ("alert", "state", "severity", "since", "what", "told")
    lines = on_a_terminal(80, lambda: output.table(heads, ALERTS))
    for row in ALERTS:
        [line] = [line for line in lines if row[0] in line]
        assert all(cell in line for cell in row[:4])
    assert max(map(len, lines)) <= 80
    assert {"being", "moved:", "delivered,", "pending"} <= set(" ".join(lines).split())


def test_where_a_time_has_no_room_it_is_folded_between_day_and_hour(on_a_terminal):
    row = (
        "cold/to-safety",
        "vault cold",
        "5 50 500",
        "no",
        "unproven",
        "its signatures hold, and it can be sent",
        TIME,
    )
    heads = ("response", "of", "sat/vB", "armed", "state", "why", "checked")
    lines = on_a_terminal(80, lambda: output.table(heads, [row]))
    assert {"2026-11-22", "11:26:17Z"} <= set(" ".join(lines).split())
