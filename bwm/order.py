"""A wish in the outbox: its states, who may claim it, when it is tried again and when it is repeated."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from bwm.errors import BwmError, DeliverLater, DeliveryRefused, DeliveryUncertain
from bwm.severity import Severity


class State(StrEnum):
    """Where an order stands."""

    PENDING = "pending"
    IN_FLIGHT = "in_flight"  # claimed by a lease of some seconds, not a promise
    UNCERTAIN = "uncertain"  # cut off in mid-send: it is sent again and marked as a repeat
    DONE = "done"
    CLOSED = "closed"  # by acknowledgement, resolution or the operator; time alone never closes


class Step(StrEnum):
    """What moves an order."""

    CLAIM = "claim"
    SUCCEED = "succeed"
    RETRY = "retry"
    DOUBT = "doubt"
    LAPSE = "lapse"
    REPEAT = "repeat"
    REOPEN = "reopen"
    CLOSE = "close"


TRANSITIONS: Mapping[tuple[State, Step], State] = {
    (State.PENDING, Step.CLAIM): State.IN_FLIGHT,
    (State.UNCERTAIN, Step.CLAIM): State.IN_FLIGHT,
    (State.DONE, Step.CLAIM): State.IN_FLIGHT,  # a repeat that fell due
    (State.IN_FLIGHT, Step.SUCCEED): State.DONE,
    (State.IN_FLIGHT, Step.RETRY): State.PENDING,  # due again at the time the retry rule gave
    (State.IN_FLIGHT, Step.DOUBT): State.UNCERTAIN,
    (State.IN_FLIGHT, Step.LAPSE): State.UNCERTAIN,  # the daemon died while sending
    (State.DONE, Step.REPEAT): State.PENDING,  # its alert changed: there is something new to say
    (State.CLOSED, Step.REOPEN): State.PENDING,  # the answer was taken back, or what it answered is not all any more
    **{(state, Step.CLOSE): State.CLOSED for state in State if state is not State.CLOSED},
}

LONGEST_WAIT_S = 300

LEASE_S = 60
"""Longer than any action may take: who has not reported by then is dead."""


class IllegalStep(BwmError):
    """An order cannot take this step from where it stands; nothing was changed."""


def step(state: State, by: Step) -> State:
    """The state after a step; raises IllegalStep where the table has no road."""
    try:
        return TRANSITIONS[state, by]
    except KeyError:
        raise IllegalStep(f"an order that is {state} cannot {by}") from None


@dataclass(frozen=True, slots=True)
class Rung:
    """One step of an escalation: these people hear of an alert that nobody has acknowledged ``after_s`` seconds on."""

    people: tuple[str, ...]
    after_s: int  # seconds after the alert began to call for an answer
    min_severity: Severity = Severity.WARNING  # what is less does not climb so far


@dataclass(frozen=True, slots=True)
class Place:
    """Where a channel stands on the ladder of one alert: on rung 0 it hears it first."""

    rung: int
    after_s: int


def place_on_ladder(
    reaches: Collection[str], severity: Severity, people: Collection[str], ladder: Sequence[Rung]
) -> Place | None:
    """When a channel that reaches these people is told of an alert; None: not at all.

    ``people``: who hears it first; empty: everybody whom no rung names. Who is named by nobody is told at once, rather
    than never; on the other hand an info, which waits for no answer, climbs no ladder.
    """
    named = {person for rung in ladder for person in rung.people}
    if (set(people) & set(reaches)) if people else (not reaches or set(reaches) - named):
        return Place(0, 0)
    for number, rung in enumerate(ladder, 1):
        if set(rung.people) & set(reaches):
            return Place(number, rung.after_s) if _climbs(severity, rung) else None
    return None


def _climbs(severity: Severity, rung: Rung) -> bool:
    return severity is not Severity.INFO and severity.rank >= rung.min_severity.rank


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again at ``at`` (unix seconds)."""

    at: int
    uncertain: bool = False


