"""Channels are added and removed in the configuration, comments stay, and the URL is seen by nobody."""

import json
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bwm.cli.config_file import add_channel
from bwm.cli.main import main
from bwm.config import load
from bwm.errors import ConfigError

CONFIG = """\
# my own words
network = "regtest"
state_dir = "state"

[[channel]]  # stays
name = "log"
kind = "file"
path = "alerts.jsonl"

[defaults]  # stays too
final_depth = 3
"""
URL = "json://127.0.0.1:9/canary"


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "bwm.toml"
    path.write_text(CONFIG)
    path.chmod(0o600)
    return path


@pytest.fixture
def bwm(file):
    def run(*arguments: str, stdin: str = "", exit_code: int = 0) -> Result:
        result = CliRunner().invoke(main, ["--config", str(file), *arguments], input=stdin)
        assert result.exit_code == exit_code, result.output
        assert "canary" not in result.output
        return result

    return run


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_channel_is_added_with_its_url_in_a_private_file(bwm, file):
    bwm("add-channel", "phone", "--person", "alice", "--min-severity", "high", "--redact", "sats", stdin=f"{URL}\n")
    text = file.read_text()
    assert text.startswith(CONFIG[: CONFIG.index("[defaults]")].rstrip())
    assert "[defaults]  # stays too" in text
    assert "canary" not in text
    assert mode(file) == 0o600
    assert mode(file.parent / "channels" / "phone") == 0o600
    log, phone = load(file).channels
    assert log.name == "log"
    assert (phone.name, phone.kind, phone.people) == ("phone", "apprise", ("alice",))
    assert (phone.min_severity, phone.redact) == ("high", ("sats",))
    assert phone.url is not None
    assert phone.url.reveal() == URL


def test_a_url_file_is_named_and_not_copied(bwm, file, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text(URL)
    secret.chmod(0o600)
    bwm("add-channel", "phone", "--url-file", str(secret))
    assert not (tmp_path / "channels").exists()
    assert f'url_file = "{secret}"' in file.read_text()


def test_a_url_file_that_others_can_read_is_refused_and_nothing_changes(bwm, file, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text(URL)
    secret.chmod(0o644)
    said = bwm("add-channel", "phone", "--url-file", str(secret), exit_code=2).stderr
    assert f"chmod 600 {secret}" in said
    assert file.read_text() == CONFIG


@pytest.mark.parametrize(
    ("arguments", "stdin", "words"),
    [
        (["log"], URL, "There is a channel 'log' already"),
        (["a b"], URL, "is no name for a channel"),
        (["phone"], "", "There is no URL"),
        (["phone"], "canary", "not an Apprise URL"),
        (["disk", "--kind", "file"], "", "it has no path"),
        (["disk", "--kind", "file", "--path", "nowhere/a.jsonl"], "", "missing or cannot be written"),
    ],
)
def test_what_cannot_work_is_not_added(bwm, file, arguments, stdin, words):
    assert words in bwm("add-channel", *arguments, stdin=stdin, exit_code=2).stderr
    assert file.read_text() == CONFIG
    assert sorted(path.name for path in file.parent.iterdir()) == ["bwm.toml"]


def test_a_change_that_makes_no_configuration_names_its_line(bwm, file):
    file.write_text(f"netwerk = 'main'\n{CONFIG}")
    with pytest.raises(ConfigError, match=rf"{file} was not changed. With the change, line 1: unknown key 'netwerk'"):
        add_channel(file, {"name": "phone", "kind": "file", "path": "phone.jsonl"})
    assert file.read_text() == f"netwerk = 'main'\n{CONFIG}"


def test_a_removed_channel_leaves_neither_section_nor_secret(bwm, file):
    bwm("add-channel", "phone", stdin=URL)
    bwm("remove-channel", "phone", "--yes")
    assert file.read_text().strip() == CONFIG.strip()
    assert not (file.parent / "channels" / "phone").exists()
    bwm("remove-channel", "log", "--yes")
    assert load(file).channels == ()
    assert "There is no channel 'log'" in bwm("remove-channel", "log", "--yes", exit_code=2).stderr


def test_a_channel_stays_where_the_database_cannot_be_told_that_it_goes(bwm, file, tmp_path):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "bwm.sqlite").write_bytes(b"this is no database" * 100)
    bwm("remove-channel", "log", "--yes", exit_code=1)
    assert file.read_text() == CONFIG


def test_two_configurations_in_one_folder_keep_their_secrets_apart(bwm, file, tmp_path):
    other = tmp_path / "signet.toml"
    other.write_text(CONFIG)
    other.chmod(0o600)
    bwm("add-channel", "phone", stdin=f"{URL}\n")
    for command, stdin in ("add-channel", "json://127.0.0.1:9/other\n"), ("remove-channel", "y\n"):
        done = CliRunner().invoke(main, ["--config", str(other), command, "phone"], input=stdin)
        assert done.exit_code == 0
        assert [channel.url.reveal() for channel in load(file).channels if channel.url] == [URL]


def test_channels_are_listed_without_their_urls(bwm):
    bwm("add-channel", "phone", stdin=URL)
    log, phone = json.loads(bwm("list-channels", "--json").stdout)
    assert log == {
        "name": "log",
        "kind": "file",
        "people": [],
        "min_severity": "info",
        "locale": "en",
        "timezone": "UTC",
        "redact": [],
        "tor": False,
        "path": log["path"],
        "healthy": True,
        "last_delivered_at": None,
    }
    assert phone["path"] is None
    assert "phone" in bwm("list-channels").stdout


def test_a_test_message_arrives_at_once(bwm, file):
    bwm("test-channel", "log")
    [line] = (file.parent / "alerts.jsonl").read_text().splitlines()
    assert json.loads(line)["kind"] == "channel.test"


def test_a_test_message_that_does_not_arrive_is_a_failure(bwm):
    bwm("add-channel", "phone", stdin=URL)
    assert "phone" in bwm("test-channel", "phone", exit_code=1).stderr
