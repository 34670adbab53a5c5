"""Whatever is wrong is said in one paragraph that names it and the way out; nothing is half written."""

import re

import pytest

from regtest.node import wait_until

TXID = "ab" * 32
MAIN_ADDRESS = "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq"
REGTEST_ADDRESS = "bcrt1qs758ursh4q9z627kt3pp5yysm78ddny6txaqgw"  # of BIP 173's test program
KEY = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"  # the generator of secp256k1


def refused(bwm, *arguments, exit_code=2, stdin=""):
    """What a command says when it refuses: one paragraph, without a traceback."""
    done = bwm(*arguments, exit_code=exit_code, stdin=stdin)
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    [error] = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert len(error) < 500
    return error


BAD_TRIGGERS = [
    (("--txid", TXID[:-1]), "64"),
    (("--txid", "0x" + TXID), "without 0x"),
    (("--outpoint", TXID), "TXID:VOUT"),
    (("--outpoint", f"{TXID}:-1"), "TXID:VOUT"),
    (("--outpoint", f"{TXID}:4294967296"), "4294967295"),
    (("--address", MAIN_ADDRESS), "regtest"),
    (("--address", REGTEST_ADDRESS[:-1] + "x"), "checksum"),
    (("--address", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"), "regtest"),
    (("--descriptor", f"wpkh(02{KEY})"), "checksum"),
    (("--descriptor", f"wpkh(02{KEY})#aaaaaaaa"), "checksum"),
    (("--descriptor", "wpkk(nothing)#aaaaaaaa"), "descriptor"),
    (("--address", REGTEST_ADDRESS, "--birthday", "99999999"), "99999999"),
    (("--address", REGTEST_ADDRESS, "--birthday", "yesterday"), "yesterday"),
    (("--address", REGTEST_ADDRESS, "--birthday", "2099-01-01"), "2099-01-01 lies after the node's last block"),
]


def test_a_trigger_that_cannot_be_watched_is_refused_and_nothing_is_written(bwm):
    said = {arguments: refused(bwm, "add-vault", "cold", "--txid", TXID, *arguments) for arguments, _ in BAD_TRIGGERS}
    assert [(arguments, said[arguments]) for arguments, words in BAD_TRIGGERS if words not in said[arguments]] == []
    assert "watch nothing" in refused(bwm, "add-vault", "cold")
    assert bwm.json("list-vaults") == []


def test_a_name_that_is_taken_or_unreadable_is_refused(bwm):
    bwm("add-vault", "cold", "--txid", TXID)
    assert "'cold'" in refused(bwm, "add-vault", "cold", "--txid", "cd" * 32)
    assert "letters" in refused(bwm, "add-vault", "co\nld", "--txid", TXID)
    assert "'nobody'" in refused(bwm, "show-vault", "nobody")
    assert [vault["name"] for vault in bwm.json("list-vaults")] == ["cold"]


GOOD_CSV = f"name,txid,address\ncold,{TXID},\n"
GOOD_JSON = f'[{{"name": "cold",\n  "txids": ["{TXID}"]}},\n'
BAD_FILES = [
    (GOOD_CSV + f"warm,,{MAIN_ADDRESS}\n", "Line 3"),
    (GOOD_CSV + "warm,12,\n", "Line 3"),
    (GOOD_CSV + "warm,,,,,,\n", "Line 3"),
    (GOOD_CSV.replace("txid", "txdi") + "\n", "Line 1"),
    (GOOD_JSON + '{"name": "warm", "txids": ["12"]}]', "Line 3"),
    (GOOD_JSON + '{"name": "warm", "adresses": []}]', "Line 3"),
    (GOOD_JSON + '{"name": "warm", "txids": [', "Line 3"),
    (GOOD_JSON + '["warm"]]', "Line 3"),
]


def test_a_file_with_one_bad_line_is_refused_as_a_whole_and_the_line_is_named(bwm):
    for text, line in BAD_FILES:
        assert line in refused(bwm, "add-vault", "--from-file", "-", stdin=text), text
    assert bwm.json("list-vaults") == []


def test_a_descriptor_in_a_file_that_the_node_refuses_spoils_the_whole_file(bwm):
    text = f'name,txid,descriptor\ncold,{TXID},\nwarm,,"wpkh(02{KEY})#aaaaaaaa"\n'
    refused(bwm, "add-vault", "--from-file", "-", stdin=text)
    assert bwm.json("list-vaults") == []


def with_config(bwm, text):
    bwm.config.write_text(text)
    return refused(bwm, "run"), refused(bwm, "list-vaults")


def test_a_configuration_that_is_not_understood_is_named_with_its_line(bwm):
    good = bwm.config.read_text()
    lines = good.splitlines()
    at = lines.index("[node]") + 1
    for error in with_config(bwm, "\n".join([*lines[:at], 'cookie = "x"', *lines[at:]])):
        assert f"line {at + 1}" in error
        assert "'cookie'" in error
    for error in with_config(bwm, good.replace('network = "regtest"', 'network = "mainnet"')):
        assert "line 1" in error
    for error in with_config(bwm, good + "\n[[[\n"):
        assert "no valid TOML" in error
    bwm.config.write_bytes(b"\xff\xfe")
    assert "UTF-8" in refused(bwm, "run")
    bwm.config.unlink()
    assert "cannot be read" in refused(bwm, "run")
    assert not bwm.state_dir.exists()


def test_a_node_of_another_network_is_refused_by_commands_and_told_by_the_daemon(bwm):
    bwm.config.write_text(bwm.config.read_text().replace('"regtest"', '"signet"'))

    assert "regtest" in refused(bwm, "add-vault", "cold", "--txid", TXID, exit_code=1)
    bwm.start(until_ready=False)

    bwm.wait_for_alert(kind="node.wrong_network", severity="critical")
    assert bwm.is_running
    status = bwm.status()
    assert (status["covered"], status["cursor"]) == (False, None)
    assert bwm.json("list-vaults") == []


def test_a_node_that_still_catches_up_is_said_so_and_nothing_is_concluded_from_it(node, bwm, coin):
    bwm("add-vault", "cold", "--outpoint", coin)
    later = node.rpc("getblockheader", node.tip)["time"] + 1800
    node.extra_args = ("-maxtipage=1", f"-mocktime={later}")  # a tip of half an hour: the node thinks it lags behind
    node.restart()
    assert node.rpc("getblockchaininfo")["initialblockdownload"]

    bwm.start(until_ready=False)
    wait_until(lambda: bwm.status()["node"]["syncing"] and bwm.status()["blind_since"], "the word that it catches up")

    status = bwm.status()
    assert (status["running"], status["covered"]) == (True, False)
    node.mine()  # a fresh block ends it
    bwm.wait_ready()


def test_a_past_that_there_is_not_is_not_replayed(node, bwm):
    tip = str(node.rpc("getblockcount"))
    for blocks in ("--from", "-1"), ("--from", "0", "--to", "99999999"), ("--from", tip, "--to", "0"):
        assert "--from" in refused(bwm, "replay", "--blocks", *blocks)
    assert "after --to" in refused(bwm, "replay", "--from", "1h", "--to", "2h")
    assert bwm("replay", "--blocks", "--from", tip).stderr.startswith("0 events")


@pytest.mark.parametrize("arguments", [("rescan", "cold", "--from", "never"), ("ack", "zzz"), ("ack",), ("nonsense",)])
def test_wrong_usage_is_told_in_a_paragraph(bwm, arguments):
    said = bwm(*arguments, exit_code=2).stderr
    assert "Traceback" not in said
    assert re.search(r"^Error: .+", said, re.MULTILINE), said


def test_a_node_that_is_away_is_a_failure_of_one_paragraph(node, bwm):
    node.stop()
    assert "start the node" in refused(bwm, "add-vault", "cold", "--txid", TXID, exit_code=1)
    assert bwm.json("list-vaults") == []