def after_failure(error: BwmError, attempts: int, now: int, chance: float) -> Retry:
    """When to try again: full jitter under a ceiling of 10 s that doubles to 5 min, or what the receiver asked for.

    An alert is never given up: a receiver that refuses today may be mended tomorrow, so a refusal waits the
    longest instead. ``chance`` is a random number from 0 to 1; ``attempts`` counts from 1.
    """
    ceiling = LONGEST_WAIT_S if isinstance(error, DeliveryRefused) else min(LONGEST_WAIT_S, 5 * 2 ** min(attempts, 7))
    wait = chance * ceiling
    if isinstance(error, DeliverLater) and error.wait_s is not None:
        wait = min(max(wait, error.wait_s), LONGEST_WAIT_S)
    return Retry(now + max(1, round(wait)), isinstance(error, DeliveryUncertain))


_MINUTE, _HOUR, _DAY = 60, 3600, 86400

LONGEST_SNOOZE_S = 7 * _DAY


@dataclass(frozen=True, slots=True)
class Standing:
    """What the schedule must know of an open alert."""

    severity: str
    since: int  # unix seconds: when it began to call for an answer, or will again
    every_s: int | None = None  # seconds between repeats, where a policy wants others than its severity has
    snoozed_s: int = 0  # seconds; not 0: a person put it off, until ``since``


def next_due(alert: Standing, told_at: int, now: int) -> int | None:
    """When a channel that was last told at ``told_at`` is told again while nobody answers; None: never (unix seconds).

    ``now`` is not before ``told_at``, unless the clock was set back.
    """
    if alert.severity == "info":
        return None
    if alert.snoozed_s and now < alert.since:
        return min(alert.since, now + alert.snoozed_s)  # the later only when the clock was set back since
    if told_at < alert.since <= now:
        return alert.since
    return next_repeat(alert.severity, alert.since, told_at if told_at <= now else now, alert.every_s)


def next_repeat(severity: str, since: int, now: int, every_s: int | None = None) -> int | None:
    """When an alert that nobody acknowledged is told again (unix seconds), or None when once is enough.

    After 1, 5 and 15 minutes, then every 15 minutes for a day, hourly for a week, daily after; it never stops.
    A warning is repeated daily; an info is told once. ``every_s``: as often as that instead. After the clock was set
    back, the age of what it puts into the future is not known: that is repeated every 15 minutes.
    """
    if severity == "info":
        return None
    if every_s is not None:
        return now + every_s
    if severity == "warning":
        return now + _DAY
    age = now - since
    if age < 0:
        return now + 15 * _MINUTE
    for mark in (_MINUTE, 5 * _MINUTE, 15 * _MINUTE):
        if age < mark:
            return since + mark
    if age < _DAY:
        return now + 15 * _MINUTE
    return now + (_HOUR if age < 8 * _DAY else _DAY)


DIGEST_EVERY_S = 300
"""Seconds: no channel is told more than one digest of a lane within them."""


@dataclass(frozen=True, slots=True)
class Lane:
    """Severities that share a channel's patience: what comes above their number is told together."""

    severities: tuple[Severity, ...]  # the gravest first
    singly: int | None  # messages in DIGEST_EVERY_S that are told one by one; None: all are

    @property
    def ranks(self) -> tuple[int, ...]:
        """Of its severities."""
        return tuple(severity.rank for severity in self.severities)


LANES = (
    Lane((Severity.EMERGENCY, Severity.CRITICAL), None),
    Lane((Severity.HIGH,), 100),
    Lane((Severity.WARNING, Severity.INFO), 10),
)


class Manner(StrEnum):
    """How what waits in a lane is told."""

    SINGLY = "singly"
    TOGETHER = "together"
    LATER = "later"


def manner(lane: Lane, waiting: int, told_lately: int, since_digest_s: float) -> Manner:
    """``told_lately``: alerts of this lane that the channel was told within DIGEST_EVERY_S, in whatever manner."""
    if lane.singly is None or waiting + told_lately <= lane.singly:
        return Manner.SINGLY
    return Manner.TOGETHER if since_digest_s >= DIGEST_EVERY_S else Manner.LATER
