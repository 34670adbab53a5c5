"""How bwm ends: the exit code by the kind of error, no traceback unless asked for."""

import os
import pwd
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bwm.cli.checks import state_folder
from bwm.cli.main import main
from bwm.cli.session import refuse_stranger
from bwm.config import Config
from bwm.errors import UsageError
from regtest.node import wait_until

PROGRAM = str(Path(sys.executable).with_name("bwm"))


@pytest.fixture
def environment(tmp_path):
    return {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}


@pytest.fixture
def run(tmp_path, environment):
    """Run bwm as a person would, in a home of its own."""

    def command(*arguments: str, stdin: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [PROGRAM, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            env=environment | variables,
            cwd=tmp_path,
            timeout=60,
        )

    return command


def test_a_wrong_configuration_is_wrong_usage_told_in_one_paragraph(run, tmp_path):
    (tmp_path / "bwm.toml").write_text("netwrok = 'main'\n")
    done = run("--config", "bwm.toml", "list-vaults")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f"Error: {tmp_path}/bwm.toml line 1: unknown key 'netwrok'. Did you mean network?")
    assert done.stderr.count("\n") == 1


EMPTY = {
    ("list-vaults",): "There is no vault yet. Add one: bwm add-vault NAME",
    ("list-guardians",): "There is no guardian yet. Add one: bwm add-guardian NAME ADDRESS",
    ("list-channels",): "There is no channel, so nobody will be told. Add one: bwm add-channel phone",
    ("list-responses",): "Nothing was signed in advance yet. Add it: bwm add-response VAULT NAME --tx FILE",
    ("list-announcements",): "No spend was announced.",
    ("list-tokens",): "There is no token: no program may call the API. Add one: bwm add-token NAME --scope read",
    ("silence",): "No silence holds.",
    ("alerts",): "There is no alert.",
    ("alerts", "--state", "open"): "No alert is open.",
    ("events",): "The journal is empty: nothing has happened yet.",
    ("events", "--vault", "cold"): "No event fits.",
}


def test_where_there_is_nothing_to_show_a_person_is_told_so_and_a_program_reads_an_empty_answer(tmp_path):
    (tmp_path / "bwm.toml").write_text(f"state_dir = '{tmp_path}'")

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(main, ["--config", str(tmp_path / "bwm.toml"), *arguments])

    said = {arguments: run(*arguments) for arguments in EMPTY}
    assert {arguments: done.stderr.strip() for arguments, done in said.items()} == EMPTY
    assert {done.stdout for done in said.values()} == {""}
    for arguments in EMPTY:
        done = run(*arguments, "--json")
        assert (done.stdout.strip(), done.stderr) == ("" if arguments[0] in ("events", "alerts") else "[]", "")


def test_a_database_is_not_replaced_where_nobody_can_be_asked(run, tmp_path):
    assert run("list-vaults").returncode == 0
    assert run("backup", "copy").returncode == 0
    refused = run("restore", "copy")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "Give --yes" in refused.stderr
    assert sorted(path.name for path in (tmp_path / ".local/state/bwm").iterdir()) == ["bwm.lock", "bwm.sqlite"]
    assert run("restore", "copy", "--yes").returncode == 0


def test_debug_shows_where_an_error_comes_from(run):
    done = run("--debug", "--config", "nowhere.toml", "list-vaults")
    assert done.returncode == 2
    assert "Traceback" in done.stderr


def test_what_fails_without_the_askers_fault_exits_with_1(run, tmp_path):
    state = tmp_path / ".local/state/bwm"
    state.mkdir(parents=True)
    (state / "bwm.sqlite").write_bytes(b"this is no database" * 100)
    done = run("list-vaults")
    assert done.returncode == 1
    assert str(state / "bwm.sqlite") in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [["no-such-command"], ["events", "--no-such-option"], ["show-vault"]])
def test_wrong_usage_exits_with_2(run, arguments):
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["add-vault", "cold", "--txid", "ab" * 32, "--tag", ""], "Invalid value for '--tag': it is empty"),
        (["edit-vault", "cold", "--tag", " "], "Invalid value for '--tag': it is empty"),
        (["edit-guardian", "family", "--tag", ""], "Invalid value for '--tag': it is empty"),
        (["add-token", "alice", "--scope", "read", "--vault", ""], "Invalid value for '--vault': it is empty"),
        (["add-channel", "phone", "--person", ""], "Invalid value for '--person': it is empty"),
        (["silence", "1h", "--vault", ""], "Invalid value for '--vault': it is empty"),
        (["silence", "1h", "--kind", "nod.*"], "'nod.*' names no kind of event. Did you mean node."),
        (["cancel-announcement", "7"], "There is no announcement 7. `bwm list-announcements` lists them."),
    ],
)
def test_what_means_nothing_is_refused(tmp_path, arguments, words):
    (tmp_path / "bwm.toml").write_text(f"state_dir = '{tmp_path}'")
    done = CliRunner().invoke(main, ["--config", str(tmp_path / "bwm.toml"), *arguments])
    assert (done.exit_code, done.stdout) == (2, "")
    assert words in done.stderr


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["add-channel", "phone", "--url-file", "FILE"], "FILE"),
        (["add-channel", "phone", "--kind", "webhook", "--url-file", "URL", "--secret-file", "FILE"], "FILE"),
        (["add-channel", "phone"], "Standard input"),
        (["seal-code"], "Standard input"),
        (["announce", "--message", "FILE"], "FILE"),
        (["announce", "--message", "SIGNED", "--signature", "FILE"], "FILE"),
        (["add-response", "cold", "sweep", "--tx", "FILE"], "FILE"),
    ],
)
def test_bytes_that_are_no_text_are_wrong_usage(tmp_path, arguments, name):
    binary = tmp_path / "FILE"
    binary.write_bytes(b"\xff\xfe\x00nothing\n")
    (tmp_path / "URL").write_text("https://example.org/hook")
    signed = f"bwm-announcement-1 network=main vault=cold txid={'ab' * 32} max-fee=0 from=1 until=2 nonce={'0' * 32}"
    (tmp_path / "SIGNED").write_text(signed)
    (tmp_path / "bwm.toml").write_text(f"state_dir = '{tmp_path}'")
    given = [str(tmp_path / word) if word in ("FILE", "URL", "SIGNED") else word for word in arguments]
    done = CliRunner().invoke(main, ["--config", str(tmp_path / "bwm.toml"), *given], input=binary.read_bytes())
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == f"Error: {binary if name == 'FILE' else name} is no text; nothing was changed.\n"


