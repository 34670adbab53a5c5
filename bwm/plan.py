"""One mempool transaction, one block, one reorg step or one look around in; one ``Changes`` out. All pure.

What is planned here is written by ``db.commit`` in one transaction: journal, sightings, watches, alerts, cursor.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from bwm import health
from bwm.chain.block import BlockRef
from bwm.chain.outpoint import outpoint_text, txid_text
from bwm.chain.tx import Tx
from bwm.event import Event, fact_key, of_sighting
from bwm.guardian.readiness import JudgedLock
from bwm.guardian.state import LOCK_STATES
from bwm.order import Rung
from bwm.plan_guardian import (
    GuardianChange,
    GuardianFacts,
    GuardianStep,
    Unresolved,
    audible,
    of_armed_lock,
    plan_guardians,
    plan_unverified,
)
from bwm.policy.announcement import Announcement
from bwm.policy.decide import decide
from bwm.policy.decision import Decision
from bwm.policy.policy import Surroundings
from bwm.severity import Severity
from bwm.watch.crowd import PAYMENTS_AN_HOUR, Crowd, without_crowds
from bwm.watch.scan import Found
from bwm.watch.sighting import AWAY, Look, Place, Sighting, Status, first_sighting, moved
from bwm.watch.watch import Family, Match, Watch

_JUDGEMENT_LASTS_S = 3600  # so long nothing is written about an armed lock that stands as before


_NEVER = 1 << 32  # blocks: deeper than any chain


@dataclass(frozen=True, slots=True)
class VaultFacts:
    """What a plan must know of a vault."""

    severity: Severity = Severity.EMERGENCY
    final_depth: int = 6  # blocks, counting the one that holds the transaction
    registered_height: int | None = None  # the chain's height when the vault was added
    guardians: tuple[str, ...] = ()  # that protect it


Past = tuple[str | None, str, str, str]
"""What the journal names a sighting by: the owner of its trigger, the kind and key of that, and the txid."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the database knows that a plan needs, read before it is made."""

    network: str
    vaults: Mapping[str, VaultFacts] = field(default_factory=dict)
    sightings: Mapping[Place, Sighting] = field(default_factory=dict)
    contested: Mapping[bytes, tuple[Sighting, ...]] = field(default_factory=dict)  # by the outpoints they spend
    payments: Mapping[int, int] = field(default_factory=dict)  # journaled within an hour, by the trigger's id
    past: Mapping[Past, int] = field(default_factory=dict)  # events of sightings that a removed owner took along
    default_depth: int = 6
    tip_height: int = 0  # where the cursor stands
    guardians: tuple[GuardianFacts, ...] = ()
    spent_scripts: Mapping[bytes, bytes | None] = field(default_factory=dict)  # of coins in guardians' transactions
    balances: Mapping[str, int] = field(default_factory=dict)  # sat at least, of guardians whose coins moved
    waiting: tuple[Unresolved, ...] = ()  # stored, to be read again
    resolved: frozenset[str] = frozenset()  # txids that were read this time
    unresolved: tuple[Tx, ...] = ()  # could not be read this time

    def vault(self, name: str | None) -> VaultFacts:
        """The facts of one vault; those of a new one for what belongs to no vault."""
        return self.vaults.get(name or "", VaultFacts(final_depth=self.default_depth))

    def with_nothing_final(self) -> "Facts":
        """The same, while nobody knows how much of the chain will stay."""
        vaults = {name: replace(vault, final_depth=_NEVER) for name, vault in self.vaults.items()}
        return replace(self, vaults=vaults, default_depth=_NEVER)


@dataclass(frozen=True, slots=True)
class AlertChange:
    """An alert is opened, or its story goes on. One case is one alert, however many events it has."""

    case: str
    event: Event
    severity: Severity
    resolves: Severity | None = None  # the matter is settled, unless graver things than this were told of the case
    people: tuple[str, ...] = ()  # who hears it first; empty: as the configuration has it, else every channel
    repeat_every_s: int | None = None  # seconds, until acknowledged; None: as its severity has it
    escalation: tuple[Rung, ...] = ()  # who hears it later, while nobody answers; empty: as configured
    hidden_from: str | None = None  # a person whose channels must not show it


@dataclass(frozen=True, slots=True)
class CursorMove:
    """The chain as bwm has processed it ends at ``to`` from now on."""

    to: BlockRef
    passed: tuple[BlockRef, ...] = ()  # processed just before it, the lowest first: in none was there anything to write


