"""Locks signed in advance, judged between two moments of the chain."""

from bwm.db import journal


def kinds():
    return [event.kind for event in journal.read(kind="guardian") if "armed_lock" in event.kind]


def test_a_lock_that_is_used_is_not_said_to_be_void_before_it_is_read(node, bwm, ingest, tmp_path):
    address = node.new_address()
    coin = node.pay(address, 100_000)
    node.mine()
    node.spend(coin, address, data=b"guardv1.Lock=false#1")
    node.mine(6)
    node.pay(address, 50_000)
    node.mine()
    bwm("add-guardian", "boxed", address)
    [psbt] = bwm("guardian-signal", "boxed", "--lock", "--nonce", 2, "--feerate", 25).stdout.split()
    lock = node.rpc("finalizepsbt", node.rpc("walletprocesspsbt", psbt, wallet="vault")["psbt"])["hex"]
    file = tmp_path / "lock.hex"
    file.write_text(lock)
    assert "ready" in bwm("add-response", "--guardian", "boxed", "--tx", file).stdout
    look(ingest)
    judge = ingest._parts.armed_locks.check

    node.send(lock)
    judge()
    assert kinds() == []
    look(ingest)
    assert kinds() == ["guardian.armed_lock_used"]

    node.mine()
    judge()
    look(ingest)
    assert kinds() == ["guardian.armed_lock_used"]


def look(ingest):
    ingest._due = 0.0
    ingest.turn([])
