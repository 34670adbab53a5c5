"""init, doctor and status beside a real node."""

import json
import re
import shutil
import stat
import subprocess
import tomllib
from pathlib import Path

import pytest

from bwm.node.advice import BROADCASTING_CALLS, WATCHING_CALLS
from regtest.daemon import PROGRAM
from regtest.node import RegtestNode, wait_until

EXAMPLE = Path(__file__).parents[2] / "bitcoin.conf.example"


def verdicts(bwm, exit_code: int = 0) -> dict[str, list[str]]:
    """The verdicts of `bwm doctor` by the name of the check."""
    found: dict[str, list[str]] = {}
    for check in json.loads(bwm("doctor", "--json", exit_code=exit_code).stdout):
        found.setdefault(check["name"], []).append(check["verdict"])
    return found


def words(bwm, name: str, exit_code: int | None = None) -> str:
    """What `bwm doctor` says about one thing, and how to mend it."""
    checks = json.loads(bwm("doctor", "--json", exit_code=exit_code).stdout)
    return "\n".join("\n".join([check["words"], *check["mend"]]) for check in checks if check["name"] == name)


def with_node(bwm, lines: str) -> None:
    """Give the configuration's [node] section other lines."""
    text = bwm.config.read_text()
    bwm.config.write_text(re.sub(r"\[node\]\n.*?\n\n", f"[node]\n{lines}\n\n", text, flags=re.DOTALL))


def test_a_healthy_bwm_passes_every_check(node, bwm, receiver):
    friend = f'\n[[peer_node]]\nname = "friend"\nrpc = "{node.rpc_url}"\ncookie_file = "{node.cookie}"\n'
    bwm.config.write_text(bwm.config.read_text() + friend)
    bwm.start()
    found = verdicts(bwm)
    assert {verdict for each in found.values() for verdict in each} == {"ok"}
    assert {"configuration", "state folder", "node", "network", "chain", "rights", "feed", "daemon"} <= set(found)
    assert {"channel log", "channel phone", "database", "second node friend"} <= set(found)


def test_looking_changes_nothing(bwm):
    assert verdicts(bwm)["daemon"] == ["warn"]
    assert "bwm@regtest" in words(bwm, "daemon", exit_code=0)
    assert not bwm.state_dir.exists()


def test_a_node_that_is_away_fails(node, bwm):
    node.stop()
    assert verdicts(bwm, exit_code=1)["node"] == ["fail"]


def test_a_node_of_another_network_fails(bwm):
    bwm.config.write_text(bwm.config.read_text().replace('"regtest"', '"signet"', 1))
    assert verdicts(bwm, exit_code=1)["network"] == ["fail"]


def test_a_configuration_that_cannot_be_read_fails_with_its_line(bwm):
    bwm.config.write_text("network = 'regtest'\nnonsense = 1\n")
    assert "line 2: unknown key 'nonsense'" in words(bwm, "configuration", exit_code=1)


def test_no_channel_and_a_mistyped_one_fail(bwm, receiver):
    text = bwm.config.read_text()
    bwm.config.write_text(text.replace('url = "json:', 'url = "jsonn:'))
    found = verdicts(bwm, exit_code=1)
    assert (found["channel phone"], found["channel log"]) == (["fail"], ["ok"])
    bwm.config.write_text(text[: text.index("[[channel]]")])
    assert verdicts(bwm, exit_code=1)["channels"] == ["fail"]


def test_a_feed_that_is_missing_or_too_short_is_told_with_the_lines_that_mend_it(make_node, make_bwm):
    silent = make_node("silent", topics=())
    assert "zmqpubrawtxhwm=100000" in words(make_bwm(silent, "first"), "feed")
    short = make_node("short", topics=("rawblock",), extra_args=["-zmqpubrawblockhwm=5"])
    said = words(make_bwm(short, "second"), "feed")
    assert "does not publish rawtx" in said
    assert "holds 5 messages" in said


def test_an_endpoint_where_nobody_publishes_fails(node, bwm):
    bwm.config.write_text(bwm.config.read_text().replace(node.zmq, "tcp://127.0.0.1:1"))
    assert "tcp://127.0.0.1:1 cannot be reached" in words(bwm, "feed", exit_code=1)


def test_a_pruned_node_and_one_without_a_mempool_are_warnings(make_node, make_bwm):
    bwm = make_bwm(make_node(extra_args=["-prune=1", "-blocksonly=1"]))
    assert verdicts(bwm)["pruning"] == ["warn"]
    assert "blocksonly=1" in words(bwm, "mempool")


def test_open_folders_are_told_with_the_command_that_closes_them(bwm):
    bwm.start()
    bwm.state_dir.chmod(0o755)
    assert f"chmod 700 {bwm.state_dir}" in words(bwm, "state folder")


def test_a_damaged_database_fails(bwm):
    bwm.state_dir.mkdir(mode=0o700)
    bwm.database.write_bytes(b"this is no database" * 1000)
    assert verdicts(bwm, exit_code=1)["database"] == ["fail"]


@pytest.fixture
def home(folder) -> Path:
    """A person's home, with nothing in it."""
    path = folder / "home"
    path.mkdir()
    return path


def run(home: Path, *arguments: str, exit_code: int = 0) -> str:
    """Run bwm as a person who has only this home."""
    config = str(home / "etc" / "bwm.toml")
    done = subprocess.run(
        [PROGRAM, "--config", config, "--network", "regtest", *arguments],
        capture_output=True,
        text=True,
        env={"HOME": str(home)},
        check=False,
    )
    assert done.returncode == exit_code, done.stderr
    return done.stdout + done.stderr


