"""The scan on a small block, with half of what is expected of it: a busy machine must not fail an honest commit."""

import random
import time
from itertools import cycle

import pytest
from bitcoin.core import CBlock
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from bwm.chain.outpoint import outpoint_key, txid_text
from bwm.errors import Damaged
from bwm.watch.index import KeyFilter
from bwm.watch.pool import BlockPool
from bwm.watch.scan import scan_all
from bwm.watch.watch import Trigger, Watch, WatchIndex, What
from tests.benchmarks import shapes
from tests.benchmarks.race import race
from tests.benchmarks.scan import keys_by_library, random_keys, same_answers, scan, scan_by_library, scan_with_txids
from tests.blocks import block, transaction
from tests.strategies import transaction_parts

BLOCK = shapes.busy(share=0.1)
MANY = 300_000  # beyond what is kept exactly

BY_KIND = {
    "txid": (What.TXID, What.COIN),
    "outpoint": (What.COIN,),
    "script": (What.SCRIPT, What.COIN),
    "descriptor": (What.SCRIPT, What.COIN),
    "guardian": (What.SCRIPT, What.COIN),
}
"""What the triggers of each kind come down to."""


def test_a_block_is_searched_many_times_faster_than_with_python_bitcoinlib() -> None:
    few, many = KeyFilter(random_keys(1_000)), KeyFilter(random_keys(MANY))
    speeds = race(
        {
            "python-bitcoinlib": lambda: scan_by_library(BLOCK, set()),
            "few": lambda: scan(BLOCK, few),
            "many": lambda: scan(BLOCK, many),
            "txids": lambda: scan_with_txids(BLOCK, few),
        },
        rounds=5,
        clock=time.thread_time,
    )
    assert speeds["few"].ratio > 14
    assert speeds["many"].ratio > 11
    assert speeds["txids"].ratio > 8
    assert speeds["few"].ratio / speeds["many"].ratio < 1.6 * 2


def test_the_same_transactions_are_found_as_with_python_bitcoinlib() -> None:
    for count in 1_000, MANY:
        assert same_answers(BLOCK, KeyFilter(random_keys(count)))


@pytest.mark.long
def test_the_same_transactions_are_found_among_a_million_items() -> None:
    foreign = KeyFilter(random_keys(1_000_000))
    for raw in shapes.busy(), shapes.lean():
        assert same_answers(raw, foreign)


def planted(raw: bytes, chance: random.Random) -> list[Watch]:
    """Triggers of every kind on things that the block holds."""
    by_what: dict[What, list[bytes]] = {what: [] for what in What}
    for tx in CBlock.deserialize(raw).vtx:
        txid, *keys = keys_by_library(tx)
        by_what[What.TXID].append(txid)
        by_what[What.COIN] += keys[: len(tx.vin)]
        by_what[What.SCRIPT] += keys[len(tx.vin) :]
    watches = []
    for number, (kind, whats) in zip(range(50), cycle(BY_KIND.items()), strict=False):
        owner = {"guardian": "family", "vault": None} if kind == "guardian" else {"vault": "cold"}
        trigger = Trigger(number, kind, "key", **owner)
        what = whats[number // len(BY_KIND) % len(whats)]
        watches.append(Watch(trigger, what, chance.choice(by_what[what])))
    return watches


def found_by_library(raw: bytes, watches: list[Watch]) -> set[tuple[int, str]]:
    """Trigger and transaction, for all that touch. A coin that a watched script is paid is watched from there on, and
    so are those that a watched txid spends."""
    keys = {(watch.what, watch.key): set() for watch in watches}
    for watch in watches:
        keys[watch.what, watch.key].add(watch.trigger.id)
    found = set()
    for tx in CBlock.deserialize(raw).vtx:
        txid = tx.GetTxid()
        touched = set(named := keys.get((What.TXID, txid), set()))
        for spent in tx.vin:
            touched |= keys.get((What.COIN, spent.prevout.serialize()), set())
        spends = [spent.prevout.serialize() for spent in tx.vin]
        is_coinbase = len(spends) == 1 and spends[0][:32] == bytes(32)  # it spends no coin
        for spent in () if is_coinbase else spends:
            keys.setdefault((What.COIN, spent), set()).update(named)
        for index, output in enumerate(tx.vout):
            paid = keys.get((What.SCRIPT, bytes(output.scriptPubKey)), set())
            keys.setdefault((What.COIN, outpoint_key(txid_text(txid), index)), set()).update(paid)
            touched |= paid
        found |= {(trigger, txid_text(txid)) for trigger in touched}
    return found


def found_by_bwm(raw: bytes, watches: list[Watch], foreign: KeyFilter) -> set[tuple[int, str]]:
    """The same, as the daemon goes about it."""
    pool, wanted = BlockPool(raw, txids=True), {watch.key for watch in watches}
    foreign.add(wanted)
    suspects = pool.touching(wanted.intersection(pool.candidates(foreign)))
    found = scan_all(suspects, WatchIndex(watches))
    return {(match.trigger.id, tx.txid) for tx, matches in found for match in matches}


@pytest.mark.parametrize("count", [1_000, MANY])
def test_triggers_of_every_kind_are_found_as_with_python_bitcoinlib(count: int) -> None:
    foreign, chance = KeyFilter(random_keys(count)), random.Random(count)
    for raw in BLOCK, shapes.lean():
        watches = planted(raw, chance)
        assert found_by_bwm(raw, watches, foreign) == found_by_library(raw, watches) != set()


@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(transaction_parts, min_size=1, max_size=3), st.integers(0, 1000))
def test_triggers_are_found_in_whatever_transactions(parts: list[dict[str, object]], seed: int) -> None:
    spends = [one.spends for part in parts for one in part["inputs"]]
    assume(len(spends) == len(set(spends)))  # no block spends a coin twice
    raw = block([transaction(**one) for one in parts])
    if any(tx.vin and tx.vout for tx in CBlock.deserialize(raw).vtx):
        watches = planted(raw, random.Random(seed))
        assert found_by_bwm(raw, watches, KeyFilter()) == found_by_library(raw, watches)


def test_a_damaged_block_is_never_searched() -> None:
    chance = random.Random(1)
    for cut in (chance.randrange(81, len(BLOCK)) for _ in range(50)):
        for damaged in (BLOCK[:cut], BLOCK[:cut] + BLOCK[cut + 1 :], BLOCK[:cut] + b"\x00" + BLOCK[cut:]):
            try:
                keys = BlockPool(damaged, txids=False).keys()
            except Damaged:
                continue
            assert [key for tx in CBlock.deserialize(damaged).vtx for key in keys_by_library(tx)[1:]] == list(keys)