@dataclass(frozen=True, slots=True)
class Changes:
    """All that one step writes, or nothing of it."""

    events: tuple[Event, ...] = ()
    sightings: tuple[Sighting, ...] = ()
    watches: tuple[Watch, ...] = ()
    transactions: tuple[Tx, ...] = ()
    alerts: tuple[AlertChange, ...] = ()
    guardians: tuple[GuardianChange, ...] = ()
    waiting: tuple[Unresolved, ...] = ()  # to be read again: new ones, or told of just now
    settled: tuple[str, ...] = ()  # txids that need not be read again
    judged: tuple[JudgedLock, ...] = ()
    decisions: tuple[Decision, ...] = ()
    announcements: tuple[Announcement, ...] = ()  # that were used up, or are over
    cursor: CursorMove | None = None

    @property
    def is_empty(self) -> bool:
        """True when there is nothing to write."""
        return self == Changes()

    def telling(self, notices: Iterable[Event]) -> "Changes":
        """The same, and troubles that are told with it."""
        told = plan_health(tuple(notices))
        return replace(self, events=(*self.events, *told.events), alerts=(*self.alerts, *told.alerts))


def plan_mempool(found: Found, facts: Facts, now: int, *, vouched: bool = True) -> Changes:
    """Transactions that the node has in its mempool; not ``vouched``: that only its feed showed."""
    heard, flooded = audible(found, facts.guardians, facts.sightings)
    heard, crowds = without_crowds(heard, facts.payments, facts.sightings)
    sightings = [sighting for match in heard if (sighting := _meet(match, None, facts, now))]
    step = GuardianStep(facts.tip_height, found, flooded=flooded, vouched=vouched)
    changes = _with_crowds(_changes(found, sightings, facts, now, step), crowds, facts, now)
    return replace(changes, watches=_doubtful(changes.watches, heard)) if crowds else changes


def _doubtful(coins: Iterable[Watch], heard: Iterable[Match]) -> tuple[Watch, ...]:
    """The same, where those of transactions that are only counted have no amount until a block holds them.

    Nobody follows such a transaction. If it is never mined, its coins must not count as coins that were there.
    """
    followed = {(match.trigger.id, match.txid) for match in heard}

    def is_doubtful(coin: Watch) -> bool:
        return coin.trigger.vault is not None and (coin.trigger.id, txid_text(coin.key[:32])) not in followed

    return tuple(replace(coin, sats=None) if is_doubtful(coin) else coin for coin in coins)


def plan_tick(facts: Facts, now: int) -> Changes:
    """Time went by: what waits for a delay may be due, and what could not be read may have to be told."""
    changes = _changes((), (), facts, now, GuardianStep(facts.tip_height))
    told, told_of = plan_unverified(facts.waiting, facts.guardians, facts.network, now)
    return replace(
        changes,
        events=(*changes.events, *(event for event, _ in told_of)),
        alerts=(*changes.alerts, *_told(told_of)),
        waiting=told,
    )


def plan_block(
    block: BlockRef,
    found: Found,
    facts: Facts,
    now: int,
    tip_height: int | None = None,
    *,
    move_cursor: bool = True,
) -> Changes:
    """One block of the active chain. ``tip_height``: how far the chain is known to go on, for what is final.

    A block of the past that is read again for a new vault does not move the cursor.
    """
    tip_height = block.height if tip_height is None else tip_height
    current = dict(facts.sightings)
    steps: list[Sighting] = []

    def note(sighting: Sighting | None) -> None:
        if sighting:
            current[sighting.place] = sighting
            steps.append(sighting)

    heard, flooded = audible(found, facts.guardians, facts.sightings)
    heard, crowds = without_crowds(heard, facts.payments, facts.sightings)
    for match in heard:
        note(_meet(match, block, facts, now))
    for rival in _rivals(found, facts, current):
        note(moved(rival[0], Look.RIVAL_CONFIRMED, block, by=rival[1]))
    for sighting in list(current.values()):
        depth = facts.vault(sighting.trigger.vault).final_depth
        if sighting.block and tip_height - sighting.block.height + 1 >= depth:
            note(moved(sighting, Look.BURIED))
    changes = _changes(found, steps, facts, now, GuardianStep(tip_height, found, block, flooded=flooded))
    changes = _with_crowds(changes, crowds, facts, now)
    return replace(changes, cursor=CursorMove(block)) if move_cursor else changes


def plan_rewind(to: BlockRef, facts: Facts, now: int) -> Changes:
    """Blocks above ``to`` left the active chain; ``facts.sightings`` holds those that stood in them."""
    steps = []
    for sighting in facts.sightings.values():
        if sighting.block is None or sighting.block.height <= to.height:
            continue
        conflicted = sighting.status is Status.CONFLICTED
        look = Look.RIVAL_DISCONNECTED if conflicted else Look.DISCONNECTED
        if after := moved(sighting, look):
            steps.append(after)
    changes = _changes((), steps, facts, now, GuardianStep(to.height, rewound_to=to.height))
    return replace(changes, cursor=CursorMove(to))


