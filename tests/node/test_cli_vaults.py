"""The commands about vaults, beside a real node."""

import json
import subprocess
from datetime import UTC, datetime

import pytest

from regtest.daemon import PROGRAM
from regtest.node import wait_until

UNKNOWN_TXID = "ab" * 32


def test_a_vault_is_added_listed_shown_edited_and_removed(node, bwm):
    address = node.new_address()
    coin = node.pay(address, 50_000)
    node.mine()
    bwm("add-vault", "cold", "--address", address, "--outpoint", coin, "--tag", "family", "--final-depth", 3)
    [vault] = bwm.json("list-vaults")
    assert (vault["name"], vault["tags"], vault["severity"]) == ("cold", ["family"], "emergency")
    assert (vault["final_depth"], vault["covered_from"]) == (3, node.height)
    assert {(trigger["kind"], trigger["key"]) for trigger in vault["triggers"]} == {
        ("script", address),
        ("outpoint", coin),
    }
    shown = bwm("show-vault", "cold").stdout
    assert address in shown
    assert coin in shown
    bwm("edit-vault", "cold", "--rename", "colder", "--severity", "high", "--no-tags")
    [vault] = bwm.json("list-vaults")
    assert (vault["name"], vault["tags"], vault["severity"]) == ("colder", [], "high")
    bwm("remove-vault", "colder")
    assert bwm.json("list-vaults") == []


def test_many_vaults_are_added_from_a_file_or_none_of_them(node, bwm):
    addresses = [node.new_address() for _ in range(3)]
    rows = [f"vault-{number},{address}" for number, address in enumerate(addresses)]
    bad = "\n".join(["name,address", *rows, "broken,bcrt1qnonsense"])
    said = bwm("add-vault", "--from-file", "-", stdin=bad, exit_code=2)
    assert "Line 5: 'bcrt1qnonsense'" in said.stderr
    assert bwm.json("list-vaults") == []
    bwm("add-vault", "--from-file", "-", "--tag", "imported", stdin="\n".join(["name,address", *rows]))
    listed = bwm.json("list-vaults")
    assert [vault["name"] for vault in listed] == ["vault-0", "vault-1", "vault-2"]
    assert {tag for vault in listed for tag in vault["tags"]} == {"imported"}


def test_what_was_listed_can_be_added_to_another_bwm(node, bwm, make_bwm):
    address, coin = node.new_address(), node.pay(node.new_address(), 50_000)
    bwm("add-vault", "cold", "--address", address, "--outpoint", coin, "--txid", UNKNOWN_TXID)
    second = make_bwm(node, "second")
    second("add-vault", "--from-file", "-", stdin=json.dumps(bwm.json("list-vaults")))
    [first], [copy] = bwm.json("list-vaults"), second.json("list-vaults")
    assert {trigger["key"] for trigger in copy["triggers"]} == {trigger["key"] for trigger in first["triggers"]}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["cold"], "would watch nothing"),
        ([], "Give the vault's NAME, or --from-file"),
        (["cold", "--txid", "abc"], "64 hexadecimal digits"),
        (["cold", "--outpoint", f"{UNKNOWN_TXID}:0", "--outpoint", "abc:1"], "Error: 'abc:1': a txid has 64"),
        (["cold", "--txid", UNKNOWN_TXID, "--birthday", "9999"], "above the node's tip"),
        (["cold", "--address", "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq"], "main"),
        (["-", "--txid", UNKNOWN_TXID], "is no name"),
        (["cold", "--descriptor", "wpkh(nonsense)"], "nonsense"),
    ],
)
def test_a_wish_that_cannot_be_granted_is_wrong_usage_and_adds_nothing(bwm, arguments, words):
    assert words in bwm("add-vault", *arguments, exit_code=2).stderr
    assert bwm.json("list-vaults") == []


def test_a_name_is_taken_once_and_must_be_known(bwm):
    bwm("add-vault", "cold", "--txid", UNKNOWN_TXID)
    assert "already" in bwm("add-vault", "cold", "--txid", "cd" * 32, exit_code=2).stderr
    for command in (["show-vault"], ["remove-vault"], ["edit-vault", "--severity", "high"], ["rescan", "--from", "1"]):
        assert "no vault 'warm'" in bwm(*command, "warm", exit_code=2).stderr


def test_a_node_that_is_away_is_a_failure_and_not_wrong_usage(node, bwm):
    node.stop()
    said = bwm("add-vault", "cold", "--txid", UNKNOWN_TXID, exit_code=1)
    assert "Traceback" not in said.stderr


