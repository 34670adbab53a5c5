"""No miss, no false fact, and the right end of every story: I1, I3, I9, I10."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from types import SimpleNamespace

from tests.simulation.expect import Expectation, may_concern, spends_from, standing
from tests.simulation.facts import Facts, Violation
from tests.simulation.people import Watched
from tests.simulation.wire import SimBlock, SimTx

NEXT: dict[str | None, set[str]] = {
    None: {"seen", "confirmed"},
    "seen": {"confirmed", "replaced", "evicted", "conflicted"},
    "confirmed": {"final", "reorged"},
    "final": {"reorged"},
    "reorged": {"confirmed", "replaced", "evicted", "conflicted"},
    "replaced": {"seen", "confirmed", "evicted", "conflicted"},
    "evicted": {"seen", "confirmed", "replaced", "conflicted"},
    "conflicted": {"seen", "confirmed", "evicted"},
}
"""What may follow what in the life of a sighting."""


def cursor_stands_at_the_tip(facts: Facts) -> Iterator[Violation]:
    """Nothing holds bwm back any more."""
    [at] = facts.rows("SELECT height, hash FROM block ORDER BY height DESC LIMIT 1") or [None]
    if at is None or at.hash != facts.ledger.tip.hash:
        yield Violation("state", f"the cursor stands at {at}, the node at {facts.ledger.tip.height}")
    if readings := facts.rows("SELECT * FROM backlog"):
        yield Violation("state", f"blocks of the past were never read: {readings}")


def nothing_was_missed(facts: Facts) -> Iterator[Violation]:
    """Everything in the active chain and in the mempool that concerns somebody was sighted."""
    chain = [facts.ledger.blocks[name] for name in facts.ledger.chain]
    for watched in _all_watched(facts):
        yield from _misses(facts, watched, chain, list(facts.ledger.mempool.values()))


def cursor_is_not_ahead(facts: Facts) -> Iterator[Violation]:
    """At any moment, faults and all: what the blocks up to the cursor hold was sighted, for whom they were read.

    But for those that have left the chain: who was added since does not need them.
    """
    found = facts.rows("SELECT hash FROM block ORDER BY height DESC LIMIT 1")
    if not found or found[0].hash not in facts.ledger.blocks:
        return
    chain = [block for block in facts.ledger.branch(found[0].hash) if facts.ledger.is_active(block)][::-1]
    waiting = facts.rows(
        "SELECT COALESCE(v.name, g.name) AS owner FROM backlog b "
        "LEFT JOIN vault v ON b.vault_id = v.id LEFT JOIN guardian g ON b.guardian_id = g.id"
    )
    behind = {row.owner for row in waiting}
    for watched in _all_watched(facts):
        if watched.owner not in behind:
            for violation in _misses(facts, watched, chain, []):
                yield Violation("cursor", violation.words)


def _all_watched(facts: Facts) -> Iterable[Watched]:
    return (watched for every in facts.people.watched.values() for watched in every)


def _is_counted_only(facts: Facts, watched: Watched, txid: str) -> bool:
    """Whether it is one of many payments to a guardian: of those the first of each hour are sighted, and it is told."""
    is_told = any(event.kind == "guardian.too_many_payments" and event.owner == watched.owner for event in facts.events)
    return watched.is_guardian and is_told and not spends_from(facts.ledger, watched.scripts, facts.ledger.txs[txid])


def _misses(facts: Facts, watched: Watched, chain: list[SimBlock], mempool: list[SimTx]) -> Iterator[Violation]:
    ours = {row.txid: row for row in facts.sightings if _is_of(row, watched)}
    wanted = Expectation(facts.ledger, watched, ours.keys()).families(chain, mempool)
    for txid, family in wanted.items():
        name = f"{watched.owner}/{watched.kind} {txid[:12]}"
        row = ours.get(txid)
        if row is None:
            if _is_counted_only(facts, watched, txid):
                continue
            place = facts.ledger.place(txid)
            yield Violation("miss", f"{name} was never sighted; it is {f'in {place.height}' if place else 'unmined'}")
        elif row.family != family and family != "funds":
            yield Violation("miss", f"{name} counts as {row.family} and is {family}")


def _is_of(row: SimpleNamespace, watched: Watched) -> bool:
    return (row.owner, row.kind, row.key) == (watched.owner, watched.kind, watched.key)


def sightings_are_true(facts: Facts) -> Iterator[Violation]:
    """Each sighting stands where its transaction stands, and concerns its trigger."""
    watched = {(each.owner, each.kind, each.key): each for each in _all_watched(facts)}
    for row in facts.sightings:
        name = f"{row.owner}/{row.kind} {row.txid[:12]}"
        tx, trigger = facts.ledger.txs.get(row.txid), watched.get((row.owner, row.kind, row.key))
        if tx is None or trigger is None or not may_concern(facts.ledger, trigger, tx):
            yield Violation("false", f"{name} was sighted and never concerned anybody")
            continue
        truth = standing(facts.ledger, tx)
        if row.status not in truth.statuses or (row.block is not None and row.block not in truth.blocks):
            yield Violation("state", f"{name} is {row.status} at {row.block}, and should be {truth}")
        if place := facts.ledger.place(row.txid):
            yield from _finality(facts, name, row.status, place.height, trigger.final_depth)


def _finality(facts: Facts, name: str, status: str, height: int, depth: int) -> Iterator[Violation]:
    if facts.ledger.height - height + 1 >= depth and status != "final":
        yield Violation("state", f"{name} is deep enough to be final, and is {status}")
    if facts.ledger.highest - height + 1 < depth and status == "final":
        yield Violation("false", f"{name} is called final, and never was deep enough")


def journal_tells_each_story(facts: Facts) -> Iterator[Violation]:
    """The events of each sighting are one legal life that ends where the sighting stands, and each is true."""
    since = {each.owner: each.journal_seq for each in _all_watched(facts)}
    lives: dict[tuple[str, str, str, str], list[SimpleNamespace]] = defaultdict(list)
    former: Counter[tuple[str, str, str, str]] = Counter()  # what was told before a vault of this name was removed
    for event in facts.events:
        family, _, step = event.kind.partition(".")
        if event.txid and event.txid not in facts.ledger.txs:
            yield Violation("false", f"{event.kind} of {event.txid[:12]}, which no node ever had")
        if family in ("trigger", "funds") or (family == "guardian" and _status(step) in NEXT):
            place = (event.owner, event.trigger_kind, event.trigger_key, event.txid)
            if event.seq > since.get(event.owner, 10**9):
                lives[place].append(event)
            else:
                former[place] += 1
    for row in facts.sightings:
        place = (row.owner, row.kind, row.key, row.txid)
        yield from _life(facts, row, lives.get(place, []), former[place])


def _status(step: str) -> str:
    return "seen" if step == "received" else step


def _life(facts: Facts, row: SimpleNamespace, events: list[SimpleNamespace], former: int) -> Iterator[Violation]:
    name = f"{row.owner}/{row.kind} {row.txid[:12]}"
    story = [_status(event.kind.partition(".")[2]) for event in events]
    if len(story) + former != row.revision + 1:
        yield Violation("journal", f"{name} has changed {row.revision} times; its events: {former} and {story}")
    if not story:
        return
    if story[-1] != row.status or events[-1].block != row.block:
        yield Violation("journal", f"{name} is {row.status} at {row.block}, its last event says {story[-1]}")
    before: SimpleNamespace | None = None
    for step, event in zip(story, events, strict=True):
        was = _status(before.kind.partition(".")[2]) if before else None
        turned = before is not None and before.kind.startswith("funds.") and event.kind.startswith("trigger.")
        if step not in NEXT[was] and not turned:
            kind = "duplicate" if step == was else "journal"
            yield Violation(kind, f"{name}: {step} after {was}")
        yield from _truth_of(facts, name, step, event, before)
        before = event


def _truth_of(
    facts: Facts, name: str, step: str, event: SimpleNamespace, before: SimpleNamespace | None
) -> Iterator[Violation]:
    """What an event claims has really happened."""
    ledger = facts.ledger
    if step in ("confirmed", "conflicted") and event.block not in ledger.activated:
        yield Violation("false", f"{name} is {step} in a block that was never active")
    if step == "reorged" and before is not None and before.block not in ledger.disconnected:
        yield Violation("false", f"{name} is reorged out of a block that never left the chain")
    if step in ("evicted", "replaced") and event.txid not in ledger.unheld:
        yield Violation("false", f"{name} is {step}, and was always in the mempool or the chain")
