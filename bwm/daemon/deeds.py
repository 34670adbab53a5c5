"""Hooks, webhooks and plug-ins: what policies ordered is carried out from the outbox, each order at least once.

One thread reads and writes the outbox; each deed runs in a thread of its own, and no two on the same target at once,
for programs that keep a state of their own. What comes of a deed is an event, which policies may act on in turn.
"""

import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from queue import Empty, SimpleQueue
from typing import Any

import structlog

from bwm.actions import hook, plugin, webhook
from bwm.actions.deed import Deed
from bwm.clock import Clock
from bwm.config_policies import WebhookConfig
from bwm.daemon.loop import Loop
from bwm.daemon.policy_desk import PolicyDesk, judged
from bwm.daemon.policy_watch import PolicyWatch
from bwm.db import announcements, orders, outbox, sightings
from bwm.db.alerts import Target
from bwm.db.commit import commit
from bwm.db.database import Database
from bwm.db.orders import Due
from bwm.errors import BwmError, DatabaseUnwritable
from bwm.order import after_failure
from bwm.plan import Changes
from bwm.plan_deeds import plan_deed
from bwm.plan_policies import plan_expired
from bwm.policy.guard import GuardFacts, Ruling, holds

log = structlog.get_logger()

ACTIONS = {hook.NAME: hook.TRIES, webhook.NAME: webhook.TRIES, plugin.NAME: plugin.TRIES}
"""How often each is tried before it is told as failed."""

_LOOK_EVERY_S = 1.0  # the command line, too, changes the outbox
_ASK_AGAIN_S = 2  # whether a person has said yes or no
_AT_ONCE = 8