def test_init_gives_bwm_a_user_with_just_the_rights_it_needs(home, folder, make_node, bitcoind):
    """The lines it prints are put into bitcoin.conf; then doctor finds nothing missing."""
    said = run(home, "init")
    assert "Add to bitcoin.conf, into its section [regtest], then restart the node:" in said
    config = tomllib.loads((home / "etc" / "bwm.toml").read_text())
    assert config["node"]["user"] == "bwm"
    password = (home / "etc" / "node-password").read_text().strip()
    assert password not in said
    for name in ("bwm.toml", "node-password"):
        assert stat.S_IMODE((home / "etc" / name).stat().st_mode) == 0o600
    lines = [line for line in said.splitlines() if re.match(r"(rpc|zmq)\w+=", line)]
    node = make_node("own-user", topics=(), extra_args=[f"-{line}" for line in lines])
    assert node.rpc("getblockcount")  # whoever has the cookie may do what he could before
    text = (home / "etc" / "bwm.toml").read_text().replace("http://127.0.0.1:18443", node.rpc_url)
    (home / "etc" / "bwm.toml").write_text(text)
    checks = json.loads(run(home, "doctor", "--json", exit_code=1))
    assert {check["name"] for check in checks if check["verdict"] == "fail"} == {"channels"}
    assert [check["verdict"] for check in checks if check["name"] == "rights"] == ["ok"]


def test_init_finds_a_node_in_its_usual_place_and_asks_for_nothing_that_is_there(home, bitcoind):
    with RegtestNode(home / ".bitcoin", bitcoind=bitcoind) as node:
        said = run(home, "init")
        config = tomllib.loads((home / "etc" / "bwm.toml").read_text())
        assert config["node"]["cookie_file"] == str(node.cookie)
        assert config["network"] == "regtest"
        assert config["state_dir"] == str(home / ".local/state/bwm/regtest")
        assert str(node.cookie.parent) in said


def test_init_never_writes_over_a_configuration_unless_forced(home):
    run(home, "init")
    before = (home / "etc" / "bwm.toml").read_text()
    assert "was not touched" in run(home, "init", exit_code=2)
    assert (home / "etc" / "bwm.toml").read_text() == before
    run(home, "init", "--force")


def test_a_right_that_is_missing_is_named_with_the_line_that_mends_it(home, make_node):
    lines = [line for line in run(home, "init").splitlines() if line.startswith("rpc")]
    short = [line.replace("getrawmempool,", "").replace("scantxoutset,", "") for line in lines]
    node = make_node("short", extra_args=[f"-{line}" for line in short])
    file = home / "etc" / "bwm.toml"
    file.write_text(file.read_text().replace("http://127.0.0.1:18443", node.rpc_url))
    [rights] = [check for check in json.loads(run(home, "doctor", "--json", exit_code=1)) if check["name"] == "rights"]
    assert rights["verdict"] == "fail"
    assert rights["mend"] == ["add to bwm's rpcwhitelist line in bitcoin.conf: getrawmempool,scantxoutset"]


def test_the_example_of_bitcoin_conf_is_what_bwm_wants(folder, bitcoind):
    """It names every call, and a node starts with it."""
    text = EXAMPLE.read_text()
    [whitelist] = re.findall(r"^rpcwhitelist=bwm:(.*)$", text, re.MULTILINE)
    assert sorted(whitelist.split(",")) == sorted(WATCHING_CALLS + BROADCASTING_CALLS)
    shutil.copy(EXAMPLE, folder / "bitcoin.conf")
    wanted = {line for line in text.splitlines() if line.startswith("zmqpub")}
    arguments = [f"-{line}" for line in wanted if "hwm" in line]
    with RegtestNode(folder / "example", bitcoind=bitcoind, extra_args=arguments) as node:
        marks = {each["type"]: each["hwm"] for each in node.rpc("getzmqnotifications")}
    assert marks == {"pubhashblock": 100000, "pubrawtx": 100000, "pubsequence": 100000}


def test_status_works_with_and_without_a_daemon_and_a_node(node, bwm, receiver):
    status = bwm.status()
    assert (status["running"], status["covered"], status["network"]) == (False, False, "regtest")
    assert status["node"]["height"] == node.height
    assert "NOT RUNNING" in bwm("status").stdout
    bwm.start()
    wait_until(lambda: bwm.status()["feed"]["connected"], "the feed")
    status = bwm.status()
    assert (status["running"], status["covered"]) == (True, True)
    assert status["feed"]["topics"] == ["hashblock", "rawtx", "sequence"]
    assert [channel["name"] for channel in status["channels"]] == ["log", "phone"]
    node.stop()
    assert bwm.status()["node"]["reachable"] is False
    assert "NOT REACHABLE" in bwm("status").stdout


def test_status_says_since_when_it_is_blind_and_for_which_vaults(node, bwm):
    bwm("add-vault", "cold", "--address", node.new_address())
    bwm.start()
    assert "blind" not in bwm("status").stdout
    node.stop()
    since = wait_until(lambda: bwm.status()["blind_since"], "the blindness")
    said = bwm("status").stdout
    assert f"NO, blind since {since}; not watched: cold\n" in said
    assert "1 trigger, 1 vault\n" in said
