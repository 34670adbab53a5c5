"""The lock state of each guardian, by the rule of the highest lock ever seen against the highest final unlock."""

from collections.abc import Iterator
from types import SimpleNamespace

from tests.simulation.expect import Expectation, spends_from
from tests.simulation.facts import Facts, Violation
from tests.simulation.people import UNLOCK_CONFIRMATIONS, Watched
from tests.simulation.world import Says

_SIGNALS = """
    SELECT s.txid, s.is_lock, s.nonce, s.counted, s.height, s.vanished, s.final_at, g.name AS owner
    FROM signal s JOIN guardian g ON s.guardian_id = g.id
"""


def guardians_are_right(facts: Facts) -> Iterator[Violation]:
    """Signals: none missed, none invented, each where its transaction is. State: what they add up to."""
    signals = facts.rows(_SIGNALS)
    for row in facts.rows("SELECT name, state, nonce FROM guardian"):
        [watched] = facts.people.watched[row.name]
        ours = [signal for signal in signals if signal.owner == row.name]
        yield from _missed(facts, watched, ours)
        for signal in ours:
            yield from _untrue(facts, watched, signal)
        locks = [each.nonce for each in ours if each.is_lock and each.counted and each.nonce]
        unlocks = [each.nonce for each in ours if not each.is_lock and each.counted and each.final_at and each.nonce]
        expected = _state(max(locks, default=0), max(unlocks, default=0))
        if (row.state, row.nonce) != expected:
            yield Violation("guardian", f"{row.name} is {row.state}({row.nonce}) and should be {expected}")
        yield from _told(facts, row)


def _state(lock: int, unlock: int) -> tuple[str, int | None]:
    if lock == unlock == 0:
        return "uninstantiated", None
    return ("locked", lock) if lock >= unlock else ("unlocked", unlock)


def _missed(facts: Facts, watched: Watched, ours: list[SimpleNamespace]) -> Iterator[Violation]:
    ledger = facts.ledger
    known = {(each.txid, bool(each.is_lock), each.nonce) for each in ours}
    chain = [ledger.blocks[name] for name in ledger.chain]
    for txid in Expectation(ledger, watched, ()).families(chain, ledger.mempool.values()):
        says = facts.world.says.get(txid, Says())
        if spends_from(ledger, watched.scripts, ledger.txs[txid]):
            wanted = {(txid, True, nonce) for nonce in says.locks} | {(txid, False, nonce) for nonce in says.unlocks}
            for missing in sorted(wanted - known):
                yield Violation("guardian", f"{watched.owner} missed the signal {missing}")


def _untrue(facts: Facts, watched: Watched, signal: SimpleNamespace) -> Iterator[Violation]:
    ledger, name = facts.ledger, f"{watched.owner} {'lock' if signal.is_lock else 'unlock'} {signal.nonce}"
    says = facts.world.says.get(signal.txid, Says())
    if signal.nonce not in (says.locks if signal.is_lock else says.unlocks) or signal.txid not in ledger.txs:
        yield Violation("false", f"{name}: nobody ever said so")
        return
    counts = signal.nonce == max(says.locks) if signal.is_lock else not says.locks and len(says.unlocks) == 1
    unproved = signal.vanished and not signal.is_lock  # the node may have lost it before bwm could ask it for proof
    if bool(signal.counted) != (counts and signal.nonce != 0) and not (unproved and not signal.counted):
        yield Violation("guardian", f"{name}: counted is {signal.counted}")
    place = ledger.place(signal.txid)
    height, vanished = place.height if place else None, not place and signal.txid not in ledger.mempool
    if (signal.height, bool(signal.vanished)) != (height, vanished):
        yield Violation(
            "guardian", f"{name} is said to be at {signal.height}, {signal.vanished}; it is at {height}, {vanished}"
        )
    if not signal.is_lock and signal.counted:
        if place and ledger.height - place.height + 1 >= UNLOCK_CONFIRMATIONS and not signal.final_at:
            yield Violation("guardian", f"{name} is deep enough and not final")
        if signal.final_at and not _was_ever_final(facts, signal.txid):
            yield Violation("false", f"{name} is final and never was deep enough")


def _was_ever_final(facts: Facts, txid: str) -> bool:
    """Whether some branch of the tree, as it grew, held it deep enough."""
    blocks = facts.ledger.blocks.values()
    holders = {block.hash: block.height for block in blocks if any(tx.txid == txid for tx in block.txs)}
    for block in blocks:
        for ancestor, _ in zip(facts.ledger.branch(block.hash), range(UNLOCK_CONFIRMATIONS + 40), strict=False):
            if ancestor.hash in holders and block.height - ancestor.height + 1 >= UNLOCK_CONFIRMATIONS:
                return True
    return False


def _told(facts: Facts, row: SimpleNamespace) -> Iterator[Violation]:
    """The last word that was told about the state is the state."""
    [watched] = facts.people.watched[row.name]
    told = [
        event
        for event in facts.events
        if event.owner == row.name and event.kind in ("guardian.locked", "guardian.unlocked")
        if event.seq > watched.journal_seq
    ]
    if told and told[-1].kind != f"guardian.{row.state}":
        yield Violation("guardian", f"{row.name} is {row.state}, and was last told to be {told[-1].kind}")
    if not told and (row.state, row.nonce) != watched.state:
        yield Violation("loss", f"{row.name} became {row.state}({row.nonce}), and nobody was told")
