"""The dead-man switch: what follows from how long ago the owner gave a sign of life. Pure.

Absence is the commonest accident of all, so the last stage is hard to reach: the machine's clock and the chain's must
both be past its time, the stage before must have reached somebody, and bwm must have run for a day in one piece.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from bwm.clock import rfc3339
from bwm.event import Event, fact_key
from bwm.plan import AlertChange, Changes, case_of
from bwm.severity import Severity

FAIR_S = 86_400
"""What everybody has at least (seconds) between a warning, or bwm's return from an absence, and the last stage."""

ABSENT_S = 3600
"""bwm that made no step for so long (seconds) was away: who looked for its warnings found none."""

TRUSTED_AHEAD_S = 86_400
"""How far the machine's clock is believed ahead of the chain's, which lies an hour or some hours behind (seconds)."""

WRONG_S = 3600
"""A check-in so far in the future (seconds) was noted by a clock that ran ahead."""

CHECKED_IN, DUE, OVERDUE, MISSED, BACK = (
    "deadman.checked_in",
    "deadman.due",
    "deadman.overdue",
    "deadman.missed",
    "deadman.back",
)
SEVERITY: Mapping[str, Severity] = {
    DUE: Severity.WARNING,
    OVERDUE: Severity.HIGH,
    MISSED: Severity.CRITICAL,  # unless the configuration says otherwise
    BACK: Severity.INFO,
}
"""How loudly each of these is told; a check-in itself is not."""


class Stage(StrEnum):
    """How far it has come, in this order."""

    FINE = "fine"
    DUE = "due"  # soon: people are reminded
    OVERDUE = "overdue"  # the period is over
    MISSED = "missed"  # the grace is over as well

    @property
    def rank(self) -> int:
        """0 for fine, higher for each stage behind it."""
        return list(Stage).index(self)


_KIND = {Stage.DUE: DUE, Stage.OVERDUE: OVERDUE, Stage.MISSED: MISSED}


@dataclass(frozen=True, slots=True)
class Term:
    """From one check-in to the next. Times are unix seconds, spans seconds."""

    number: int  # check-ins so far; none yet: 0
    since: int  # the last one, or when bwm first saw that they are wanted
    period_s: int
    grace_s: int
    remind_s: int  # so long before its end people are reminded; 0: they are not

    @property
    def due_at(self) -> int:
        """The end of the period."""
        return self.since + self.period_s

    @property
    def ends_at(self) -> int:
        """The end of the grace."""
        return self.due_at + self.grace_s

    @property
    def case(self) -> str:
        """Another term is another alert, also when only the settings have changed."""
        return f"check-in/{self.number}/{self.since}/{self.period_s}/{self.grace_s}/{self.remind_s}"


@dataclass(frozen=True, slots=True)
class Standing:
    """What was told of a term."""

    term: Term
    stage: Stage = Stage.FINE
    warned_at: int | None = None  # when it was known that somebody was told that it is overdue (unix seconds)


@dataclass(frozen=True, slots=True)
class Sight:
    """How things stand around a look. Times are unix seconds."""

    now: int
    chain_time: int | None  # the median time of the node's last 11 blocks (BIP 113); None: never seen
    awake_since: int  # bwm has run since then, with no longer pause than ABSENT_S
    blind: bool = False
    delivered: bool = False  # a channel has told the stage of the standing


def believed(now: int, chain_time: int) -> int:
    """The time by which people are warned: the machine's, but never before the chain's and never far ahead of it."""
    return max(chain_time, min(now, chain_time + TRUSTED_AHEAD_S))


def awake_since(looked_at: int | None, before: int | None, now: int) -> int:
    """Since when bwm runs in one piece. ``looked_at``: its look before this one; None: there was none."""
    if looked_at is None or before is None or abs(now - looked_at) > ABSENT_S:
        return now  # it was away, or the clock jumped
    return min(before, now)


def by_the_clock(term: Term, now: int) -> Stage:
    """The stage that the time alone would give, for who asks; the last one is never reached by time alone."""
    if now >= term.due_at:
        return Stage.OVERDUE
    return Stage.DUE if term.remind_s and now >= term.due_at - term.remind_s else Stage.FINE


