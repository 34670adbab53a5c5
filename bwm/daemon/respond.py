"""Responses carried out: from an order that is due until the response is buried. One thread does all of it.

The decision is on disk before anything is done here. Then, each time: verify over RPC that its trigger stands, ask the
node what it would say, send, write down what was seen. A kill between any two of these leaves a row that is looked at
again: to send the same transaction twice is harmless.
"""

from collections.abc import Callable, Sequence

import structlog

from bwm.chain.block import BlockRef
from bwm.chain.network import Network
from bwm.clock import Clock
from bwm.daemon.follow_response import ResponseFollower
from bwm.daemon.loop import Loop
from bwm.daemon.open_response import OpenStep, open_steps
from bwm.daemon.policy_desk import PolicyDesk
from bwm.daemon.push_response import ResponsePusher
from bwm.daemon.response_book import ResponseBook, Scene
from bwm.daemon.stir import QUIET_S
from bwm.daemon.watch_responses import ResponseWatch
from bwm.db import broadcasts, responses
from bwm.db.alerts import Target
from bwm.db.broadcasts import DueOrder, Following
from bwm.db.database import Database
from bwm.db.responses import StoredResponse
from bwm.errors import ConfigError, Damaged, DatabaseUnwritable, NodeError, NodeForbidden, NodeRefused, UsageError
from bwm.node.bitcoind import Bitcoind
from bwm.policy.guard import Ruling, holds
from bwm.response.broadcast import Look, State
from bwm.seal import Sealer

log = structlog.get_logger()

_LOOK_EVERY_S = 1.0  # while something is on its way, or could not be looked at
_NOTHING_TO_SEND = (State.BURIED, State.LOST, State.CONFIRMED, State.CONFLICTED)


class Responder(Loop):
    """The supervisor of all responses."""

    def __init__(
        self,
        database: Database,
        node: Bitcoind,
        network: Network,
        sealer: Callable[[], Sealer | None],
        allowed: Sequence[bytes],
        targets: Sequence[Target],
        clock: Clock,
        on_orders: Callable[[], None],
        obstacle: Callable[[], str | None],
        desk: PolicyDesk | None = None,
        hand_on: Callable[[OpenStep], None] = lambda step: None,
    ) -> None:
        """``obstacle`` says why the chain cannot be trusted now: this tower is blind, or its peers disagree.

        ``hand_on`` brings what is sent to other nodes as well.
        """
        super().__init__("responses")
        self._database = database
        self._node = node
        self._network = network
        self._sealer = sealer
        self._clock = clock
        self._is_down = False
        self._rest_s = _LOOK_EVERY_S
        self._book = ResponseBook(database, targets, clock, on_orders, desk)
        self._follower = ResponseFollower(node, self._book)
        self._pusher = ResponsePusher(node, self._book, clock, network.name, obstacle, hand_on)
        self.readiness = ResponseWatch(database, node, sealer, allowed, targets, clock, on_orders)

    def _work(self) -> None:
        with self._database.connection():
            self._take_turns(self.turn, lambda: self._rest_s)

    def turn(self) -> None:
        """Take what is due, look at what is on its way, and judge what waits. A node that is away is asked again."""
        self._rest_s = _LOOK_EVERY_S
        try:
            with self._database.passing_trouble():
                if not self._carry_on():
                    self._rest_s = QUIET_S
            self._is_down = False
        except DatabaseUnwritable:
            return  # whoever writes the journal says so
        except NodeError as error:
            if not self._is_down:
                log.warning("response.node_failing", error=str(error))
            self._is_down = True

    def _carry_on(self) -> bool:
        """Whether it must be looked at again soon."""
        self._book.mind_the_clock()
        due, live = broadcasts.due(self._clock.now()), broadcasts.live()
        followed: BlockRef | None = None
        if due or live:
            self._node.check_network(self._network)
            followed = tip = self._node.tip()
            taken = [following for order in due if (following := self._take(order, tip))]
            for following in (*live, *taken):
                self._follow_apart(following, tip)
        return not self.readiness.look(followed) or bool(due or live)

    def _take(self, order: DueOrder, tip: BlockRef) -> Following | None:
        try:
            response = responses.find(order.response)
        except UsageError as error:
            words = f"policy {order.policy!r} orders a response that there is not: {error}"
            self._book.drop(order, words, is_wanted=False)
            return None
        answer = holds(order.guard, self._pusher.guard_facts(order))
        match answer.ruling:
            case Ruling.DROP:
                words = f"response {response.name} is not sent: {answer.reason}"
                self._book.drop(order, words, is_wanted=not answer.is_silence)
            case Ruling.WAIT:
                self._book.note_wait(order, response, answer.reason)
            case Ruling.GO:
                return self._book.take(order, response, tip)
        return None

    def _follow_apart(self, following: Following, tip: BlockRef) -> None:
        """What the node says of one, or a block that it hands over damaged, must not keep the others waiting."""
        try:
            self._follow(following, tip)
        except (NodeRefused, Damaged) as error:
            log.warning("response.node_refused", broadcast=following.broadcast.id, error=str(error))

    def _follow(self, following: Following, tip: BlockRef) -> None:
        response = responses.get(following.response_id)
        steps = self._open(response)
        coins = frozenset(item.spends for step in steps for item in step.tx.inputs)
        scene = Scene(following, response, steps, tip, coins)
        if not steps:
            words = "its transactions cannot be opened: the key that sealed them is missing"
            self._book.move(scene, Look.HINDERED, "sealed", words)
            return
        scene = self._follower.look_at_chain(scene)
        if scene.following.broadcast.state in _NOTHING_TO_SEND:
            return
        scene, is_there = self._follower.look_at_mempool(scene)
        if is_there is None:
            return
        try:
            self._pusher.push(scene, is_there=is_there)
        except NodeForbidden as error:  # only a person can mend it
            self._book.move(scene, Look.REFUSED, "forbidden", f"the node does not let bwm send it: {error}")

    def _open(self, response: StoredResponse) -> Sequence[OpenStep]:
        try:
            return open_steps(self._sealer(), self._network.name, response)
        except ConfigError as error:  # the key's file is open to others, or is no key
            log.error("response.sealing_key", error=str(error))
            return ()
