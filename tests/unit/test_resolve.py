"""The coins behind signals, asked of the node: a block full of them takes no longer than it must."""

from types import SimpleNamespace

import pytest

from bwm.chain.tx import parse_tx
from bwm.daemon.finder import Finder
from bwm.daemon.resolve import Speaking
from bwm.db import guardians, schema, watches
from bwm.errors import BlockUnavailable
from bwm.guardian.grammar import Payload
from bwm.node.answers import Coin
from bwm.watch.watch import Family, Match, Watch, What

SCRIPT = bytes.fromhex("0014" + "11" * 20)
BLOCK = "aa" * 32


def signal(number: int):
    """A transaction that says lock, and spends a coin of its own."""
    coin, said = number.to_bytes(32) + bytes(4), Payload(True, number).to_script()
    inputs = b"\x01" + coin + b"\x00" + b"\xff" * 4
    return parse_tx(b"\x02\0\0\0" + inputs + b"\x01" + bytes(8) + bytes([len(said)]) + said + bytes(4))


class CountingNode:
    """Knows what a block spends: each coin is of another script, one of them the guardian's."""

    def __init__(self, txs, *, is_pruned: bool = False) -> None:
        self.asked = 0
        self._is_pruned = is_pruned
        self._coins = {
            tx.inputs[0].spends: Coin(1000, SCRIPT if number == 7 else bytes([number % 251]), 1)
            for number, tx in enumerate(txs)
        }
        self._spends = {tx.txid: tx.inputs[0].spends for tx in txs}

    def _ask(self) -> None:
        self.asked += 1
        if self._is_pruned:
            raise BlockUnavailable("its undo data is gone")

    def prevouts(self, block_hash, txid):
        self._ask()
        return [self._coins[self._spends[txid]]]

    def coins_spent(self, block_hash):
        self._ask()
        return self._coins


@pytest.fixture
def guardian(database):
    fixed = {"unlock_confirmations": 6, "state": "unlocked", "reason": "", "created_at": 0}
    row = schema.Guardian.create(name="family", address="a", script=SCRIPT, **fixed)
    schema.Trigger.create(guardian=row.id, kind="guardian", key="a", created_at=0)


@pytest.mark.parametrize(("count", "questions"), [(8, 8), (500, 1)])
def test_the_node_reads_a_block_full_of_signals_once(guardian, count, questions):
    txs = [signal(number) for number in range(1, count + 1)]
    node = CountingNode(txs)

    speaking = Speaking(txs, node, BLOCK)

    assert node.asked == questions
    assert [watch.key for watch in speaking.unknown_coins(None)] == [txs[7].inputs[0].spends]
    assert speaking.unresolved([]) == ()


def test_what_a_pruned_node_cannot_tell_of_many_waits_as_of_few(guardian):
    txs = [signal(number) for number in range(1, 101)]
    assert Speaking(txs, CountingNode(txs, is_pruned=True), BLOCK).unresolved([]) == tuple(txs)


def test_a_payment_to_a_guardian_does_not_have_the_node_asked_about_all_its_coins(guardian):
    """Anybody can make thousands of them."""
    [trigger] = guardians.triggers()[SCRIPT]
    old = Watch(trigger, What.COIN, b"o" * 36, 5000)
    watches.add([old])
    payment = Match(trigger, "aa" * 32, Family.GUARDIAN, 300, "", learned=(Watch(trigger, What.COIN, b"p" * 36, 300),))
    emptied = Match(trigger, "bb" * 32, Family.GUARDIAN, 5000, "", spent=(old,))
    asked = []
    node = SimpleNamespace(coins=lambda keys, include_mempool: asked.append(keys) or {})
    finder = Finder(None, node, None, 20)

    assert finder._balances([(None, (payment,))]) == {}
    assert finder._balances([(None, (payment, emptied))]) == {"family": 300}
    assert not asked
    assert finder._balances([(None, (emptied,))]) == {"family": 0}
    assert asked == [[old.key]]
