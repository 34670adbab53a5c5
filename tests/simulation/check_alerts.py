"""Nothing is lost, nothing is told twice without a mark, and who has answered is left in peace: I2."""

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace

from bwm.severity import Severity
from tests.simulation.channel import SimChannel
from tests.simulation.facts import Facts, Violation
from tests.simulation.people import Answer

_MINUTE, _DAY = 60, 86400
_ALERTS = (
    'SELECT id, "case", event_id AS event, last_event_id AS last_event, severity, state, created_at, since FROM alert'
)
_UNTOLD = (
    "alert.acknowledged",
    "policy.decided",
    "policy.vetoed",
    "response.added",
    "response.armed",
    "response.ready",
    "response.unproven",
    "response.used",
)
"""What people and policies did, and that all is well: which nobody need be told."""
_ORDERS = "SELECT target, alert_id AS alert, state, due_at FROM outbox"


def every_event_has_its_alert(facts: Facts) -> Iterator[Violation]:
    """Each case that a person must hear of has one alert, which knows the latest."""
    alerts = {alert.case: alert for alert in facts.rows(_ALERTS)}
    latest: dict[str, SimpleNamespace] = {}
    for event in facts.events:
        if event.kind not in _UNTOLD:
            latest[_case(event)] = event
    for case, event in latest.items():
        alert = alerts.get(case)
        if alert is None:
            yield Violation("loss", f"{case}: {event.kind} called for no alert")
        elif alert.last_event < event.seq:
            yield Violation("loss", f"{case}: {event.kind} did not reach its alert")


def _case(event: SimpleNamespace) -> str:
    if event.kind.startswith("response."):
        return str(json.loads(event.detail)["case"])
    owner = f"guardian/{event.guardian}" if event.guardian else f"vault/{event.vault}" if event.vault else "bwm"
    return f"{owner}/{event.txid or json.loads(event.detail).get('case', event.kind)}"


def every_alert_is_told(facts: Facts) -> Iterator[Violation]:
    """On every channel that works, with the latest news; and none that waits for an answer falls silent."""
    orders = {(order.alert, order.target): order for order in facts.rows(_ORDERS)}
    for alert in facts.rows(_ALERTS):
        rank = Severity(alert.severity).rank
        for channel, least in facts.tower.channels.items():
            if rank >= least.rank:
                yield from _told(facts, alert, channel, orders.get((alert.id, channel.name)))


def _told(
    facts: Facts, alert: SimpleNamespace, channel: SimChannel, order: SimpleNamespace | None
) -> Iterator[Violation]:
    name = f"{alert.case} on {channel.name}"
    if order is None:
        yield Violation("loss", f"{name}: nobody was ever to be told")
        return
    answer = facts.people.answers.get(alert.id)
    arrived = {each.event for each in _single(channel) if each.arrived and each.alert_id == alert.id}
    is_news = answer is None or alert.last_event > answer.last_event
    if is_news and alert.last_event not in arrived:
        yield Violation("loss", f"{name}: event {alert.last_event} never arrived; the order is {order}")
    if alert.state == "open" and alert.severity != "info" and order.due_at is None:
        yield Violation("loss", f"{name}: nobody answered, and it will not be repeated")


@dataclass(frozen=True, slots=True)
class Single:
    """One alert in one sending."""

    alert_id: str
    event: int | None
    severity: str
    attempt: int | None  # None in a digest, which has no number
    may_repeat: bool
    at: int
    true_at: float
    arrived: bool
    doubtful: bool


def _single(channel: SimChannel) -> Iterator[Single]:
    """What was sent, a digest alert by alert."""
    for each in channel.sendings:
        message, fate = each.message, (each.at, each.true_at, each.arrived, each.doubtful)
        for entry in message.entries:
            yield Single(entry.alert_id, entry.event, entry.severity, None, message.may_repeat, *fate)
        if not message.entries:
            told = (message.event, message.severity, message.attempt, message.may_repeat)
            yield Single(message.alert_id, *told, *fate)


