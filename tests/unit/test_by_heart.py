"""What is told of transactions while the database is away: by a list in memory that may not grow without end."""

from bwm.chain.network import network
from bwm.chain.tx import Input, Output, parse_tx
from bwm.clock import SystemClock
from bwm.daemon.by_heart import ByHeart
from bwm.node.frames import MempoolAdded, RawTx
from bwm.watch.watch import Trigger, Watch, What
from tests.blocks import transaction

COINS = [bytes([n]) * 36 for n in range(1, 5)]
THEFT, OTHER = (transaction([Input(coin, b"", 0, ())], [Output(1, b"")]) for coin in (COINS[0], bytes(36)))


class Mempool:
    """A node that has these transactions."""

    def __init__(self, *raws: bytes) -> None:
        self._raws = {parse_tx(raw).txid: raw for raw in raws}
        self.asked_for: list[str] = []

    def raw_transactions(self, txids):
        self.asked_for += txids
        return {txid: self._raws[txid] for txid in txids if txid in self._raws}


def hears(messages, mempool, coins, most=2):
    """The severity and the kind of what is told."""
    told = []
    by_heart = ByHeart(mempool, network("regtest"), SystemClock(), told.extend, most)
    by_heart.learn(Watch(Trigger(n, "outpoint", f"{n}:0", "cold"), What.COIN, coin) for n, coin in enumerate(coins))
    by_heart.hear(messages)
    return [(alert.severity, alert.event.kind, alert.event.vault) for alert in told]


TOLD = [("emergency", "trigger.seen", "cold")]


def test_a_theft_that_the_feed_shows_and_the_node_has_is_told():
    mempool = Mempool(THEFT, OTHER)
    assert hears([RawTx(OTHER), RawTx(THEFT), RawTx(b"nothing")], mempool, COINS[:2]) == TOLD
    assert mempool.asked_for == [parse_tx(THEFT).txid]


def test_a_theft_that_the_feed_only_names_is_told():
    assert hears([MempoolAdded(parse_tx(THEFT).txid, 1)], Mempool(THEFT), COINS[:2]) == TOLD


def test_what_the_node_does_not_have_is_not_told():
    assert hears([RawTx(THEFT)], Mempool(), COINS[:2]) == []


def test_of_more_than_may_be_kept_nothing_is():
    assert hears([RawTx(THEFT)], Mempool(THEFT), COINS[:3]) == []
