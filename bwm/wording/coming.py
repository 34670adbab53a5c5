"""The responses that wait for their time, as the message of an alert tells them."""

from dataclasses import dataclass
from enum import StrEnum

from bwm.wording.reader import Reader


class Lack(StrEnum):
    """What keeps bwm from sending a response, and people can mend before its time comes."""

    MISSING = "missing"
    DISARMED = "disarmed"
    HOLD = "hold"


@dataclass(frozen=True, slots=True)
class Coming:
    """A response that waits for its time. Times are unix seconds."""

    response: str
    at: int
    decision: int
    unless_answered: bool = False  # an answer to the alert calls it off
    approve_by: int | None = None  # only if a person says yes until then
    unless_checked_in: bool = False  # the owner's sign of life calls it off
    lack: Lack | None = None  # as things stand, nothing will be sent


def response_to_come(one: Coming, now: int | None, reader: Reader) -> str:
    """What will be sent and when, how a person can change that, and what keeps it back. ``now``: unix seconds."""
    return _plan(one, now, reader) + _lack(one, reader)


def _plan(one: Coming, now: int | None, reader: Reader) -> str:
    say = reader.language.say
    name = one.response if reader.may_know("vault") else "***"
    if one.approve_by is not None:
        return say(
            "bwm sends the response {response} if somebody says yes until {time}: bwm approve {decision}",
            response=name,
            time=reader.time(one.approve_by),
            decision=one.decision,
        )
    if now is not None and one.at <= now:
        return say("bwm sends the response {response} now.", response=name)
    time = reader.time(one.at)
    if one.unless_checked_in:
        return say(
            "At {time} bwm sends the response {response}, unless the owner checks in before: bwm check-in",
            time=time,
            response=name,
        )
    if one.unless_answered:
        return say(
            "At {time} bwm sends the response {response}, unless somebody answers this before.",
            time=time,
            response=name,
        )
    return say(
        "At {time} bwm sends the response {response}. To stop it: bwm veto {decision}",
        time=time,
        response=name,
        decision=one.decision,
    )


def _lack(one: Coming, reader: Reader) -> str:
    """That it will not be sent as things stand, as another sentence."""
    say, name = reader.language.say, one.response if reader.may_know("vault") else "***"
    match one.lack:
        case Lack.MISSING:
            return " " + say("But there is none of this name: nothing will be sent. bwm list-responses")
        case Lack.DISARMED:
            return " " + say("But it is not armed, and waits for that: bwm arm {response}", response=name)
        case Lack.HOLD:
            return " " + say("But all responses are on hold: bwm hold --off")
    return ""
