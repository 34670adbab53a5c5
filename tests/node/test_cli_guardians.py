"""The commands about guardians, beside a real node."""

import json

from regtest.node import wait_until


def signal(node, coin, address, payload):
    """Spend the guardian's coin back to it with a signal; the coin that it then has."""
    return f"{node.spend(coin, address, data=payload)}:0"


def unlocked_guardian(node):
    """A guardian's address and its coin, unlocked for good."""
    address = node.new_address()
    coin = node.pay(address, 100_000)
    node.mine()
    coin = signal(node, coin, address, b"guardv1.Lock=false#1")
    node.mine(6)
    return address, coin


def state_code(bwm, *options, exit_code):
    return bwm("guardian-state", "family", *options, exit_code=exit_code)


def test_a_guardian_is_added_listed_shown_and_removed(node, bwm):
    address, _ = unlocked_guardian(node)
    bwm("add-guardian", "family", address)
    [guardian] = bwm.json("list-guardians")
    assert (guardian["name"], guardian["address"]) == ("family", address)
    assert (guardian["state"], guardian["nonce"], guardian["pending_unlock"]) == ("unlocked", 1, None)
    shown = bwm.json("show-guardian", "family")
    assert guardian.items() <= shown.items()
    assert [event["kind"] for event in shown["events"]] == ["guardian.added"]
    assert address in bwm("show-guardian", "family").stdout
    assert "unlocked" in bwm("list-guardians").stdout
    assert "already" in bwm("add-guardian", "family", address, exit_code=2).stderr
    bwm("remove-guardian", "family")
    assert bwm.json("list-guardians") == []
    assert [(one["kind"], one["severity"]) for one in bwm.alerts()] == [("guardian.removed", "warning")]
    for command in ("show-guardian", "remove-guardian", "guardian-state"):
        assert "no guardian 'family'" in bwm(command, "family", exit_code=2).stderr


def test_a_signers_script_is_told_by_the_exit_code(node, bwm):
    address, coin = unlocked_guardian(node)
    bwm("add-guardian", "family", address)
    bwm.start()
    assert state_code(bwm, exit_code=0).stdout.startswith("unlocked")
    signal(node, coin, address, b"guardv1.Lock=true#2")
    wait_until(lambda: bwm("guardian-state", "family", exit_code=None).returncode == 3, "the lock")
    assert state_code(bwm, exit_code=3).stdout.startswith("locked")
    bwm.stop()
    assert state_code(bwm, exit_code=3).stdout.startswith("locked")
    assert "only when unlocked" in bwm("remove-guardian", "family", "--yes", exit_code=2).stderr
    assert len(bwm.json("list-guardians")) == 1


def test_a_bwm_that_does_not_see_never_says_unlocked(node, bwm):
    address, _ = unlocked_guardian(node)
    bwm("add-guardian", "family", address)
    assert "the daemon does not run" in state_code(bwm, exit_code=1).stderr
    assert state_code(bwm, "--last-known", exit_code=0).stdout.startswith("unlocked")


def test_what_cannot_be_a_guardian_is_refused(node, bwm):
    fresh = node.new_address()
    assert "was not added" in bwm("add-guardian", "family", fresh, exit_code=2).stderr
    address, coin = unlocked_guardian(node)
    bwm("add-vault", "cold", "--address", address)
    assert "belongs to a vault" in bwm("add-guardian", "family", address, exit_code=2).stderr
    bwm("remove-vault", "cold", "--yes")
    signal(node, coin, address, b"guardv1.Lock=true#2")
    node.mine()
    assert "--accept-locked" in bwm("add-guardian", "family", address, exit_code=2).stderr
    assert bwm.json("list-guardians") == []
    bwm("add-guardian", "family", address, "--accept-locked", "--unlock-delay", "1d")
    assert json.loads(bwm("list-guardians", "--json").stdout)[0]["state"] == "locked"
    assert "no duration" in bwm("add-guardian", "x", address, "--unlock-delay", "soon", exit_code=2).stderr
