"""What the owner's word makes of a step: announced spends are quiet, policies decide. Changes in, Changes out. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from bwm.event import Event, fact_key
from bwm.plan import AlertChange, Changes, VaultFacts, case_of, is_old_news
from bwm.policy.announcement import Announcement, Spend, State, mismatch
from bwm.policy.judge import Judgement, judge, loudness
from bwm.policy.rule import AlertStep, Policy
from bwm.policy.view import Spent, View
from bwm.severity import Severity

KEPT_TO, BROKEN, REUSED, EXPIRED = (
    "announcement.met",
    "announcement.broken",
    "announcement.reused",
    "announcement.expired",
)


@dataclass(frozen=True, slots=True)
class VaultSpend:
    """A transaction that touches a vault, with what the database knows of its coins and outputs."""

    spend: Spend
    own: frozenset[bytes] = frozenset()  # scripts of the vault among its outputs


@dataclass(frozen=True, slots=True)
class PolicyFacts:
    """What was read before policies decide."""

    network: str
    tip_height: int = 0
    vaults: Mapping[str, VaultFacts] = field(default_factory=dict)
    tags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # by vault
    spends: Mapping[tuple[str, str], VaultSpend] = field(default_factory=dict)  # by vault and txid
    announcements: tuple[Announcement, ...] = ()  # of the vaults touched: open ones, and those met or over lately
    history: tuple[Event, ...] = ()  # as far back as the policies' windows reach
    acted: Mapping[str, tuple[int, ...]] = field(default_factory=dict)  # by policy: when it gave orders
    blind: bool = False


def plan_policies(changes: Changes, policies: Sequence[Policy], facts: PolicyFacts, now: int) -> Changes:
    """The same step, with announcements used up, alerts as loud as policies have them, and their decisions."""
    changes = plan_announced(changes, facts, now)
    if not policies:
        return changes
    alerts = {alert.event.key: alert for alert in changes.alerts}
    order = [alert.event.key for alert in changes.alerts]
    decisions = list(changes.decisions)
    history, acted = list(facts.history), dict(facts.acted)
    for event in changes.events:
        vault = facts.vaults.get(event.vault or "", VaultFacts())
        judgements = () if is_old_news(event, vault) else judge(policies, view_of(event, facts, history, now), acted)
        if judgements:
            decisions += [one.decision for one in judgements]
            for one in judgements:
                if one.decision.acts:
                    acted[one.policy.name] = (*acted.get(one.policy.name, ()), now)
            if told := _told(event, alerts.get(event.key), judgements, vault):
                alerts[event.key] = told
                order.append(event.key)
        history.append(event)
    return replace(changes, alerts=tuple(alerts[key] for key in dict.fromkeys(order)), decisions=tuple(decisions))


def view_of(event: Event, facts: PolicyFacts, history: Sequence[Event], now: int) -> View:
    """What a policy may look at, of one event."""
    spend = facts.spends.get((event.vault or "", event.txid or ""))
    return View(
        event=event,
        now=now,
        tip_height=facts.tip_height,
        tags=facts.tags.get(event.vault or "", ()),
        tx=Spent(spend.spend.outputs, spend.own, spend.spend.spent) if spend else None,
        blind=facts.blind,
        history=history,
    )


def _told(
    event: Event, usual: AlertChange | None, judgements: Sequence[Judgement], vault: VaultFacts
) -> AlertChange | None:
    default = vault.severity if event.kind.startswith("trigger.") else Severity.HIGH
    step: AlertStep | None = loudness(judgements, usual.severity if usual else None, default, floor_of(event))
    if step is None or step.severity is None:
        return None
    if usual is None:
        change = AlertChange(case_of(event), event, step.severity)
    else:
        resolves = usual.resolves if step.severity.rank <= usual.severity.rank else None
        change = replace(usual, severity=step.severity, resolves=resolves)
    return replace(change, people=step.people, repeat_every_s=step.repeat_every_s, escalation=tuple(step.escalation))


def floor_of(event: Event) -> Severity:
    """How quiet a policy can make an event at most: a theft must not become silent by a slip of the pen."""
    if not event.kind.startswith("trigger."):
        return Severity.INFO
    if event.detail.get("guardian") == "locked":
        return Severity.EMERGENCY
    return Severity.INFO if "announced" in event.detail else Severity.WARNING


def plan_announced(changes: Changes, facts: PolicyFacts, now: int) -> Changes:
    """Spends that were announced are made quiet; of the others it is said which announcement they do not keep to."""
    if not facts.announcements:
        return changes
    known = {one.id: one for one in facts.announcements}
    moved: dict[int, Announcement] = {}
    extra: list[Event] = []
    renewed: dict[str, Event] = {}
    for event in changes.events:
        if not (event.kind.startswith("trigger.") and event.vault and event.txid):
            continue
        spend = facts.spends.get((event.vault, event.txid))
        mine = [one for one in known.values() if one.vault == event.vault]
        one, words = _announcement_of(mine, event.txid, spend, facts, now)
        if words is None and one is not None:
            renewed[event.key] = replace(event, detail={**event.detail, "announced": one.id})
            if one.met_by != event.txid:
                known[one.id] = moved[one.id] = replace(one, state=State.MET, met_by=event.txid)
                extra.append(_event(KEPT_TO, one, event.txid, "is the announced spend", facts.network, now))
        elif one is not None and words is not None:
            renewed[event.key] = replace(event, detail={**event.detail, "not_announced": words})
            kind = REUSED if one.state is State.MET else BROKEN
            extra.append(_event(kind, one, event.txid, words, facts.network, now))
    alerts = tuple(
        _quieter(replace(alert, event=renewed.get(alert.event.key, alert.event))) for alert in changes.alerts
    )
    events = tuple(renewed.get(event.key, event) for event in changes.events)
    extra = list({event.key: event for event in extra}.values())
    warnings = tuple(AlertChange(case_of(event), event, Severity.HIGH) for event in extra if event.kind != KEPT_TO)
    return replace(changes, events=(*events, *extra), alerts=(*alerts, *warnings), announcements=tuple(moved.values()))


def _quieter(alert: AlertChange) -> AlertChange:
    """An announced spend is told once, and waits for nobody; while a guardian is locked it is as loud as any."""
    if "announced" not in alert.event.detail or alert.event.detail.get("guardian") == "locked":
        return alert
    return replace(alert, severity=Severity.INFO, resolves=Severity.INFO)


def _announcement_of(
    mine: Sequence[Announcement], txid: str, spend: VaultSpend | None, facts: PolicyFacts, now: int
) -> tuple[Announcement | None, str | None]:
    """The announcement that a spend keeps to; else the one it comes nearest to, with what is wrong."""
    if used := [one for one in mine if one.met_by == txid]:
        return used[0], None
    if spend is None:
        return None, None
    fitting = [one for one in mine if mismatch(one, spend.spend, spend.own) is None]
    for one in fitting:
        if one.state is State.OPEN and one.begins_at <= now <= one.ends_at:
            return one, None
        if one.state is State.MET and _replaces(one, spend, facts):
            return one, None
    if fitting:
        return fitting[0], _too_late(fitting[0], now)
    near = [one for one in mine if one.state is State.OPEN]
    return (near[0], mismatch(near[0], spend.spend, spend.own)) if near else (None, None)


def _replaces(one: Announcement, spend: VaultSpend, facts: PolicyFacts) -> bool:
    """Whether a spend takes a coin of the one that used the announcement up: only one of the two can be mined."""
    before = facts.spends.get((one.vault, one.met_by or ""))
    return before is not None and not before.spend.inputs.isdisjoint(spend.spend.inputs)


def _too_late(one: Announcement, now: int) -> str:
    if one.state is State.MET:
        return f"announcement {one.id} was used up by transaction {one.met_by}"
    if one.state is State.CANCELLED:
        return f"announcement {one.id} was cancelled"
    return f"announcement {one.id} {'is not in force yet' if now < one.begins_at else 'is over'}"


def plan_expired(over: Sequence[Announcement], network: str, now: int) -> Changes:
    """Announcements whose time is over and whose spend did not come."""
    words = "announcement {} is over, and nothing used it"
    events = tuple(_event(EXPIRED, one, None, words.format(one.id), network, now) for one in over)
    alerts = tuple(AlertChange(case_of(event), event, Severity.INFO) for event in events)
    moved = tuple(replace(one, state=State.EXPIRED) for one in over)
    return Changes(events=events, alerts=alerts, announcements=moved)


MADE, CANCELLED, REFUSED = "announcement.made", "announcement.cancelled", "announcement.refused"
_OPERATIONS = {
    MADE: ("a spend was announced: {what} will not be told as a theft", Severity.WARNING),
    CANCELLED: ("announcement {number} was taken back", Severity.INFO),
    REFUSED: ("somebody tried to announce a spend without the owner's signature; it was refused", Severity.HIGH),
}


def plan_announcement(one: Announcement, number: int, kind: str, by: str | None, network: str, now: int) -> Changes:
    """What the operator did with an announcement, journaled, and told: who could do it silently could steal so.

    ``by``: whose key signed it, or what makes a refused one another one.
    """
    words, severity = _OPERATIONS[kind]
    what = f"transaction {one.txid}" if one.txid else f"what pays only to {len(one.destinations)} named addresses"
    event = replace(
        _event(kind, replace(one, id=number), None, words.format(what=what, number=number), network, now),
        key=fact_key(network, kind, number, by, now),
        detail={
            "announcement": number,
            "signed_by": by if number else None,
            "case": f"announcement/{kind}/{number}/{now}",
        },
    )
    alert = AlertChange(case_of(event), event, severity, None if kind == REFUSED else severity)
    moved = (replace(one, state=State.CANCELLED),) if kind == CANCELLED else ()
    return Changes(events=(event,), alerts=(alert,), announcements=moved)


def _event(kind: str, one: Announcement, txid: str | None, words: str, network: str, now: int) -> Event:
    return Event(
        key=fact_key(network, kind, one.id, one.vault, one.ends_at, txid, words),  # ids are given anew
        kind=kind,
        at=now,
        network=network,
        reason=words,
        vault=one.vault,
        txid=txid,
        detail={"announcement": one.id, **({} if txid else {"case": f"announcement/{one.id}/{one.ends_at}"})},
    )