def test_a_rescan_finds_what_happened_before_the_vault_was_added(node, bwm):
    coin = node.pay(node.new_address(), 50_000)
    node.mine()
    before = node.height
    txid = node.send(node.signed_spend(coin, node.new_address()))
    node.mine()
    bwm("add-vault", "cold", "--outpoint", coin)
    bwm.start()
    assert bwm.events("trigger.confirmed") == []
    assert bwm("rescan", "cold", "--from", before).stdout.endswith(f"from block {before} on.\n")
    assert bwm.wait_for_event("trigger.confirmed", txid=txid)["height"] == before + 1
    bwm("rescan", "cold", "--from", datetime.now(UTC).date().isoformat())


def test_a_date_as_birthday_is_a_height(node, bwm):
    bwm("add-vault", "cold", "--txid", UNKNOWN_TXID, "--birthday", "2010-01-01")
    assert bwm.json("show-vault", "cold")["birthday"] <= 1


def test_events_are_followed_as_they_come(node, bwm):
    coin = node.pay(node.new_address(), 50_000)
    node.mine()
    bwm("add-vault", "cold", "--outpoint", coin)
    bwm.start()
    command = [PROGRAM, "--config", bwm.config, "events", "--follow", "--json", "--kind", "trigger"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as following:
        txid = node.send(node.signed_spend(coin, node.new_address()))
        event = json.loads(following.stdout.readline())
        assert (event["kind"], event["txid"], event["vault"], event["block"]) == ("trigger.seen", txid, "cold", None)
        following.terminate()


def test_events_are_chosen_by_time_vault_and_kind(node, bwm):
    address = node.new_address()
    bwm("add-vault", "cold", "--address", address)
    bwm("add-vault", "warm", "--txid", UNKNOWN_TXID)
    bwm.start()
    txid = node.pay(address, 50_000).partition(":")[0]
    bwm.wait_for_event("funds.received", txid=txid)
    assert [event["txid"] for event in bwm.json_lines("events", "--vault", "cold")] == [txid]
    assert bwm.json_lines("events", "--vault", "warm") == []
    assert bwm.json_lines("events", "--kind", "trigger") == []
    assert bwm.json_lines("events", "--since", "2100-01-01") == []
    assert [event["txid"] for event in bwm.json_lines("events", "--since", "1h", "--kind", "funds")] == [txid]
    assert "is no time" in bwm("events", "--since", "soon", exit_code=2).stderr


def test_an_acknowledged_alert_is_closed_and_says_by_whom(node, bwm, receiver):
    coin = node.pay(node.new_address(), 50_000)
    node.mine()
    bwm("add-vault", "cold", "--outpoint", coin)
    bwm.start()
    txid = node.send(node.signed_spend(coin, node.new_address()))
    seen = bwm.wait_for_event("trigger.seen", txid=txid)

    def alert():
        return next((alert for alert in bwm.alerts() if alert["event"] == seen["seq"]), None)

    wait_until(lambda: (alert() or {}).get("deliveries"), "the alert")
    told = wait_until(
        lambda: alert() if all(each["state"] == "delivered" for each in alert()["deliveries"]) else None, "deliveries"
    )
    assert (told["state"], told["severity"], told["vault"], told["kind"]) == ("open", "emergency", "cold", seen["kind"])
    assert {each["channel"] for each in told["deliveries"]} == {"log", "phone"}
    assert told["id"] in bwm("alerts", "--state", "open").stdout
    bwm("ack", told["id"][:6], "--by", "alice")
    assert (alert()["state"], alert()["acknowledged_by"]) == ("acknowledged", "alice")
    assert "no alert" in bwm("ack", "zzzz", exit_code=2).stderr
    bwm("ack", "--all")
    assert bwm.json_lines("alerts", "--state", "open") == []


def test_a_backup_is_a_whole_private_database_and_overwrites_nothing(node, bwm):
    bwm("add-vault", "cold", "--txid", UNKNOWN_TXID)
    bwm.start()
    copy = bwm.home / "copy.sqlite"
    bwm("backup", copy)
    assert copy.stat().st_mode & 0o777 == 0o600
    assert "exists already" in bwm("backup", copy, exit_code=2).stderr
    assert "could not be copied" in bwm("backup", bwm.home / "nowhere" / "copy", exit_code=1).stderr
    bwm.stop()
    assert [path.name for path in bwm.home.iterdir() if path.name.startswith("copy")] == ["copy.sqlite"]
    bwm.config.write_text(f'network = "regtest"\n[database]\nurl = "sqlite:///{copy}"\n')
    assert [vault["name"] for vault in bwm.json("list-vaults")] == ["cold"]
