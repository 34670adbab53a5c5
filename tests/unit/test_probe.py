"""Long lists of coins are gone through part by part, and everybody who watches a coin is looked at with it."""

import pytest

from bwm.chain.block import BlockRef
from bwm.daemon import probe
from bwm.daemon.probe import CoinProbe
from bwm.watch.watch import Trigger, Watch, What

TIP = BlockRef(9, "tip")
OWNERS = {b"a": 1, b"b": 2, b"c": 3, b"d": 1}
"""How many owners watch each of some coins."""


class Clock:
    def __init__(self) -> None:
        self.at = 0.0

    def monotonic(self) -> float:
        self.at += 100
        return self.at

    def now(self) -> int:
        return int(self.at)


class NodeWithoutCoins:
    def tip(self) -> BlockRef:
        return TIP

    def coins(self, keys, include_mempool):
        return {}

    def spent_in_mempool(self, keys):
        return {}


class Told:
    """In the place of the writer: which owners are told that which coin is gone."""

    def __init__(self) -> None:
        self.owners: list[tuple[bytes, int]] = []

    def facts_of_vaults(self, gone):
        self.owners += [(watch.key, watch.trigger.id) for watch in gone]

    def now(self) -> int:
        return 0

    def write(self, changes) -> None:
        pass


@pytest.fixture
def watched(monkeypatch) -> list[Watch]:
    listed = [
        Watch(Trigger(number, "outpoint", "", "v"), What.COIN, key, 1)
        for key, owners in OWNERS.items()
        for number in range(owners)
    ]
    monkeypatch.setattr(probe.watches, "known_coins", lambda after, n: [one for one in listed if one.key > after][:n])
    monkeypatch.setattr(probe, "plan_gone_coins", lambda *of: None)
    monkeypatch.setattr(CoinProbe, "_is_explained", lambda self, watch: False)
    return listed


@pytest.mark.parametrize("at_once", [3, 4, 5, 7])
def test_all_owners_of_a_coin_at_the_end_of_a_part_are_told(monkeypatch, watched, at_once):
    monkeypatch.setattr(probe, "_AT_ONCE", at_once)
    told = Told()
    rounds = CoinProbe(NodeWithoutCoins(), told, Clock())
    for _ in watched:
        rounds.look(TIP)
    assert sorted(told.owners) == [(watch.key, watch.trigger.id) for watch in watched]
