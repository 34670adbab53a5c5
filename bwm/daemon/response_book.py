"""What is seen of a response that was decided on, written down: where it stands, and the event that tells it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import structlog

from bwm.chain.block import BlockRef
from bwm.chain.tx import Output
from bwm.clock import Clock
from bwm.daemon.forward_leaps import ForwardLeaps
from bwm.daemon.open_response import OpenStep
from bwm.daemon.policy_desk import PolicyDesk, judged
from bwm.db import broadcasts, orders, responses
from bwm.db.alerts import Target
from bwm.db.broadcasts import DueOrder, Following
from bwm.db.commit import commit
from bwm.db.database import Database
from bwm.db.responses import StoredResponse
from bwm.plan import Changes
from bwm.plan_response import plan_broadcast, plan_dropped
from bwm.response.broadcast import Broadcast, Look, moved

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Scene:
    """What one look at a broadcast works with."""

    following: Following
    response: StoredResponse
    steps: Sequence[OpenStep]
    tip: BlockRef
    coins: frozenset[bytes]

    def place_of(self, txid: str) -> int | None:
        """Which of its steps this transaction is, from 0."""
        return next((step.stored.position for step in self.steps if step.stored.txid == txid), None)

    def known_coins(self) -> dict[bytes, Output]:
        """What is known of the coins that the steps spend."""
        return {key: coin for step in self.steps for key, coin in step.stored.coins.items()}


class ResponseBook:
    """Writes, and has policies look at what was written."""

    def __init__(
        self,
        database: Database,
        targets: Sequence[Target],
        clock: Clock,
        on_orders: Callable[[], None],
        desk: PolicyDesk | None,
    ) -> None:
        """``on_orders``: there is something to deliver or to do."""
        self._database = database
        self._targets = targets
        self._clock = clock
        self._on_orders = on_orders
        self._desk = desk
        self._leaps = ForwardLeaps(database, clock, [broadcasts.ACTION])

    def mind_the_clock(self) -> None:
        """A clock that was set back must not keep a response for the hours or years that it had run ahead.

        And one that was set forward must take no time from anybody.
        """
        self._leaps.look()
        now = self._clock.now()
        if orders.end_too_soon([broadcasts.ACTION], now):
            with self._database.transaction():
                orders.keep_first_delays([broadcasts.ACTION], now)
        if orders.wait_too_long([broadcasts.ACTION], now):
            with self._database.transaction():
                orders.begin_delays_anew([broadcasts.ACTION], now)

    def take(self, order: DueOrder, response: StoredResponse, tip: BlockRef) -> Following | None:
        """Begin to follow what an order asks for; None when it is followed already, or was removed meanwhile."""
        with self._database.transaction():
            if not responses.is_kept(response.id):
                return None  # the next look finds the order without its response, and says so
            following = broadcasts.take(order, response.id, tip, self._clock.now())
            if following:
                self._tell(None, following.broadcast, response, order, None)
        return following

    def note_wait(self, order: DueOrder, response: StoredResponse, words: str) -> None:
        """What an order waits for."""
        with self._database.transaction():
            if broadcasts.note_wait(order, words):
                log.info("response.order_waits", response=response.name, words=words)

    def drop(self, order: DueOrder, words: str, *, is_wanted: bool) -> None:
        """An order is not carried out, and why. ``is_wanted``: somebody, or its guard, would have it so."""
        now = self._clock.now()
        with self._database.transaction():
            if broadcasts.drop(order, words, now):
                network = self._database.network
                names = (order.response, order.vault)
                self._commit(plan_dropped(order.id, *names, words, network, now, is_wanted=is_wanted))

    def put_scanned(self, scene: Scene, block: BlockRef) -> Scene:
        """Blocks up to this one were searched."""
        with self._database.transaction():
            broadcasts.put_scanned(scene.following.broadcast.id, block)
        return replace(scene, following=replace(scene.following, scanned=block))

    def move(
        self,
        scene: Scene,
        look: Look,
        cause: str,
        words: str,
        *,
        position: int | None = None,
        height: int | None = None,
        block: BlockRef | None = None,
        rival: str | None = None,
    ) -> Scene:
        """What a look found, if it is news. Returns how it stands then."""
        before = scene.following.broadcast
        after = moved(before, look, cause, words, position=position, height=height, block=block, rival=rival)
        if after is None:
            return scene
        fees = {step.stored.position: step.stored.fee for step in scene.steps}
        with self._database.transaction():
            broadcasts.put(after)
            self._tell(before, after, scene.response, scene.following.order, fees.get(after.position or 0))
        return replace(scene, following=replace(scene.following, broadcast=after))

    def _tell(
        self, before: Broadcast | None, after: Broadcast, response: StoredResponse, order: DueOrder, fee: int | None
    ) -> None:
        txid = None if after.position is None else response.steps[after.position].txid
        names = (response.name, response.vault, txid, order.trigger_txid)
        shown = None if after.position is None else fee
        self._commit(plan_broadcast(before, after, *names, shown, self._database.network, self._clock.now()))

    def _commit(self, changes: Changes) -> None:
        now = self._clock.now()
        after = judged(self._desk, self._database, changes, now) if self._desk else changes
        commit(self._database, after, self._targets, now)
        for event in changes.events:
            log.info("event", kind=event.kind, vault=event.vault, key=event.key)
        self._on_orders()
