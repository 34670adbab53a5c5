"""What is kept back for a while: silences and quiet hours. A theft never is. Pure: zones are handed in as values."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from fnmatch import fnmatchcase

from bwm.severity import Severity

_UPKEEP = frozenset({"node", "channel", "peer", "tower", "funds", "drill"})
"""Families of events that tell of the house and not of a theft: the only ones that an operator may keep back."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What an alert is about, as far as it decides whether it can wait."""

    kind: str  # of the event it is about
    severity: Severity
    owner: str | None = None  # name of the vault or guardian


@dataclass(frozen=True, slots=True)
class Silence:
    """From ``began_at`` until ``ends_at`` (unix seconds) alerts of these kinds are kept back."""

    began_at: int
    ends_at: int
    kinds: tuple[str, ...]  # patterns, like node.*
    owners: tuple[str, ...] = ()  # patterns of names; empty: of whatever vault or guardian, or none

    def covers(self, subject: Subject, now: int) -> bool:
        """Whether it keeps this back now. A clock that was set back before it began ends it."""
        return (
            self.began_at <= now < self.ends_at
            and not is_exempt(subject)
            and any(fnmatchcase(subject.kind, kind) for kind in self.kinds)
            and (not self.owners or any(fnmatchcase(subject.owner or "", owner) for owner in self.owners))
        )


@dataclass(frozen=True, slots=True)
class QuietHours:
    """Every day from ``begins`` to ``ends`` (local times of ``zone``; past midnight when it ends earlier)."""

    begins: time
    ends: time
    zone: tzinfo
    people: tuple[str, ...] = ()  # whose channels; empty: everybody's
    below: Severity = Severity.HIGH  # what is as grave as this does not wait

    def until(self, now: int) -> int | None:
        """When they end (unix seconds), or None when ``now`` is outside of them.

        A time that a change of the clocks skips counts as if they had not been changed; one that comes twice counts
        when it comes first.
        """
        local = datetime.fromtimestamp(now, UTC).astimezone(self.zone)
        for day in (local.date() - timedelta(days=1), local.date()):
            last = day if self.begins < self.ends else day + timedelta(days=1)
            began, ended = self._instant(day, self.begins), self._instant(last, self.ends)
            if began <= now < ended:
                return ended
        return None

    def _instant(self, day: date, at: time) -> int:
        return int(datetime.combine(day, at, self.zone).timestamp())


def is_exempt(subject: Subject) -> bool:
    """Whether it may never be kept back: what touches a vault's coins or a lock, and all of its kind."""
    family = subject.kind.partition(".")[0]
    if family in ("trigger", "announcement"):  # to announce is to say of which spend nobody shall be woken
        return subject.severity is not Severity.INFO  # an info of it is old news
    return family not in _UPKEEP and subject.severity.rank >= Severity.HIGH.rank


def held_until(
    subject: Subject,
    reaches: Collection[str],
    silences: Iterable[Silence],
    quiet: Iterable[QuietHours],
    now: int,
) -> int | None:
    """Until when an alert is kept back from a channel that reaches these people; None: it is told now."""
    if is_exempt(subject):
        return None
    ends = [silence.ends_at for silence in silences if silence.covers(subject, now)]
    for hours in quiet:
        concerned = not hours.people or (reaches and set(reaches) <= set(hours.people))
        if concerned and subject.severity.rank < hours.below.rank and (end := hours.until(now)) is not None:
            ends.append(end)
    return max(ends, default=None)
