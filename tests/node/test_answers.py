"""Answers on the command line, beside a running daemon: by code, taken back, put off, kept back, forced."""

import json
import re

import pytest

from bwm.answer import sealed
from regtest.daemon import Bwm
from regtest.node import wait_until

SETTINGS = """
[[channel]]
name = "sister"
kind = "file"
path = "{sister}"
people = ["family"]

[[alerts.duress]]
person = "owner"
seal = "{seal}"
"""


@pytest.fixture
def house(node, tmp_path, thief):
    """A running bwm that has told of a theft, by two channels of two people."""
    address = node.new_address()
    coin = node.pay(address, 5_000_000)
    node.mine()
    seal = sealed("blue-tractor", bytes(16))
    bwm = Bwm(tmp_path / "bwm", node, settings=SETTINGS.format(sister=tmp_path / "sister.jsonl", seal=seal))
    bwm("add-vault", "cold", "--address", address)
    bwm.start()
    node.spend(coin, thief)
    bwm.wait_for_alert(kind="trigger.seen")
    yield bwm
    bwm.kill()


def code_in(told) -> str:
    return re.findall(r"bwm ack ([a-z2-7]{4}-[a-z2-7]{4})", told["body"])[0]


def test_a_code_acknowledges_once_and_is_void_when_that_is_taken_back(house):
    [told] = house.delivered(kind="trigger.seen")
    assert told["id"] in house("ack", code_in(told)).stdout
    [alert] = house.alerts()
    assert (alert["state"], alert["acknowledged_by"]) == ("acknowledged", "owner by log")
    assert "already" in house("ack", code_in(told)).stdout
    assert "aaaa" not in house("ack", "aaaa-2222", exit_code=1).stderr

    house("unack", told["id"][:6], "--by", "alice")
    again = wait_until(lambda: house.delivered(kind="trigger.seen", attempt=2), "the second round")[0]
    assert code_in(again) != code_in(told)
    house("ack", code_in(told), exit_code=1)
    assert house.alerts()[0]["state"] == "open"
    assert [event["kind"] for event in house.events() if event["kind"].startswith("alert.")] == [
        "alert.acknowledged",
        "alert.code_refused",
        "alert.code_refused",
        "alert.unacknowledged",
        "alert.code_refused",
    ]
    assert house.wait_for_alert(kind="alert.code_refused")["severity"] == "warning"
    assert code_in(told) not in house.log_text() + house("events", "--json").stdout


def test_what_is_put_off_comes_back_and_what_is_kept_back_is_told_later(house, node):
    told = house.delivered(kind="trigger.seen")[0]
    house("snooze", told["id"], "2h")
    [alert] = house.alerts()
    assert alert["state"] == "open"
    assert {each["due_at"] for each in alert["deliveries"]} == {alert["snoozed_until"]}
    assert "7 days" in house("snooze", told["id"], "8d", exit_code=2).stderr

    house("silence", "1h", "--kind", "funds.*", "--reason", "moving house")
    [silence] = json.loads(house("silence", "--json").stdout)
    node.pay(house.rows("SELECT key FROM trigger")[0]["key"], 1_000)
    house.wait_for_event("funds.received")
    wait_until(lambda: house.rows("SELECT 1 FROM outbox WHERE held = 1"), "what is kept back")
    assert house.delivered(kind="funds.received") == []
    house("silence", "--end", silence["number"])
    house.wait_for_alert(kind="funds.received")


def test_a_forced_answer_looks_like_one_and_the_others_are_told(house, tmp_path):
    told = house.delivered(kind="trigger.seen")[0]
    done = house("ack", "blue-tractor")
    assert (done.stdout, done.stderr) == (f"Acknowledged {told['id']}.\n", "")
    sister = tmp_path / "sister.jsonl"
    wait_until(lambda: "alert.duress" in sister.read_text(), "the sister's alert")

    assert [alert["state"] for alert in house.alerts()] == ["acknowledged"]
    assert house.delivered(kind="alert.duress") == []
    assert "duress" not in house("events").stdout + json.dumps(house.status())


LADDER = """
[[alerts.escalate]]
to = ["family"]
after = "6h"

[[channel]]
name = "sister"
kind = "file"
path = "{sister}"
people = ["family"]
"""


def test_who_stands_higher_on_the_ladder_is_told_at_once_when_nobody_below_can_be(node, tmp_path, thief):
    coin, sister = node.pay(address := node.new_address(), 5_000_000), tmp_path / "sister.jsonl"
    node.mine()
    bwm = Bwm(tmp_path / "bwm", node, settings=LADDER.format(sister=sister))
    bwm("add-vault", "cold", "--address", address)
    bwm.start()
    try:
        spent = node.spend(coin, thief)
        bwm.wait_for_alert(txid=spent)
        assert not sister.exists()

        bwm.alerts_file.unlink()
        bwm.alerts_file.mkdir()
        other = node.spend(f"{spent}:0", node.new_address(wallet="thief"), wallet="thief")
        bwm("add-vault", "loot", "--outpoint", f"{spent}:0")
        wait_until(lambda: sister.exists() and other in sister.read_text(), "the sister's alert")
        assert spent not in {line["txid"] for line in map(json.loads, sister.read_text().splitlines())}
    finally:
        bwm.kill()
