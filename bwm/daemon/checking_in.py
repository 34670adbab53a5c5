"""A check-in written down, whoever brings it: the command line or the API. And how it stands, for who asks."""

from typing import Any

from bwm.check_in import Stage, Term, by_the_clock, plan_check_in
from bwm.clock import rfc3339
from bwm.config import Config
from bwm.config_alerts import CheckInConfig
from bwm.daemon.policy_desk import PolicyDesk, judged
from bwm.daemon.targets import targets_of
from bwm.db import check_ins
from bwm.db.check_ins import Count
from bwm.db.commit import commit
from bwm.db.database import Database
from bwm.errors import UsageError

_SAME_S = 60
"""Check-ins within so many seconds are one."""


def term_of(config: CheckInConfig, count: Count) -> Term | None:
    """The period that runs; None before a daemon has seen that one is wanted."""
    if count.since is None:
        return None
    return Term(count.number, count.since, config.period_s, config.grace_s, config.remind_s)


def checked_in(config: Config, database: Database, by: str, now: int) -> dict[str, Any]:
    """Note a check-in; until when it holds. ``by``: who brings it, in words. Raises UsageError where none is wanted."""
    if config.check_in is None:
        raise UsageError("No check-ins are wanted: nothing was noted. Add [deadman] with a period to bwm.toml first.")
    with database.transaction():
        before = check_ins.count()
        if before.since is not None and before.last is not None and 0 <= now - before.last < _SAME_S:
            return standing_of(config.check_in, now)
        count = check_ins.note(now)
        made = plan_check_in(count.number, by, config.network, now)
        desk = PolicyDesk(config.policies, config.network)
        commit(database, judged(desk, database, made, now), targets_of(config), now)
    return standing_of(config.check_in, now)


def standing_of(config: CheckInConfig, now: int) -> dict[str, Any]:
    """When somebody checked in, when the next is due, and how far it has come."""
    count, told = check_ins.count(), check_ins.standing()
    term = term_of(config, count)
    stage = Stage.FINE if term is None else by_the_clock(term, now)
    if told is not None and told.term == term:
        stage = max(stage, told.stage, key=lambda one: one.rank)
    return {
        "last": None if count.last is None else rfc3339(count.last),
        "due_at": None if term is None else rfc3339(term.due_at),
        "missed_at": None if term is None else rfc3339(term.ends_at),
        "stage": str(stage),
        "overdue": stage in (Stage.OVERDUE, Stage.MISSED),
    }
