"""Orders of decisions taken from the outbox, and what came of them written down. What an end calls for is decided."""

import random
from collections.abc import Callable, Collection, Sequence
from typing import Any

import structlog

from bwm.clock import Clock
from bwm.daemon.forward_leaps import ForwardLeaps
from bwm.daemon.policy_desk import PolicyDesk, judged
from bwm.db import orders, outbox
from bwm.db.alerts import Target
from bwm.db.commit import commit
from bwm.db.database import Database
from bwm.db.orders import Due
from bwm.errors import BwmError
from bwm.order import LONGEST_WAIT_S, after_failure
from bwm.plan import Changes
from bwm.plan_deeds import plan_deed
from bwm.policy.guard import Ruling, holds

log = structlog.get_logger()

_ACTIONS = ("hook", "webhook", "plugin")
_AT_LEAST = 8  # orders looked at: some may have to wait, or go to one target
_ASK_AGAIN_S = 2  # whether a person has said yes or no


class OrderDesk:
    """Where orders are claimed and reported on. All of it in the thread of who holds it."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        desk: PolicyDesk,
        targets: Sequence[Target],
        on_alerts: Callable[[], None],
    ) -> None:
        """``on_alerts``: what came of an order may have to be told."""
        self.policies = desk.policies
        self._database = database
        self._clock = clock
        self._desk = desk
        self._targets = targets
        self._on_alerts = on_alerts
        self._leaps = ForwardLeaps(database, clock, _ACTIONS)

    @property
    def network(self) -> str:
        """By its name."""
        return self._database.network

    def claim(
        self, actions: Collection[str], busy: Collection[str], at_most: int, *, together: bool = False
    ) -> list[tuple[Due, int]]:
        """What is due and may be done, ours by lease; what may not be done any more is dropped, and said to be.

        ``busy``: targets that are at work. ``together``: several orders on one target may be taken at once.
        """
        claimed: list[tuple[Due, int]] = []
        taken = set(busy)
        self._leaps.look()
        now = self._clock.now()
        if orders.any_silent(now):
            with self._database.transaction():
                outbox.lapse(now)
        if orders.wait_too_long(actions, now, LONGEST_WAIT_S):
            with self._database.transaction():
                orders.begin_delays_anew(actions, now, LONGEST_WAIT_S)
        for order in orders.due(list(actions), now, busy, max(at_most, _AT_LEAST)) if at_most > 0 else ():
            if len(claimed) >= at_most or order.target in taken:
                continue
            attempt = self._claim(order, now)
            if attempt is not None:
                claimed.append((order, attempt))
                if not together:
                    taken.add(order.target)
        return claimed

    def _claim(self, order: Due, now: int) -> int | None:
        answer = holds(order.guard, orders.guard_facts(order.decision_id, order.guard, self.network, now))
        with self._database.transaction():
            match answer.ruling:
                case Ruling.WAIT:
                    orders.postpone(order, now + _ASK_AGAIN_S)
                case Ruling.DROP:
                    if orders.drop(order, answer.reason):
                        self.commit(plan_deed(order, "dropped", answer.reason, {}, self.network, now))
                case Ruling.GO:
                    return orders.claim(order, now)
        return None

    def record(self, order: Due, attempt: int, outcome: dict[str, Any] | BwmError, tries: int) -> None:
        """How an attempt ended. ``tries``: how many there are before a failure is told. Raises DatabaseUnwritable."""
        now = self._clock.now()
        with self._database.transaction():
            if not isinstance(outcome, BwmError):
                if orders.succeeded(order, attempt, now):
                    self.commit(plan_deed(order, "done", "", outcome, self.network, now))
                return
            tries_again = attempt < tries
            retry = after_failure(outcome, attempt, now, random.random())  # noqa: S311 (jitter)
            told = orders.failed(order, attempt, str(outcome), retry.at if tries_again else None)
            if told and not tries_again:
                self.commit(plan_deed(order, "failed", str(outcome), {"attempts": attempt}, self.network, now))
        log.warning("deed.failed", action=order.action, attempt=attempt, error=str(outcome))

    def commit(self, changes: Changes) -> None:
        """Write changes, with what policies make of them. Raises DatabaseUnwritable."""
        now = self._clock.now()
        after = judged(self._desk, self._database, changes, now)
        commit(self._database, after, self._targets, now)
        if after.alerts:
            self._on_alerts()
