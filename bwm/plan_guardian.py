"""What one step does to the guardians: their transactions read, their signals moved, their state made anew. Pure."""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from bwm.chain.block import BlockRef
from bwm.chain.outpoint import outpoint_text
from bwm.chain.tx import Tx
from bwm.event import Event, fact_key
from bwm.guardian.duty import TOO_MANY, not_verified, too_many_payments
from bwm.guardian.duty import changes as duties
from bwm.guardian.notice import SEVERITY, Notice
from bwm.guardian.readiness import JudgedLock
from bwm.guardian.signal import Reading, read_signals
from bwm.guardian.state import GuardianState, Signal, next_marks, observed, state_of
from bwm.severity import Severity
from bwm.watch.scan import Found
from bwm.watch.sighting import Place
from bwm.watch.watch import Match

PAYMENTS_AN_HOUR = 10


@dataclass(frozen=True, slots=True)
class Unresolved:
    """A transaction with a signal, of whose coins the node cannot tell yet whether they are a guardian's."""

    tx: Tx
    first_seen_at: int  # unix seconds
    told: bool = False


@dataclass(frozen=True, slots=True)
class GuardianFacts:
    """What the database knows of one guardian."""

    name: str
    address: str
    script: bytes
    state: GuardianState
    signals: tuple[Signal, ...] = ()
    unlock_confirmations: int = 6  # blocks
    unlock_delay_s: int = 0  # seconds
    lately: int = 0  # transactions that were sighted for it within the last hour


@dataclass(frozen=True, slots=True)
class GuardianStep:
    """What happened, as far as guardians are concerned."""

    tip_height: int
    found: Found = ()
    block: BlockRef | None = None  # that holds what was found; None: the mempool does
    rewound_to: int | None = None  # blocks above this height were disconnected
    gone: frozenset[str] = frozenset()  # txids that left the mempool unmined
    fresh: frozenset[Place] = frozenset()  # never sighted before: only these are told of
    flooded: frozenset[str] = frozenset()  # guardians of which not all payments are journaled
    vouched: bool = True  # False: the node has what was found neither in its mempool nor in its chain
    spent_scripts: Mapping[bytes, bytes | None] = field(default_factory=dict)  # of coins that are not ours
    balances: Mapping[str, int] = field(default_factory=dict)  # sat at least after the step, where coins moved


@dataclass(frozen=True, slots=True)
class GuardianChange:
    """What is to be written about one guardian."""

    name: str
    state: GuardianState
    signals: tuple[Signal, ...]  # new or moved ones


@dataclass(frozen=True, slots=True)
class GuardianOutcome:
    """All that the step calls for: writes, and events with how loudly each is told."""

    changes: tuple[GuardianChange, ...] = ()
    events: tuple[tuple[Event, Severity], ...] = ()


def plan_guardians(guardians: Iterable[GuardianFacts], step: GuardianStep, network: str, now: int) -> GuardianOutcome:
    """Every guardian after a step. One that is as before is not written."""
    changed, events = [], []
    for guardian in guardians:
        readings = _readings(guardian, step)
        moved = _moved(guardian.signals, readings.values(), step, now)
        signals = tuple({**_by_place(guardian.signals), **moved}.values())
        rule = (step.tip_height, now, guardian.unlock_confirmations, guardian.unlock_delay_s)
        marked = {**moved, **_by_place(next_marks(signals, *rule))}
        signals = tuple({**_by_place(signals), **marked}.values())
        after = state_of(signals, *rule)
        told = duties(
            guardian.state,
            after,
            [reading for place, reading in readings.items() if place in step.fresh],
            guardian.signals,
            in_block=step.block is not None,
            balance_sats=step.balances.get(guardian.name),
        )
        if guardian.name in step.flooded:
            told = (*told, too_many_payments(PAYMENTS_AN_HOUR))
        txids = {reading.txid for reading in readings.values()}
        for notice in told:
            block = step.block if notice.txid in txids else None
            events.append(_event(guardian, notice, after, block, network, now))
        if after != guardian.state or marked:
            changed.append(GuardianChange(guardian.name, after, tuple(marked.values())))
    return GuardianOutcome(tuple(changed), tuple(events))


def audible(
    found: Found, guardians: Iterable[GuardianFacts], known: Container[Place]
) -> tuple[list[Match], frozenset[str]]:
    """The matches to be journaled, and the guardians of which not all are.

    Anybody can pay a Guardian Address as often as he likes, with a forged signal or without: of such payments only
    so many an hour get a sighting. Their coins are watched all the same, and no spend is ever passed over.
    """
    room = {guardian.name: PAYMENTS_AN_HOUR - guardian.lately for guardian in guardians}
    heard, flooded = [], set()
    for match in (match for _, matches in found for match in matches):
        name = match.trigger.guardian
        if name in room and not match.spent and (match.trigger.id, match.txid) not in known:
            room[name] -= 1
            if room[name] < 0:
                flooded.add(name)
                continue
        heard.append(match)
    return heard, frozenset(flooded)


