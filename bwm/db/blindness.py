"""The account of the times in which triggers could pass unseen."""

from collections.abc import Mapping
from functools import cache

from bwm.db import raw
from bwm.db.schema import Blindness
from bwm.health import Interval, unwatched_s

_DAY_S = 86_400
SPANS = {"day": _DAY_S, "week": 7 * _DAY_S, "month": 30 * _DAY_S}
"""The spans that are accounted for, in seconds back from now."""


def begin(at: int, words: str) -> None:
    """Blind from ``at`` on (unix seconds); nothing when that is known. Call inside a transaction."""
    Blindness.insert(began_at=at, words=words).on_conflict_ignore().execute()


def end(at: int) -> None:
    """Able to see again. Call inside a transaction."""
    Blindness.update(ended_at=at).where(Blindness.ended_at.is_null()).execute()


def note(began_at: int, ended_at: int, words: str) -> None:
    """A blind time that is over; another that lasts goes on. Nothing when it is known. Call inside a transaction."""
    Blindness.insert(began_at=began_at, ended_at=ended_at, words=words).on_conflict_ignore().execute()


def is_blind() -> bool:
    """Whether triggers can pass unseen now, as far as it was written down."""
    return Blindness.select().where(Blindness.ended_at.is_null()).exists()


def intervals(now: int) -> list[Interval]:
    """All blind times; one that lasts ends now."""
    return [(row.began_at, now if row.ended_at is None else row.ended_at) for row in Blindness.select()]


def of_vaults(now: int, blind_since: int | None) -> Mapping[str, Mapping[str, int]]:
    """For each vault the seconds it was unwatched in the last day, week and month, counted from its registration."""
    blind = intervals(now) + ([(blind_since, now)] if blind_since is not None else [])

    @cache
    def unwatched(created_at: int) -> Mapping[str, int]:
        """Of all vaults that were added together."""
        return {span: unwatched_s(blind, max(now - length_s, created_at), now) for span, length_s in SPANS.items()}

    vaults = raw.run("SELECT name, created_at FROM vault ORDER BY name")
    return {name: unwatched(created_at) for name, created_at in vaults}
