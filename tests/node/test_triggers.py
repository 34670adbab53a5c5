"""Each kind of trigger is seen on its way and in its block, journaled and told in the shapes that programs rely on."""

import re

import pytest

from tests.node.freely import ANYONE, P2A, anyones_address, script_of, spend_freely

SATS = 5_000_000

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
HASH = "[0-9a-f]{64}"


def listed(bwm, kind, txid):
    """The one event of a kind about a transaction, as `bwm events --json` prints it."""
    [event] = [event for event in bwm.json_lines("events", "--kind", kind) if event["txid"] == txid]
    return event


def test_a_stolen_coin_is_told_with_every_field_that_was_promised(node, guarded, coin, thief, receiver):
    txid = node.spend(coin, thief)
    line = guarded.wait_for_alert(kind="trigger.seen")
    [message] = receiver.wait_for(text=line["id"])

    event = listed(guarded, "trigger.seen", txid)
    assert re.fullmatch(TIME, event.pop("at"))
    assert isinstance(event.pop("key"), str)
    assert isinstance(event.pop("seq"), int)
    assert event == {
        "kind": "trigger.seen",
        "network": "regtest",
        "vault": "cold",
        "guardian": None,
        "trigger": {"kind": "outpoint", "key": coin},
        "txid": txid,
        "block": None,
        "sats": SATS,
        "detail": {},
        "reason": f"spends watched outpoint {coin}",
    }
    assert {name: line[name] for name in ("vault", "guardian", "kind", "txid", "severity", "attempt")} == {
        "vault": "cold",
        "guardian": None,
        "kind": "trigger.seen",
        "txid": txid,
        "severity": "emergency",
        "attempt": 1,
    }
    assert "vault cold" in message.text
    assert line["id"] in message.text

    block = node.mine()[0]
    guarded.wait_for_event("trigger.confirmed")
    assert listed(guarded, "trigger.confirmed", txid)["block"] == {"height": node.height, "hash": block}


def test_an_alert_is_listed_with_its_deliveries(node, guarded, coin, thief, receiver):
    node.spend(coin, thief)
    told = guarded.wait_for_alert(kind="trigger.seen")
    receiver.wait_for(text=told["id"])

    [alert] = guarded.alerts()

    deliveries = {delivery.pop("channel"): delivery for delivery in alert.pop("deliveries")}
    assert re.fullmatch(TIME, alert.pop("created_at"))
    assert re.fullmatch(TIME, deliveries["log"].pop("delivered_at"))
    assert re.fullmatch(TIME, deliveries["log"].pop("due_at"))
    waits = {"held": False, "rung": 0}
    assert deliveries["log"] == {"state": "delivered", "attempts": 1, "last_error": None, **waits}
    assert deliveries["phone"]["attempts"] == 1
    assert alert == {
        "id": told["id"],
        "event": told["event"],
        "kind": "trigger.seen",
        "vault": "cold",
        "guardian": None,
        "severity": "emergency",
        "title": told["title"],
        "body": alert["body"],
        "state": "open",
        "acknowledged_at": None,
        "acknowledged_by": None,
        "revision": 0,
        "snoozed_until": None,
    }


@pytest.mark.parametrize("kind", ["legacy", "p2sh-segwit", "bech32", "bech32m"])
def test_an_address_of_every_kind_is_watched_for_payments_and_for_spends(node, bwm, thief, kind):
    address = node.new_address(kind)
    bwm("add-vault", "cold", "--address", address)
    bwm.start()

    coin = node.pay(address, SATS)
    received = bwm.wait_for_event("funds.received", txid=coin.split(":")[0])
    node.mine()
    theft = node.spend(coin, thief)
    seen = bwm.wait_for_event("trigger.seen", txid=theft)

    assert (received["trigger_kind"], received["trigger_key"], received["sats"]) == ("script", address, SATS)
    assert (seen["trigger_kind"], seen["trigger_key"], seen["sats"]) == ("script", address, SATS)
    assert bwm.wait_for_alert(txid=theft)["severity"] == "emergency"


@pytest.mark.parametrize("script", ["p2wsh", "p2a"])
def test_an_address_that_needs_no_signature_is_watched_as_well(node, bwm, thief, script):
    address = P2A if script == "p2a" else anyones_address(node)
    coin = node.pay(address, SATS)
    node.mine()
    bwm("add-vault", "cold", "--address", address)
    bwm.start()

    witness = () if script == "p2a" else (ANYONE,)
    theft = node.send(spend_freely(coin, [(SATS - 10_000, script_of(node, thief))], witness))

    assert bwm.wait_for_event("trigger.seen", txid=theft)["sats"] == SATS
    node.mine()
    assert bwm.wait_for_event("trigger.confirmed", txid=theft)["trigger_key"] == address


