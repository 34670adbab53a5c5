"""Hooks and webhooks: what policies ordered is carried out from the outbox, each order at least once.

One thread reads and writes the outbox; each deed runs in a thread of its own, and no two on the same target at once,
for programs that keep a state of their own. What comes of a deed is an event, which policies may act on in turn.
"""

import threading
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Any

import structlog

from bwm.actions import hook, webhook
from bwm.actions.deed import Deed
from bwm.channels.sending.post import status_of_post
from bwm.clock import Clock
from bwm.config_policies import WebhookConfig
from bwm.daemon.ask_plugins import PluginRounds
from bwm.daemon.loop import Loop
from bwm.daemon.order_desk import OrderDesk
from bwm.daemon.policy_desk import PolicyDesk
from bwm.daemon.policy_watch import PolicyWatch
from bwm.daemon.stir import QUIET_S
from bwm.db import announcements, sightings
from bwm.db.alerts import Target
from bwm.db.database import Database
from bwm.db.orders import Due
from bwm.errors import BwmError, DatabaseUnwritable
from bwm.plan_policies import plan_expired

log = structlog.get_logger()

ACTIONS = {hook.NAME: hook.TRIES, webhook.NAME: webhook.TRIES}
"""How often each is tried before it is told as failed."""

_LOOK_EVERY_S = 1.0  # while something is being done, and for plug-ins, which wait for times of their own
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
        self._orders = OrderDesk(database, clock, desk, targets, on_alerts)
        self._plugins = PluginRounds(self._orders, clock, self.wake)
        self._policy_watch = PolicyWatch(desk.policies, database.network, clock)
        self._webhooks = {one.name: one for one in webhooks}
        self._busy: set[str] = set()
        self._ended: SimpleQueue[tuple[Due, int, dict[str, Any] | BwmError]] = SimpleQueue()

    def _work(self) -> None:
        """A deed in hand at the end is cut off with the daemon, and done again after the next start."""
        with self._database.connection():
            self._take_turns(self._round, self._rest_after)

    def _rest_after(self) -> float:
        return _LOOK_EVERY_S if self._busy or self._plugins.has_any else QUIET_S

    def turn(self) -> bool:
        """One deed and one round of plug-ins, begun and ended; False when none was due."""
        claimed = self._orders.claim(list(ACTIONS), self._busy, 1)
        for order, attempt in claimed:
            self._record(order, attempt, self._outcome(order, attempt, self._raw(order)))
        asked = self._plugins.turn()
        return bool(claimed) or asked

    def _round(self) -> None:
        try:
            with self._database.passing_trouble():
                self._note_ended()
                self._let_expire()
                self.look_at_policies()
                self._plugins.look()
                for order, attempt in self._orders.claim(list(ACTIONS), self._busy, _AT_ONCE - len(self._busy)):
                    self._busy.add(order.target)
                    self._begin(order, attempt, self._raw(order))
        except DatabaseUnwritable:
            return  # whoever writes the journal says so

    def _begin(self, order: Due, attempt: int, raw: bytes | None) -> None:
        try:
            begin = (order, attempt, raw)
            threading.Thread(target=self._in_its_thread, args=begin, name=order.action, daemon=True).start()
        except RuntimeError:
            self._ended.put((order, attempt, BwmError("it was not begun: this machine lets bwm have no more threads")))

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
        if not announcements.over(now):
            return
        with self._database.transaction():
            if over := announcements.over(now):  # a spend may have used one up since
                self._orders.commit(plan_expired(over, self._database.network, now))

    def look_at_policies(self) -> None:
        """Tell when policies or their programs are others than before."""
        changes = self._policy_watch.look()
        if changes is not None:
            with self._database.transaction():
                self._policy_watch.remember()
                self._orders.commit(changes)

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
        known = self._webhooks.get(order.target)
        if known is None:
            raise BwmError(f"there is no [[webhook]] {order.target!r} in the configuration any more")
        return webhook.carry_out(deed, known.url.reveal(), known.secret.reveal(), status_of_post)

    def _record(self, order: Due, attempt: int, outcome: dict[str, Any] | BwmError) -> None:
        self._orders.record(order, attempt, outcome, ACTIONS[order.action])
