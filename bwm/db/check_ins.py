"""The last check-in, and what was told about the next. One setting each, so that either is whole or not there."""

import json
from dataclasses import asdict, dataclass, replace

from bwm.check_in import Stage, Standing, Term
from bwm.db import settings

_COUNT, _STANDING, _WATCH = "check_in", "check_in_told", "check_in_watch"


@dataclass(frozen=True, slots=True)
class Count:
    """How often somebody checked in. Times are unix seconds."""

    number: int = 0
    last: int | None = None
    since: int | None = None  # from when the next period counts; None: the daemon has not seen that one is wanted


@dataclass(frozen=True, slots=True)
class Watched:
    """What a daemon leaves to the next. Times are unix seconds."""

    looked_at: int | None = None
    awake_since: int | None = None
    chain_time: int | None = None  # the latest median time of the chain that was seen


def count() -> Count:
    """As it is now."""
    return Count(**json.loads(settings.read(_COUNT) or "{}"))


def note(now: int) -> Count:
    """Somebody checks in. Call inside a transaction.

    It does not count from before the chain's own time, however far behind the clock is.
    """
    before = count()
    after = Count(before.number + 1, now, max(now, watched().chain_time or 0))
    settings.write(_COUNT, json.dumps(asdict(after)))
    return after


def count_from(since: int | None) -> Count:
    """The period that runs begins then; None: none runs. Call inside a transaction."""
    after = replace(count(), since=since)
    settings.write(_COUNT, json.dumps(asdict(after)))
    return after


def standing() -> Standing | None:
    """What was told of the term that the daemon last saw."""
    kept = json.loads(settings.read(_STANDING) or "null")
    return None if kept is None else Standing(Term(**kept["term"]), Stage(kept["stage"]), kept["warned_at"])


def put_standing(after: Standing | None) -> None:
    """Call inside the transaction that tells it."""
    settings.write(_STANDING, json.dumps(None if after is None else asdict(after)))


def watched() -> Watched:
    """What the last daemon left."""
    return Watched(**json.loads(settings.read(_WATCH) or "{}"))


def put_watched(after: Watched) -> None:
    """For the next daemon."""
    settings.write(_WATCH, json.dumps(asdict(after)))