def test_a_watched_transaction_is_seen_and_so_is_another_that_spends_its_coins(node, bwm, coin, thief):
    theft = node.signed_spend(coin, thief, feerate=5)
    txid = node.rpc("decoderawtransaction", theft)["txid"]
    bwm("add-vault", "rewind", "--txid", txid)
    bwm.start()

    node.send(theft)
    assert bwm.wait_for_event("trigger.seen", txid=txid)["trigger_key"] == txid
    second = node.spend(coin, node.new_address(wallet="thief"), feerate=50)

    rival = bwm.wait_for_event("trigger.seen", txid=second)
    assert (rival["trigger_kind"], rival["trigger_key"], rival["detail"]) == ("txid", txid, {"rival": True})
    assert bwm.wait_for_event("trigger.replaced", txid=txid)["detail"]["by"] == second


def test_a_descriptor_is_watched_as_far_as_its_use_goes_and_a_gap_further(node, bwm):
    descriptor = descriptor_of(node)
    addresses = node.rpc("deriveaddresses", descriptor, [0, 1040])
    bwm("add-vault", "wallet", "--descriptor", descriptor)
    bwm.start()

    for index in (9, 990, 1008, 1025):  # beyond the first thousand, each is within the gap limit of the one before
        coin = node.pay(addresses[index], SATS)
        received = bwm.wait_for_event("funds.received", txid=coin.split(":")[0])
        assert (received["trigger_kind"], received["trigger_key"]) == ("descriptor", descriptor)
        assert received["detail"]["indexes"] == [index]


def test_a_descriptor_used_far_ahead_within_one_block_is_followed_all_the_way(node, bwm):
    descriptor = descriptor_of(node)
    addresses = node.rpc("deriveaddresses", descriptor, [0, 1040])
    bwm("add-vault", "wallet", "--descriptor", descriptor)
    bwm.start()
    bwm.kill()

    far_to_near = [node.pay(addresses[index], SATS).split(":")[0] for index in (1025, 1008, 990)]
    node.mine()
    bwm.start()

    for txid in far_to_near:
        bwm.wait_for_event("funds.confirmed", txid=txid)


def test_a_payment_that_came_before_its_address_was_in_reach_is_found_in_the_mempool(node, make_bwm):
    descriptor = descriptor_of(node)
    addresses = node.rpc("deriveaddresses", descriptor, [0, 1040])
    bwm = make_bwm(node, settings='[defaults]\nreconcile_every = "2s"')
    bwm("add-vault", "wallet", "--descriptor", descriptor)
    bwm.start()

    far = node.pay(addresses[1008], SATS).split(":")[0]
    near = node.pay(addresses[990], SATS).split(":")[0]

    bwm.wait_for_event("funds.received", txid=near)
    bwm.wait_for_event("funds.received", txid=far)


def descriptor_of(node):
    """The descriptor of the owner's wallet for its segwit addresses."""
    node.new_address()
    known = node.rpc("listdescriptors", wallet="vault")["descriptors"]
    return next(each["desc"] for each in known if each["desc"].startswith("wpkh") and not each["internal"])


def test_a_guardians_lock_is_told_and_stops_a_signers_script(node, bwm, address, coin, receiver):
    unlock = node.spend(coin, address, data=b"guardv1.Lock=false#1")
    node.mine(6)
    bwm("add-guardian", "family", address)
    bwm.start()
    bwm("guardian-state", "family")

    txid = node.spend(f"{unlock}:0", address, data=b"guardv1.Lock=true#2")
    line = bwm.wait_for_alert(kind="guardian.locked")

    event = listed(bwm, "guardian.locked", txid)
    assert (event["guardian"], event["vault"], event["block"]) == ("family", None, None)
    assert (line["guardian"], line["txid"], line["severity"]) == ("family", txid, "critical")
    assert "guardian family" in receiver.wait_for(text=line["id"])[0].text
    assert bwm("guardian-state", "family", exit_code=3).stdout.startswith("locked")
    assert bwm.json("show-guardian", "family")["nonce"] == 2
    node.mine()
    bwm.wait_for_event("guardian.confirmed", txid=txid)
    assert len(bwm.events("guardian.locked")) == 1
    assert not bwm.events("guardian.balance_zero")  # its change is a coin of the guardian's again
