"""Lock transactions signed in advance, held against the chain and the fees of today."""

from collections.abc import Sequence
from dataclasses import replace

from bwm.chain.tx import parse_tx
from bwm.daemon.resolve import spent_scripts
from bwm.daemon.writer import Writer
from bwm.db import armed_locks, cursor, guardians, sightings
from bwm.errors import Damaged, NodeForbidden, UsageError
from bwm.guardian.readiness import ArmedLock, CoinNow, FeeFloor, JudgedLock, Readiness, readiness
from bwm.guardian.signal import read_signals
from bwm.node.bitcoind import Bitcoind
from bwm.plan import plan_readiness
from bwm.plan_guardian import GuardianFacts

_BLOCKS_OF_A_DAY = 144


class ArmedLockWatch:
    """Has it said when a lock would be void, before the day it is needed."""

    def __init__(self, node: Bitcoind, writer: Writer) -> None:
        self._node = node
        self._writer = writer

    def check(self) -> None:
        """Judge every armed lock anew."""
        known = armed_locks.judged()
        if not known:
            return
        now = self._writer.now()
        found = judge_anew(self._node, known, now)
        turned = {one.lock.coin for one, new in zip(known, found, strict=True) if new.readiness != one.readiness}
        unread = self._moved_unread(turned) if turned else set()
        found = [old if new.lock.coin in unread else new for old, new in zip(known, found, strict=True)]
        self._writer.write(plan_readiness(known, found, self._writer.network, now))

    def _moved_unread(self, coins: set[bytes]) -> set[bytes]:
        """Coins whose spend may have come a moment ago: what it says is not read yet, and so nothing is told of it."""
        if self._node.tip() != cursor.at():
            return coins
        spenders = self._node.spent_in_mempool(coins)
        read = {sighting.txid for sighting in sightings.by_txids(sorted(set(spenders.values())))}
        return {coin for coin, txid in spenders.items() if txid not in read}


def judge_anew(node: Bitcoind, known: Sequence[JudgedLock], now: int) -> list[JudgedLock]:
    """The same locks as they stand at this moment."""
    found = judge(node, [(one.guardian, one.lock) for one in known], now)
    return [replace(one, readiness=new, checked_at=now) for one, new in zip(known, found, strict=True)]


def read_lock(node: Bitcoind, raw: bytes, guardian: GuardianFacts) -> ArmedLock:
    """What is to be known of a lock transaction. Raises UsageError for what is none, or would not lock today."""
    try:
        tx = parse_tx(raw)
    except Damaged as error:
        raise UsageError(f"That is no transaction: {error}. Give it signed, in hexadecimal.") from None
    reading = read_signals(tx, guardian.script, spent_scripts(node, tx, None))
    if reading.verdict != "authentic" or len(tx.inputs) != 1:
        raise UsageError(f"The transaction must spend one coin of guardian {guardian.name!r} and nothing else.")
    if reading.lock is None or reading.warnings:
        raise UsageError("The transaction does not say lock, or not as it should. See `bwm guardian-signal`.")
    [verdict] = node.test_mempool_accept([raw])
    if not verdict.allowed or not verdict.vsize or verdict.fee_sats is None:
        raise UsageError(f"The node would not take this transaction today: {verdict.reason}. Nothing was added.")
    return ArmedLock(reading.coins[0], reading.lock, verdict.fee_sats * 1000 // verdict.vsize)


def judge(node: Bitcoind, locks: Sequence[tuple[str, ArmedLock]], now: int) -> list[Readiness]:
    """How each lock, with its guardian's name, stands at this moment."""
    said = {facts.name: {signal.payload for signal in facts.signals} for facts in guardians.all_facts(now)}
    found = node.coins({lock.coin for _, lock in locks}, include_mempool=True)
    coins = {key: CoinNow(coin.sats, coin.height is not None) for key, coin in found.items()}
    floor = _fee_floor(node)
    return [readiness(lock, coins.get(lock.coin), floor, said[guardian]) for guardian, lock in locks]


def _fee_floor(node: Bitcoind) -> FeeFloor:
    try:
        return FeeFloor(node.relay_floor(), node.estimated_feerate(_BLOCKS_OF_A_DAY))
    except NodeForbidden:  # `bwm doctor` says which calls the node should allow
        return FeeFloor(relay=0)