def test_options_may_come_from_the_environment(run):
    assert '"network": "signet"' in run("status", "--json", BWM_NETWORK="signet").stdout


def test_a_bug_is_told_in_a_sentence_and_shown_with_debug(monkeypatch):
    def fail(config: object, network: object) -> None:
        raise KeyError("canary")

    monkeypatch.setattr("bwm.config.load", fail)
    done = CliRunner().invoke(main, ["list-vaults"])
    assert done.exit_code == 1
    assert done.stderr == "Error: bwm failed by a KeyError, which is a bug. With --debug it shows where.\n"
    assert "Traceback" in CliRunner().invoke(main, ["--debug", "list-vaults"]).stderr
    assert "event=bwm.failed exception=" in CliRunner().invoke(main, ["run"]).stderr


def test_what_the_database_refuses_is_told_with_the_mend(run, tmp_path):
    assert run("list-vaults").returncode == 0
    database = tmp_path / ".local/state/bwm/bwm.sqlite"
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("DROP TABLE alert")
    done = run("alerts")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: The database could not be read or written: no such table: alert.")
    assert "Traceback" not in done.stderr


def test_nobody_makes_files_among_those_of_the_daemons_user(run, tmp_path):
    user, state = folder_of_another_user(tmp_path)
    (tmp_path / "bwm.toml").write_text(f"state_dir = '{state}'")
    before = sorted(state.iterdir())
    done = run("--config", "bwm.toml", "list-vaults")
    assert done.returncode == 2
    assert f"sudo -u {user} bwm" in done.stderr
    looked = run("--config", "bwm.toml", "doctor")
    assert looked.returncode == 1
    assert f"fail  state folder: {state} belongs to {user}. Run this as that user: sudo -u {user} bwm" in looked.stdout
    assert sorted(state.iterdir()) == before


def folder_of_another_user(tmp_path) -> tuple[str, Path]:
    """Only root can give one away; for anybody else root's own are such."""
    if os.geteuid() != 0:
        return "root", Path("/usr")
    state, nobody = tmp_path / "state", pwd.getpwnam("nobody")
    state.mkdir()
    os.chown(state, nobody.pw_uid, nobody.pw_gid)
    return "nobody", state


def test_who_may_not_look_into_the_daemons_folder_is_told_so(tmp_path):
    shut, state = tmp_path / "shut", tmp_path / "shut/state"
    state.mkdir(parents=True)
    shut.chmod(0)
    try:
        for state_dir, words in (Path("/usr"), "/usr belongs to root"), (state, f"{state} is closed to this user"):
            with not_as_root(), pytest.raises(UsageError, match=words):
                refuse_stranger(Config(network="main", state_dir=state_dir, database_url=""))
    finally:
        shut.chmod(0o700)
    refuse_stranger(Config(network="main", state_dir=state, database_url=""))


def test_a_state_folder_below_a_file_is_told_to_be_none(run, tmp_path):
    (tmp_path / "bwm.toml").write_text(f"state_dir = '{tmp_path}/bwm.toml/state'")
    for command in ("list-vaults", "doctor"):
        done = run("--config", "bwm.toml", command)
        assert f"{tmp_path}/bwm.toml/state cannot be a folder" in done.stdout + done.stderr
        assert done.returncode == (2 if command == "list-vaults" else 1)


def test_a_state_folder_that_cannot_be_made_is_a_failure(tmp_path):
    with not_as_root():
        [check] = state_folder(Path("/usr/bwm/state"))
    assert (check.verdict, "may not make it in /usr" in check.words) == ("fail", True)
    assert [check.verdict for check in state_folder(tmp_path / "bwm" / "state")] == ["ok"]


@contextmanager
def not_as_root() -> Iterator[None]:
    """Nothing is closed to root."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(pwd.getpwnam("nobody").pw_uid)
    try:
        yield
    finally:
        os.seteuid(user)


def test_a_reader_that_leaves_is_no_error_to_tell(environment, tmp_path):
    """The pipe's reader is gone before anything is written."""
    with subprocess.Popen(
        [PROGRAM, "status"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, cwd=tmp_path
    ) as process:
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()
        assert process.wait(30) == 1


def test_ctrl_c_ends_quietly_with_130(environment, tmp_path):
    with subprocess.Popen(
        [PROGRAM, "events", "--follow"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        cwd=tmp_path,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # shells have what they put aside ignore it
    ) as process:
        wait_until((tmp_path / ".local/state/bwm/bwm.sqlite-wal").exists, "the open database")
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert process.stderr.read() == b""
