"""The policy ``rewind``: when a RewindBitcoin device is told again, and how far its acknowledgement reaches. Pure.

Times are unix seconds. The hours of the schedule are those that the wallet's own watchtower keeps: 0, 6, 12, 18, and
then every 24 until 162; ten messages in a week.
"""

from dataclasses import dataclass, replace

NAME = "rewind"

_HOUR, _DAY, _WEEK = 3600, 86_400, 604_800

GRACE_S = _HOUR
"""What reappears within this time after everything was gone is the same incident: a mempool forgets, a chain forks."""

AHEAD_S = _DAY
"""An acknowledgement that comes before its alert holds for what begins within this time."""


def next_message(first_at: int, last_at: int) -> int | None:
    """When to tell again what the push service took first and last at these times; None: never again."""
    if last_at + 6 * _HOUR < first_at + _DAY:
        return last_at + 6 * _HOUR
    later = max(last_at + _DAY, first_at + _DAY + 1)
    return later if later < first_at + _WEEK else None


@dataclass(frozen=True, slots=True)
class Incident:
    """One opening of a vault, however many triggers replace each other in it. ``number`` 0: there was none yet."""

    number: int = 0
    gone_since: int | None = None  # no trigger is seen since then


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """What a device has answered: to which incident, or when, before there was one."""

    incident: int | None = None
    ahead_at: int | None = None


def look(incident: Incident, *, is_seen: bool, now: int, is_another: bool = False) -> Incident:
    """The incident after a look: ``is_seen`` says whether any trigger is in the mempool or the chain.

    ``is_another``: beside one that was seen before stands a new one, and neither can have replaced the other. Else
    whoever has a vault watched for an old transaction, and that acknowledged, could open it in silence.
    """
    if not is_seen:
        return replace(incident, gone_since=now) if is_current(incident) else incident
    if incident.number == 0 or is_another or (incident.gone_since is not None and now - incident.gone_since > GRACE_S):
        return Incident(incident.number + 1)
    return replace(incident, gone_since=None)


def is_current(incident: Incident) -> bool:
    """Whether something is to be acknowledged."""
    return incident.number > 0 and incident.gone_since is None


def acknowledge(incident: Incident, known: Acknowledgement, now: int) -> Acknowledgement:
    """A device answers: to the incident that goes on, or else ahead of the next one."""
    if is_current(incident):
        return replace(known, incident=incident.number)
    return replace(known, ahead_at=now)


def carried_over(known: Acknowledgement, incident: Incident, now: int) -> Acknowledgement:
    """The acknowledgement when an incident has begun: one that was given ahead in time is for this one, and used up."""
    if known.ahead_at is None:
        return known
    return Acknowledgement(incident.number) if now - known.ahead_at <= AHEAD_S else replace(known, ahead_at=None)


def is_silenced(known: Acknowledgement, incident: Incident) -> bool:
    """Whether the device need not hear of this incident."""
    return known.incident == incident.number