@dataclass(frozen=True, slots=True)
class Absence:
    """A sighted transaction that is in neither the mempool nor the chain.

    ``rival`` spends its coins, if any; in ``block``, if that was read before the transaction was sighted.
    """

    sighting: Sighting
    rival: str | None = None
    block: BlockRef | None = None


def plan_absences(
    absences: Iterable[Absence], facts: Facts, now: int, signals: frozenset[str] = frozenset()
) -> Changes:
    """Transactions that left the mempool without being mined.

    ``signals``: the txids of those that nobody sighted, as a guardian's registration found them.
    """
    steps = []
    for absence in absences:
        look = Look.RIVAL_CONFIRMED if absence.block else Look.REPLACED if absence.rival else Look.GONE
        if after := moved(absence.sighting, look, absence.block, by=absence.rival):
            steps.append(after)
    return _changes((), steps, facts, now, GuardianStep(facts.tip_height, gone=signals))


def plan_readiness(before: Sequence[JudgedLock], after: Sequence[JudgedLock], network: str, now: int) -> Changes:
    """Locks that were signed in advance, judged anew: a change of verdict is told, once."""
    moved = [
        (old, new)
        for old, new in zip(before, after, strict=True)
        if new.readiness != old.readiness or now - old.checked_at >= _JUDGEMENT_LASTS_S
    ]
    events, alerts = [], []
    for old, new in moved:
        verdicts = {old.readiness.verdict, new.readiness.verdict}
        if len(verdicts) == 1:
            continue
        event, severity = of_armed_lock(new, network, now)
        events.append(event)
        if not verdicts.isdisjoint(("weak", "void")):  # else it was ready and has been used
            settles = Severity.HIGH if severity is Severity.INFO else None
            alerts.append(AlertChange(case_of(event), event, severity, resolves=settles))
    return Changes(events=tuple(events), alerts=tuple(alerts), judged=tuple(new for _, new in moved))


def plan_operation(event: Event, severity: Severity | None) -> Changes:
    """What the operator did: journaled, and told as loudly as said; None: not told."""
    return Changes(events=(event,), alerts=(AlertChange(case_of(event), event, severity),) if severity else ())


COIN_GONE = "trigger.coin_gone"
TOO_MANY_PAYMENTS = "funds.too_many"


def plan_gone_coins(coins: Iterable[Watch], facts: Facts, now: int) -> Changes:
    """Watched coins that are not among the unspent ones any more, and nobody saw them spent."""
    events = tuple(_gone(watch, facts.network, now) for watch in coins)
    return Changes(events=events, alerts=tuple(alert for event in events if (alert := _alert(event, facts))))


def _gone(watch: Watch, network: str, now: int) -> Event:
    trigger, coin = watch.trigger, outpoint_text(watch.key)
    return Event(
        key=fact_key(network, trigger.vault, trigger.kind, trigger.key, COIN_GONE, coin),
        kind=COIN_GONE,
        at=now,
        network=network,
        reason=f"watched outpoint {coin} is not among the unspent coins any more, and bwm saw no transaction spend it",
        vault=trigger.vault,
        trigger_kind=trigger.kind,
        trigger_key=trigger.key,
        sats=watch.sats,
        detail={"outpoint": coin, "case": f"coin/{coin}"},
    )


def plan_health(events: Sequence[Event]) -> Changes:
    """Troubles that began or ended, each trouble one alert, which its end resolves."""
    loudness = health.severities()
    alerts = tuple(
        AlertChange(case_of(event), event, loudness[event.kind], resolves=health.settles(event.kind))
        for event in events
    )
    return Changes(events=tuple(events), alerts=alerts)


def _meet(match: Match, block: BlockRef | None, facts: Facts, now: int) -> Sighting | None:
    known = facts.sightings.get((match.trigger.id, match.txid))
    if known is None:
        trigger = match.trigger
        past = facts.past.get((trigger.vault or trigger.guardian, trigger.kind, trigger.key, match.txid), 0)
        return replace(first_sighting(match, block, now), revision=past)  # a fact of its own, which is told as well
    if known.family is Family.FUNDS and match.family is Family.TRIGGER:
        fresh = first_sighting(match, block, known.first_seen_at)
        return replace(fresh, revision=known.revision + 1)  # one of its coins turned out to be watched
    return moved(known, Look.IN_BLOCK if block else Look.IN_MEMPOOL, block)


def _rivals(found: Found, facts: Facts, current: Mapping[Place, Sighting]) -> list[tuple[Sighting, str]]:
    """Unmined sightings whose coins a transaction of this block spends, each with that transaction's id."""
    beaten = {}
    for tx, _ in found:
        for item in tx.inputs:
            for sighting in facts.contested.get(item.spends, ()):
                if sighting.txid != tx.txid:
                    beaten[sighting.place] = (current.get(sighting.place, sighting), tx.txid)
    return list(beaten.values())