def repeats_have_a_reason(facts: Facts) -> Iterator[Violation]:
    """Attempts are numbered, a repeat after doubt is marked, and nothing else is repeated before its time."""
    alerts = {alert.id: alert for alert in facts.rows(_ALERTS)}
    rises = _rises(facts)
    for channel in facts.tower.channels:
        by_alert: dict[str, list[Single]] = defaultdict(list)
        for sending in _single(channel):
            if sending.event is not None:
                by_alert[sending.alert_id].append(sending)
        for alert_id, sendings in by_alert.items():
            if alert_id not in alerts:
                yield Violation("false", f"{channel.name} was told of alert {alert_id}, which is not written down")
                continue
            yield from _repeats(facts, alerts[alert_id], channel.name, sendings, rises)


Rises = dict[tuple[str, str], set[int]]
"""When what made an alert as grave as it was came to pass, by the alert's id and the severity: some channels hear of
it only later."""


def _rises(facts: Facts) -> Rises:
    when = {event.seq: event.at for event in facts.events}
    found: Rises = defaultdict(set)
    for channel in facts.tower.channels:
        for each in _single(channel):
            found[each.alert_id, each.severity].add(when.get(each.event or 0, each.at))
    return found


def _repeats(
    facts: Facts, alert: SimpleNamespace, channel: str, sendings: list[Single], rises: Rises
) -> Iterator[Violation]:
    name = f"{alert.id} on {channel}"
    set_back_at = facts.tower.clock.set_back_at
    in_doubt = False
    number = 0
    previous: Single | None = None
    tried_at, was_due = 0.0, False
    for sending in sendings:
        if sending.attempt is not None:
            if sending.attempt <= number:
                yield Violation("duplicate", f"{name}: attempt {sending.attempt} after {number}")
            number = sending.attempt
        if previous is not None:
            if in_doubt and sending.event == previous.event and not sending.may_repeat:
                yield Violation("duplicate", f"{name}: attempt {sending.attempt} may be a repeat and does not say so")
            was_due |= any(tried_at < at <= sending.true_at for at in set_back_at)  # nothing waits longer for that
            is_told = previous.arrived and not previous.doubtful
            if is_told and not was_due and _is_too_soon(alert, previous, sending, rises):
                yield Violation("duplicate", f"{name}: attempt {sending.attempt} tells again what was told")
        in_doubt = sending.doubtful or (in_doubt and not sending.arrived)
        tried_at = sending.true_at
        if sending.arrived or previous is None:
            previous, was_due = sending, False
    answer = facts.people.answers.get(alert.id)
    if answer is not None and alert.state == "acknowledged":
        yield from _after_the_answer(name, answer, sendings[answer.sendings[channel] :])


def _is_too_soon(alert: SimpleNamespace, told: Single, again: Single, rises: Rises) -> bool:
    """Whether the same news was repeated to a person earlier than the schedule of repeats has it."""
    if told.event != again.event or again.at < told.at:
        return False
    wait = again.at - told.at
    match told.severity:
        case "info":
            return True
        case "warning":
            return wait < _DAY
    since = alert.since if told.at >= alert.since else alert.created_at
    return all(wait < _until_next(told.at - begun) for begun in (since, *rises[alert.id, told.severity]))


def _until_next(age: int) -> int:
    """``age`` is negative where the clock was set back since."""
    marks = [mark for mark in (_MINUTE, 5 * _MINUTE, 15 * _MINUTE) if mark > age]
    return min(15 * _MINUTE, marks[0] - age) if marks else 15 * _MINUTE


def _after_the_answer(name: str, answer: Answer, later: list[Single]) -> Iterator[Violation]:
    """Only what is new since then is told, and that once."""
    told: set[int | None] = set()
    for sending in later:
        event = sending.event or 0
        if event <= answer.last_event:
            yield Violation("duplicate", f"{name}: attempt {sending.attempt} after the acknowledgement")
        elif event in told:
            yield Violation("duplicate", f"{name}: attempt {sending.attempt} repeats news after the answer")
        if sending.arrived and not sending.doubtful:
            told.add(event)
