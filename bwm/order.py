"""A wish in the outbox: its states, who may claim it, when it is tried again and when it is repeated."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from bwm.errors import BwmError, DeliverLater, DeliveryRefused, DeliveryUncertain


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


def next_repeat(severity: str, first_at: int, now: int) -> int | None:
    """When an alert that nobody acknowledged is told again (unix seconds), or None when once is enough.

    After 1, 5 and 15 minutes, then every 15 minutes for a day, hourly for a week, daily after; it never stops.
    A warning is repeated daily; an info is told once. After the clock was set back, the age
    of what it puts into the future is not known: that is repeated every 15 minutes.
    """
    if severity == "info":
        return None
    if severity == "warning":
        return now + _DAY
    age = now - first_at
    if age < 0:
        return now + 15 * _MINUTE
    for mark in (_MINUTE, 5 * _MINUTE, 15 * _MINUTE):
        if age < mark:
            return first_at + mark
    if age < _DAY:
        return now + 15 * _MINUTE
    return now + (_HOUR if age < 8 * _DAY else _DAY)