def _changes(found: Found, steps: Sequence[Sighting], facts: Facts, now: int, guardian_step: GuardianStep) -> Changes:
    """The events and alerts of the steps; of each sighting its last step is what is kept."""
    guardian_step = replace(
        guardian_step,
        fresh=frozenset(sighting.place for sighting in steps if sighting.place not in facts.sightings),
        gone=guardian_step.gone | {sighting.txid for sighting in steps if sighting.status in AWAY},
        spent_scripts=facts.spent_scripts,
        balances=facts.balances,
    )
    outcome = plan_guardians(facts.guardians, guardian_step, facts.network, now)
    events = tuple(_guarded(of_sighting(one, facts.network, now), facts, outcome.changes) for one in steps)
    sighted = {sighting.txid for sighting in steps}
    waiting = {one.tx.txid for one in facts.waiting}
    return Changes(
        events=(*events, *(event for event, _ in outcome.events)),
        sightings=tuple({sighting.place: sighting for sighting in steps}.values()),
        watches=tuple(watch for _, matches in found for match in matches for watch in match.learned),
        transactions=tuple(tx for tx, _ in found if tx.txid in sighted),
        alerts=(*(alert for event in events if (alert := _alert(event, facts))), *_told(outcome.events)),
        guardians=outcome.changes,
        waiting=tuple(Unresolved(tx, now) for tx in facts.unresolved if tx.txid not in waiting),
        settled=tuple(txid for txid in waiting if txid in facts.resolved),
    )


def _with_crowds(changes: Changes, crowds: Iterable[Crowd], facts: Facts, now: int) -> Changes:
    """The same, and that there were more payments than are told one by one: said once an hour."""
    events = tuple(_crowded(crowd, facts.network, now) for crowd in crowds)
    alerts = tuple(alert for event in events if (alert := _alert(event, facts)))
    return replace(changes, events=(*changes.events, *events), alerts=(*changes.alerts, *alerts))


def _crowded(crowd: Crowd, network: str, now: int) -> Event:
    trigger, hour, more = crowd.trigger, now // 3600, "payment" if crowd.payments == 1 else "payments"
    return Event(
        key=fact_key(network, trigger.vault, trigger.kind, trigger.key, TOO_MANY_PAYMENTS, hour),
        kind=TOO_MANY_PAYMENTS,
        at=now,
        network=network,
        reason=f"more than {PAYMENTS_AN_HOUR} payments to {trigger.key} in an hour: {crowd.payments} {more} now, and "
        "those that follow, are watched but not told one by one",
        vault=trigger.vault,
        trigger_kind=trigger.kind,
        trigger_key=trigger.key,
        sats=crowd.sats,
        detail={"payments": crowd.payments, "case": f"payments/{trigger.id}/{hour}"},
    )


def _told(events: Iterable[tuple[Event, Severity]]) -> tuple[AlertChange, ...]:
    return tuple(AlertChange(case_of(event), event, severity) for event, severity in events)


def _guarded(event: Event, facts: Facts, changes: Iterable[GuardianChange]) -> Event:
    """The event of a vault with the state of its guardian: of several, of the one that forbids the most."""
    states = {guardian.name: guardian.state.state for guardian in facts.guardians}
    states |= {change.name: change.state.state for change in changes}
    protecting = [states[name] for name in facts.vault(event.vault).guardians if name in states]
    if not protecting:
        return event
    return replace(event, detail={**event.detail, "guardian": max(protecting, key=LOCK_STATES.index)})


def _alert(event: Event, facts: Facts) -> AlertChange | None:
    vault = facts.vault(event.vault)
    is_locked = event.detail.get("guardian") == "locked"
    verdict = decide(event, Surroundings(vault.severity, old_news=is_old_news(event, vault), is_locked=is_locked))
    if verdict.severity is None:
        return None
    return AlertChange(case_of(event), event, verdict.severity, verdict.severity if verdict.resolves else None)


def is_old_news(event: Event, vault: VaultFacts) -> bool:
    """The history of an address that was read on registration; a watched coin or txid is always news."""
    if event.trigger_kind not in ("script", "descriptor") or event.block is None:
        return False
    return vault.registered_height is not None and (
        event.block.height <= vault.registered_height - vault.final_depth + 1
    )


def case_of(event: Event) -> str:
    """Which alert an event belongs to: what happens to one owner by one transaction is one case."""
    owner = f"guardian/{event.guardian}" if event.guardian else f"vault/{event.vault}" if event.vault else "bwm"
    return f"{owner}/{event.txid or event.detail.get('case', event.kind)}"
