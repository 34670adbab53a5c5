"""Long lists of coins are gone through part by part, and everybody who watches a coin is looked at with it."""

import pytest

from bwm.chain.block import BlockRef
from bwm.chain.outpoint import outpoint_key
from bwm.chain.tx import Tx, parse_tx
from bwm.daemon import probe
from bwm.daemon.probe import CoinProbe
from bwm.db import new_vaults, watches
from bwm.db.commit import commit
from bwm.db.vaults import NewKey, NewTrigger, NewVault
from bwm.plan import Facts, plan_block, plan_mempool
from bwm.watch.crowd import PAYMENTS_AN_HOUR
from bwm.watch.scan import scan_all
from bwm.watch.watch import Trigger, Watch, WatchIndex, What

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


def a_payment(number: int) -> Tx:
    coin = number.to_bytes(36, "big").hex()
    return parse_tx(bytes.fromhex(f"0200000001{coin}00ffffffff01e803000000000000015100000000"))


def test_the_coins_of_payments_that_were_only_counted_and_never_mined_are_not_called_gone(database, monkeypatch):
    """Anybody can send more payments than are told one by one, and take them back before they are mined."""
    new_vaults.add(database, [NewVault("cold", (NewTrigger("script", "51", (NewKey(What.SCRIPT, b"\x51"),)),))], 0)
    payments = [a_payment(number) for number in range(PAYMENTS_AN_HOUR + 20)]
    found = scan_all(payments, WatchIndex(watches.by_keys([b"\x51"])))
    commit(database, plan_mempool(found, Facts("regtest"), 0), (), 0)
    told = Told()
    monkeypatch.setattr(probe, "plan_gone_coins", lambda *_: None)

    CoinProbe(NodeWithoutCoins(), told, Clock()).look(TIP)
    assert told.owners == []

    commit(database, plan_block(BlockRef(9, "tip"), found[-1:], Facts("regtest"), 0), (), 0)
    CoinProbe(NodeWithoutCoins(), told, Clock()).look(TIP)
    [(coin, _)] = told.owners  # this one was there: nobody saw how it went
    assert coin == outpoint_key(payments[-1].txid, 0)