def stage_of(standing: Standing, sight: Sight) -> Stage:
    """The stage of its term now: within one term it only ever rises."""
    if sight.chain_time is None:
        return standing.stage
    by_time = by_the_clock(standing.term, believed(sight.now, sight.chain_time))
    found = Stage.MISSED if _is_missed(standing, sight, sight.chain_time) else by_time
    return max(standing.stage, found, key=lambda stage: stage.rank)


def _is_missed(standing: Standing, sight: Sight, chain_time: int) -> bool:
    term, warned_at = standing.term, standing.warned_at
    if standing.stage is not Stage.OVERDUE or warned_at is None or sight.blind:
        return False
    return (
        min(sight.now, chain_time) >= term.ends_at
        and sight.now - warned_at >= min(term.grace_s, FAIR_S)
        and sight.now - sight.awake_since >= FAIR_S
    )


def look(
    standing: Standing | None, term: Term | None, sight: Sight, network: str, loudest: Severity = Severity.CRITICAL
) -> tuple[Standing | None, Changes]:
    """What is to be told now, and what was told of the term then. ``term`` None: no check-ins are wanted any more.

    ``loudest``: the severity of the last stage.
    """
    changes = Changes()
    if standing is not None and standing.term != term and standing.stage is not Stage.FINE:
        changes = _changes(BACK, standing.term, network, sight.now, Severity.INFO, _words_back(standing, term))
    if term is None:
        return None, changes
    if standing is None or standing.term != term:
        standing = Standing(term)
    standing = _warned(standing, sight)
    stage = stage_of(standing, sight)
    if stage is not standing.stage:
        kind = _KIND[stage]
        severity = loudest if kind == MISSED else SEVERITY[kind]
        told = _changes(kind, term, network, sight.now, severity, _words(kind, term))
        changes = replace(changes, events=(*changes.events, *told.events), alerts=(*changes.alerts, *told.alerts))
        standing = Standing(term, stage, standing.warned_at)
    return standing, changes


def _warned(standing: Standing, sight: Sight) -> Standing:
    """The same, with when its warning had reached somebody; never later than now, wherever the clock was then."""
    if standing.stage is not Stage.OVERDUE or not (sight.delivered or standing.warned_at is not None):
        return standing
    return replace(standing, warned_at=min(sight.now if standing.warned_at is None else standing.warned_at, sight.now))


def _words(kind: str, term: Term) -> str:
    since = f"nobody has checked in since {rfc3339(term.since)}"
    match kind:
        case "deadman.due":
            return f"{since}: the next check-in is due until {rfc3339(term.due_at)}"
        case "deadman.overdue":
            return f"{since}: a check-in was due until {rfc3339(term.due_at)}, and is missed at {rfc3339(term.ends_at)}"
    return f"{since}: the time for it was over at {rfc3339(term.due_at)}, and the grace at {rfc3339(term.ends_at)}"


def _words_back(standing: Standing, term: Term | None) -> str:
    if term is None:
        return "no check-ins are asked for any more"
    if term.number == standing.term.number:
        return "the settings of the check-ins have changed"
    return f"somebody checked in at {rfc3339(term.since)}"


def _changes(kind: str, term: Term, network: str, now: int, severity: Severity, words: str) -> Changes:
    detail = {
        "check_in": term.number,
        "since": term.since,
        "due_at": term.due_at,
        "ends_at": term.ends_at,
        "until": term.due_at if kind == DUE else term.ends_at,
        "case": term.case,
    }
    event = Event(fact_key(network, kind, term.case), kind, now, network, words, detail=detail)
    settles = Severity.EMERGENCY if kind == BACK else None  # however loud policies have made it
    return Changes(events=(event,), alerts=(AlertChange(case_of(event), event, severity, settles),))


def plan_check_in(number: int, by: str, network: str, now: int) -> Changes:
    """Somebody gave a sign of life: journaled, and not told unless a policy has it told."""
    detail = {"check_in": number, "by": by, "case": f"check-in/{number}"}
    event = Event(fact_key(network, CHECKED_IN, number), CHECKED_IN, now, network, f"{by} checked in", detail=detail)
    return Changes(events=(event,))