class DeedWorker(Loop):
    """Carries out what is due. ``turn`` does one deed here and now, for who drives it by hand."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        desk: PolicyDesk,
        targets: Sequence[Target],
        webhooks: Sequence[WebhookConfig],
        on_alerts: Callable[[], None],
    ) -> None:
        """``on_alerts``: what came of a deed may have to be told."""
        super().__init__("deeds")
        self._database = database
        self._clock = clock
        self._desk = desk
        self._targets = targets
        self._policy_watch = PolicyWatch(desk.policies, database.network, clock)
        self._webhooks = {one.name: one for one in webhooks}
        self._on_alerts = on_alerts
        self._busy: set[str] = set()
        self._ended: SimpleQueue[tuple[Due, int, dict[str, Any] | BwmError]] = SimpleQueue()

    def _work(self) -> None:
        """A deed in hand at the end is cut off with the daemon, and done again after the next start."""
        with self._database.connection():
            self._take_turns(self._round, _LOOK_EVERY_S)

    def turn(self) -> bool:
        """One deed, begun and ended; False when none was due."""
        claimed = self._claim(1)
        for order, attempt in claimed:
            self._record(order, attempt, self._outcome(order, attempt, self._raw(order)))
        return bool(claimed)

    def _round(self) -> None:
        try:
            with self._database.passing_trouble():
                self._note_ended()
                self._let_expire()
                self.look_at_policies()
                for order, attempt in self._claim(_AT_ONCE - len(self._busy)):
                    self._busy.add(order.target)
                    begin = (order, attempt, self._raw(order))
                    threading.Thread(target=self._in_its_thread, args=begin, name=order.action, daemon=True).start()
        except DatabaseUnwritable:
            return  # whoever writes the journal says so

    def _in_its_thread(self, order: Due, attempt: int, raw: bytes | None) -> None:
        self._ended.put((order, attempt, self._outcome(order, attempt, raw)))
        self._bell.set()

    def _note_ended(self) -> None:
        while True:
            try:
                order, attempt, outcome = self._ended.get_nowait()
            except Empty:
                return
            try:
                self._record(order, attempt, outcome)
            except DatabaseUnwritable:
                self._ended.put((order, attempt, outcome))
                raise
            self._busy.discard(order.target)

    def _let_expire(self) -> None:
        now = self._clock.now()
        if over := announcements.over(now):
            self._commit(plan_expired(over, self._database.network, now))

    def look_at_policies(self) -> None:
        """Tell when policies or their programs are others than before."""
        changes = self._policy_watch.look()
        if changes is not None:
            with self._database.transaction():
                self._policy_watch.remember()
                self._commit(changes)

    def _claim(self, at_most: int) -> list[tuple[Due, int]]:
        """What is due and may be done, ours by lease; what may not be done any more is dropped, and said to be."""
        claimed: list[tuple[Due, int]] = []
        targets = set(self._busy)
        now = self._clock.now()
        if orders.any_silent(now):
            with self._database.transaction():
                outbox.lapse(now)
        for order in orders.due(list(ACTIONS), now, self._busy) if at_most > 0 else ():
            if len(claimed) >= at_most or order.target in targets:
                continue
            answer = holds(order.guard, self._facts(order, now))
            with self._database.transaction():
                if answer.ruling is Ruling.WAIT:
                    orders.postpone(order, now + _ASK_AGAIN_S)
                elif answer.ruling is Ruling.DROP:
                    if orders.drop(order, answer.reason):
                        self._commit(plan_deed(order, "dropped", answer.reason, {}, self._database.network, now))
                elif attempt := orders.claim(order, now):
                    claimed.append((order, attempt))
                    targets.add(order.target)
        return claimed

    def _facts(self, order: Due, now: int) -> GuardFacts:
        """A hook can be taken back, or it would not be one: the operator's hold is not for it."""
        return replace(orders.guard_facts(order.decision_id, self._database.network, now), on_hold=False)

    def _raw(self, order: Due) -> bytes | None:
        txid = order.event.txid if order.event else None
        tx = sightings.transactions([txid]).get(txid) if txid else None
        return tx.raw if tx else None

    def _outcome(self, order: Due, attempt: int, raw: bytes | None) -> dict[str, Any] | BwmError:
        """What came of it. A fault in bwm itself counts as a failure of the deed."""
        try:
            return self._carry_out(order, attempt, raw)
        except BwmError as error:
            return error
        except Exception as error:
            log.exception("deed.fault", action=order.action)
            return BwmError(f"a fault in bwm itself: {type(error).__name__}")

    def _carry_out(self, order: Due, attempt: int, raw: bytes | None) -> dict[str, Any]:
        if order.event is None:
            raise BwmError("there is no event to tell of")
        deed = Deed(order.order_id, attempt, order.target, order.arguments, order.event, raw, self._clock.now())
        if order.action == hook.NAME:
            return hook.carry_out(deed)
        if order.action == plugin.NAME:
            return plugin.carry_out(deed)
        known = self._webhooks.get(order.target)
        if known is None:
            raise BwmError(f"there is no [[webhook]] {order.target!r} in the configuration any more")
        return webhook.carry_out(deed, known.url.reveal(), known.secret.reveal())

    def _record(self, order: Due, attempt: int, outcome: dict[str, Any] | BwmError) -> None:
        now = self._clock.now()
        network = self._database.network
        with self._database.transaction():
            if not isinstance(outcome, BwmError):
                if orders.succeeded(order, attempt, now):
                    self._commit(plan_deed(order, "done", "", outcome, network, now))
                return
            tries_again = attempt < ACTIONS[order.action]
            retry = after_failure(outcome, attempt, now, random.random())  # noqa: S311 (jitter)
            told = orders.failed(order, attempt, str(outcome), retry.at if tries_again else None)
            if told and not tries_again:
                self._commit(plan_deed(order, "failed", str(outcome), {"attempts": attempt}, network, now))
        log.warning("deed.failed", action=order.action, attempt=attempt, error=str(outcome))

    def _commit(self, changes: Changes) -> None:
        now = self._clock.now()
        after = judged(self._desk, self._database, changes, now)
        commit(self._database, after, self._targets, now)
        if after.alerts:
            self._on_alerts()
