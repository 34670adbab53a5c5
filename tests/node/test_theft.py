"""From a spend on the chain to a person's telephone, all parts real."""

import subprocess
from pathlib import Path

DEMO = Path(__file__).parents[2] / "regtest" / "demo"


def test_a_spend_of_a_watched_coin_reaches_disk_and_every_channel(node, bwm, receiver):
    coin = node.pay(node.new_address(), 5_000_000)
    node.mine()
    bwm("add-vault", "cold", "--outpoint", coin)
    bwm.start()

    theft = node.spend(coin, node.new_address(wallet="thief"))

    event = bwm.wait_for_event("trigger.seen", txid=theft)
    assert (event["vault"], event["trigger_key"], event["sats"]) == ("cold", coin, 5_000_000)
    assert bwm.wait_for_alert(txid=theft)["vault"] == "cold"
    receiver.wait_for(text="cold")
    bwm.stop()


def test_a_theft_while_the_daemon_was_dead_is_told_after_its_start(node, bwm, receiver):
    coin = node.pay(node.new_address(), 5_000_000)
    node.mine()
    bwm("add-vault", "cold", "--outpoint", coin)
    bwm.start()
    bwm.kill()

    theft = node.spend(coin, node.new_address(wallet="thief"))
    node.mine(2)
    bwm.start()

    assert bwm.wait_for_event("trigger.confirmed", txid=theft)["height"] == node.height - 1
    receiver.wait_for(text=theft)


def test_the_demo_shows_the_theft_and_ends_by_itself(tmp_path):
    done = subprocess.run([DEMO, "--once"], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "on bwm's disk: trigger.seen" in done.stdout
    assert "on the phone:" in done.stdout
