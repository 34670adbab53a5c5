"""M: several towers, each a bwm with a node; on one database, or each on its own."""

import signal

from regtest.daemon import Bwm
from regtest.node import RegtestNode, wait_until
from regtest.receiver import Receiver, accept, hang
from tests.faults.conftest import MAY_REPEAT, with_vault
from tests.servers.postgres import Postgres


def test_m1_a_tower_that_was_stopped_in_mid_send_leaves_one_copy_to_the_next_and_ends(
    node: RegtestNode, make_bwm, postgres, receiver: Receiver, coins, thief
):
    shared = {"receiver_url": receiver.url(), "settings": f'[database]\nurl = "{postgres.url}"\n'}
    first, second = (make_bwm(node, name, **shared) for name in ("first", "second"))
    with_vault(first, coins)
    receiver.behaviour = hang
    first.start()
    theft = node.spend(coins[0], thief)
    receiver.wait_for(text=theft)

    first.pause()
    postgres.cut_off_clients()
    receiver.behaviour = accept
    second.start()
    told = receiver.wait_for(2, text=theft)
    assert [MAY_REPEAT in one.text for one in told] == [False, True]
    first.resume()

    assert first.wait_exit() == 1
    assert "Another bwm runs on this PostgreSQL database" in first.log_text()
    wait_until(lambda: outcomes(postgres, theft) == ["done"], "the delivery in the books")
    later = node.spend(coins[1], thief)
    receiver.wait_for(1, text=later)
    assert len(receiver.holding(theft)) == 2
    second.stop()


def outcomes(postgres: Postgres, txid: str) -> list[str]:
    """How the deliveries of a theft's alert to the phone ended."""
    sql = """
        SELECT o.state FROM outbox o JOIN alert a ON o.alert_id = a.id JOIN event e ON a.event_id = e.seq
        WHERE e.txid = %s AND o.target = 'phone'
    """
    return [state for (state,) in postgres.rows(sql, txid)]


def test_m2_two_towers_that_know_nothing_of_each_other_both_tell_the_same_alert(
    node: RegtestNode, make_node, make_bwm, coins, thief, hold
):
    other = make_node("other", blocks=0)
    other.connect(node)
    wait_until(lambda: other.tip == node.tip, "the same chain")
    here, there = (with_vault(make_bwm(its, its_name), coins) for its, its_name in ((node, "here"), (other, "there")))
    here.start()
    there.start()

    theft = node.spend(coins[0], thief)
    told = [tower.wait_for_alert(txid=theft)["id"] for tower in (here, there)]
    assert told[0] == told[1]

    other.disconnect()
    node.mine()
    here.wait_for_event("trigger.confirmed", txid=theft)
    assert not there.events("trigger.confirmed", txid=theft)
    other.connect(node)
    there.wait_for_event("trigger.confirmed", txid=theft)
    assert keys(here, theft) == keys(there, theft)
    hold(here, theft)
    hold(there, theft, node=other)


def keys(tower: Bwm, txid: str) -> set[tuple[str, str]]:
    """What a tower knows a theft's events by."""
    return {(row["kind"], row["key"]) for row in tower.rows("SELECT kind, key FROM event WHERE txid = ?", txid)}


def test_m4_a_theft_is_told_while_the_shared_database_is_away_and_is_in_the_books_after(
    node: RegtestNode, make_bwm, postgres, coins, thief
):
    tower = with_vault(make_bwm(node, settings=f'[database]\nurl = "{postgres.url}"\n'), coins)
    address, guard = node.new_address(), node.new_address()
    tower("add-vault", "warm", "--address", address, "--severity", "critical")
    unlock = node.spend(node.pay(guard, 100_000), guard, data=b"guardv1.Lock=false#1")
    node.mine(6)
    tower("add-guardian", "family", guard)
    tower.start()

    postgres.stop(signal.SIGQUIT)
    theft = node.spend(coins[0], thief)
    told = tower.wait_for_alert(txid=theft)
    assert (told["kind"], told["vault"], told["severity"]) == ("trigger.seen", "cold", "emergency")
    learned = node.spend(node.pay(address, 5_000_000), thief)
    told = tower.wait_for_alert(txid=learned)
    assert (told["kind"], told["vault"], told["severity"]) == ("trigger.seen", "warm", "critical")
    lock = node.spend(f"{unlock}:0", guard, data=b"guardv1.Lock=true#2")
    assert tower.wait_for_alert(txid=lock)["kind"] == "guardian.locked"
    postgres.start()

    for txid in theft, learned:
        wait_until(lambda txid=txid: kinds(postgres, txid) == ["trigger.seen"], f"{txid} in the books", 60)
    node.mine()
    wait_until(lambda: kinds(postgres, theft)[1:] == ["trigger.confirmed"], "its block in the books")
    ids = {alert["id"] for alert in tower.delivered(txid=theft)}
    assert len(ids) == 1, "what was told from memory is another alert than that in the books"
    tower.stop()


def kinds(postgres: Postgres, txid: str) -> list[str]:
    """What is journaled of a transaction, in order."""
    return [kind for (kind,) in postgres.rows("SELECT kind FROM event WHERE txid = %s ORDER BY seq", txid)]