def plan_unverified(
    waiting: Iterable[Unresolved], guardians: Sequence[GuardianFacts], network: str, now: int
) -> tuple[tuple[Unresolved, ...], tuple[tuple[Event, Severity], ...]]:
    """What has waited for a minute to be read is told once: of the guardian that it pays, else of every one."""
    told, events = [], []
    for one in waiting:
        paid = [guardian for guardian in guardians if any(out.script == guardian.script for out in one.tx.outputs)]
        for guardian in () if one.told else paid or guardians:
            reading = read_signals(one.tx, guardian.script, {})
            for notice in not_verified(reading, one.first_seen_at, now):
                events.append(_event(guardian, notice, guardian.state, None, network, now))
                told.append(replace(one, told=True))
    return tuple(dict.fromkeys(told)), tuple(events)


_Said = tuple[str, bool, int]


def _by_place(signals: Iterable[Signal]) -> dict[_Said, Signal]:
    return {(one.txid, one.payload.lock, one.payload.nonce): one for one in signals}


def _readings(guardian: GuardianFacts, step: GuardianStep) -> dict[Place, Reading]:
    """What was found, as this guardian reads it, by trigger and txid."""
    readings = {}
    for tx, matches in step.found:
        ours = [match for match in matches if match.trigger.guardian == guardian.name]
        if ours:
            coins = {coin.key: guardian.script for match in ours for coin in match.spent}
            scripts = {**step.spent_scripts, **coins}
            readings[ours[0].trigger.id, tx.txid] = read_signals(tx, guardian.script, scripts, vouched=step.vouched)
    return readings


def _moved(known: Iterable[Signal], readings: Iterable[Reading], step: GuardianStep, now: int) -> dict[_Said, Signal]:
    """The signals that are new, or stand elsewhere than before."""
    before = _by_place(known)
    moved = {}
    for place, signal in before.items():
        if signal.txid in step.gone:
            moved[place] = signal.gone()
        elif step.rewound_to is not None and (signal.height or 0) > step.rewound_to:
            moved[place] = signal.in_mempool()
    for reading in readings:
        for place, fresh in _by_place(observed(reading, now)).items():
            signal = before.get(place, fresh)
            signal = replace(signal, counted=signal.counted or fresh.counted)
            if step.block is None:
                moved[place] = signal.in_mempool() if signal.height is None else signal
            elif signal.height == step.block.height:
                moved[place] = signal  # the block is only read again
            else:
                moved[place] = signal.in_block(step.block.height, now)
    return {place: signal for place, signal in moved.items() if signal != before.get(place)}


def _event(
    guardian: GuardianFacts,
    notice: Notice,
    after: GuardianState,
    block: BlockRef | None,
    network: str,
    now: int,
) -> tuple[Event, Severity]:
    about = now // 3600 if notice.kind == TOO_MANY else now  # the one is told once an hour, the others when they are
    event = Event(
        key=fact_key(network, guardian.name, notice.kind, notice.txid, notice.reason, about),
        kind=notice.kind,
        at=now,
        network=network,
        reason=notice.reason,
        guardian=guardian.name,
        trigger_kind="guardian",
        trigger_key=guardian.address,
        txid=notice.txid,
        block=block,
        detail={"state": after.state, "nonce": after.nonce},
    )
    return event, Severity(notice.severity)


def of_armed_lock(one: JudgedLock, network: str, now: int) -> tuple[Event, Severity]:
    """The event that says how a lock signed in advance stands from now on."""
    coin, nonce = outpoint_text(one.lock.coin), one.lock.nonce
    kind = f"guardian.armed_lock_{one.readiness.verdict}"
    event = Event(
        key=fact_key(network, one.guardian, kind, coin, nonce, one.lock.feerate, now),
        kind=kind,
        at=now,
        network=network,
        reason=f"the lock {nonce} signed in advance is {one.readiness.verdict}: {one.readiness.reason}",
        guardian=one.guardian,
        trigger_kind="guardian",
        trigger_key=one.address,
        detail={"case": f"armed/{one.id}", "outpoint": coin, "nonce": nonce, "feerate": one.lock.feerate},
    )
    return event, Severity(SEVERITY[kind])


def of_operation(name: str, address: str, notice: Notice, network: str, now: int) -> Event:
    """The event that says what the operator did with a guardian."""
    return Event(
        key=fact_key(network, name, address, notice.kind, now),
        kind=notice.kind,
        at=now,
        network=network,
        reason=notice.reason,
        guardian=name,
        trigger_kind="guardian",
        trigger_key=address,
    )
