"""Responses carried out: from an order that is due until the response is buried. One thread does all of it.

The decision is on disk before anything is done here. Then, each time: verify over RPC that its trigger stands, ask the
node what it would say, send, write down what was seen. A kill between any two of these leaves a row that is looked at
again: to send the same transaction twice is harmless.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import structlog

from bwm.chain.block import BlockRef
from bwm.chain.network import Network
from bwm.chain.outpoint import txid_text
from bwm.chain.tx import Output
from bwm.clock import Clock
from bwm.daemon.loop import Loop
from bwm.daemon.open_response import OpenStep, look_up_coins, open_steps, priced
from bwm.daemon.policy_desk import PolicyDesk, judged
from bwm.daemon.search_blocks import search, still_shared
from bwm.daemon.send_response import Said, send
from bwm.daemon.verify_trigger import stands
from bwm.daemon.watch_responses import ResponseWatch
from bwm.db import broadcasts, responses
from bwm.db.alerts import Target
from bwm.db.broadcasts import DueOrder, Following
from bwm.db.commit import commit
from bwm.db.database import Database
from bwm.db.orders import guard_facts
from bwm.db.responses import StoredResponse
from bwm.errors import ConfigError, DatabaseUnwritable, NodeError, NodeRefused, UsageError
from bwm.node.bitcoind import Bitcoind
from bwm.plan import Changes
from bwm.plan_response import plan_broadcast, plan_dropped
from bwm.policy.guard import GuardFacts, Ruling, holds
from bwm.response.answers import MEANING, Answer, Deed
from bwm.response.broadcast import Broadcast, Look, State, moved
from bwm.response.deadline import Left, Moment, left
from bwm.response.ladder import LadderStep, Need, choose, target
from bwm.seal import Sealer

log = structlog.get_logger()

_LOOK_EVERY_S = 1.0
_TRY_AGAIN_S = 10.0  # what was refused or evicted; at every block besides
_DEEP = 432  # blocks searched backwards when the node says that the coins are spent
_LATE = 0.25  # of a deadline: with less left, what cannot be seen does not hold a response any more
_LAST_BLOCKS = 3
_OF_PEOPLE = ("hold", "blind", "disarmed", "sealed")  # may end at any moment: looked at in every turn


@dataclass(slots=True)
class _Try:
    """When a broadcast was last tried, at which tip; kept in memory only."""

    at: float
    tip: str
    is_deep: bool = False


@dataclass(frozen=True, slots=True)
class _Scene:
    """What one look at a broadcast works with."""

    following: Following
    response: StoredResponse
    steps: Sequence[OpenStep]
    tip: BlockRef
    coins: frozenset[bytes]


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
    ) -> None:
        """``obstacle`` says why the chain cannot be trusted now: this tower is blind, or its peers disagree."""
        super().__init__("responses")
        self._database = database
        self._node = node
        self._network = network
        self._sealer = sealer
        self._targets = targets
        self._clock = clock
        self._on_orders = on_orders
        self._obstacle = obstacle
        self._desk = desk
        self._tries: dict[int, _Try] = {}
        self._is_down = False
        self.readiness = ResponseWatch(database, node, sealer, allowed, targets, clock, on_orders)

    def _work(self) -> None:
        with self._database.connection():
            self._take_turns(self.turn, _LOOK_EVERY_S)

    def turn(self) -> None:
        """Take what is due, look at what is on its way, and judge what waits. A node that is away is asked again."""
        try:
            with self._database.passing_trouble():
                self._carry_on()
            self._is_down = False
        except DatabaseUnwritable:
            return  # whoever writes the journal says so
        except NodeError as error:
            if not self._is_down:
                log.warning("response.node_failing", error=str(error))
            self._is_down = True

    def _carry_on(self) -> None:
        due, live = broadcasts.due(self._clock.now()), broadcasts.live()
        if due or live:
            self._node.check_network(self._network)
            tip = self._node.tip()
            taken = [following for order in due if (following := self._take(order, tip))]
            for following in (*live, *taken):
                self._follow_apart(following, tip)
        self.readiness.look()

    # From an order to a broadcast

    def _take(self, order: DueOrder, tip: BlockRef) -> Following | None:
        now = self._clock.now()
        try:
            response = responses.find(order.response)
        except UsageError as error:
            self._drop(order, f"policy {order.policy!r} orders a response that there is not: {error}")
            return None
        answer = holds(order.guard, self._guard_facts(order))
        if answer.ruling is Ruling.DROP:
            self._drop(order, f"response {response.name} is not sent: {answer.reason}")
            return None
        if answer.ruling is Ruling.WAIT:
            with self._database.transaction():
                if broadcasts.note_wait(order, answer.reason):
                    log.info("response.order_waits", response=response.name, words=answer.reason)
            return None
        with self._database.transaction():
            following = broadcasts.take(order, response.id, tip, now)
            if following:
                self._tell(None, following.broadcast, response, order, None)
        return following

    def _drop(self, order: DueOrder, words: str) -> None:
        now = self._clock.now()
        with self._database.transaction():
            if broadcasts.drop(order, words, now):
                self._commit(plan_dropped(order.id, order.response, order.vault, words, self._network.name, now))

    def _guard_facts(self, order: DueOrder) -> GuardFacts:
        true = set()
        if order.trigger_txid and not stands(self._node, order.vault, order.trigger_txid, ()):
            true.add("vanished")
        if self._obstacle():
            true.add("blind")
        facts = guard_facts(order.decision, self._network.name, self._clock.now())
        return replace(facts, true=facts.true | true, on_hold=False)  # a hold is told, and waited for, once it is taken

    # From a broadcast to its burial

    def _follow_apart(self, following: Following, tip: BlockRef) -> None:
        """What the node says of one must not keep the others waiting."""
        try:
            self._follow(following, tip)
        except NodeRefused as error:
            log.warning("response.node_refused", broadcast=following.broadcast.id, error=str(error))

    def _follow(self, following: Following, tip: BlockRef) -> None:
        response = responses.get(following.response_id)
        steps = self._open(response)
        coins = frozenset(item.spends for step in steps for item in step.tx.inputs)
        scene = _Scene(following, response, steps, tip, coins)
        if not steps:
            words = "its transactions cannot be opened: the key that sealed them is missing"
            self._move(scene, Look.HINDERED, "sealed", words)
            return
        scene = self._look_at_chain(scene)
        if scene.following.broadcast.state in (State.BURIED, State.LOST, State.CONFIRMED, State.CONFLICTED):
            return
        scene, is_there = self._look_at_mempool(scene)
        self._push(scene, is_there=is_there)

    def _open(self, response: StoredResponse) -> Sequence[OpenStep]:
        try:
            return open_steps(self._sealer(), self._network.name, response)
        except ConfigError as error:  # the key's file is open to others, or is no key
            log.error("response.sealing_key", error=str(error))
            return ()

    def _look_at_chain(self, scene: _Scene) -> _Scene:
        scanned = still_shared(self._node, scene.following.scanned)
        scene = self._left_chain(scene)
        broadcast = scene.following.broadcast
        if broadcast.block:
            depth = scene.tip.height - broadcast.block.height + 1
            if depth < scene.response.final_depth:
                return scene
            buried, words = (
                (Look.RIVAL_BURIED, f"another transaction took its coins for good, {depth} blocks deep")
                if broadcast.state is State.CONFLICTED
                else (Look.BURIED, f"it is {depth} blocks deep: its coins are safe")
            )
            return self._move(scene, buried, "buried", words)
        found, scanned = search(self._node, scene.coins, scanned, scene.tip)
        if scanned != scene.following.scanned:
            with self._database.transaction():
                broadcasts.put_scanned(broadcast.id, scanned)
            scene = replace(scene, following=replace(scene.following, scanned=scanned))
        if found is None:
            return scene
        at = f"block {found.block.height}"
        if (position := _position(scene.steps, found.txid)) is not None:
            words = f"step {position + 1} is mined in {at}"
            return self._move(scene, Look.IN_BLOCK, "mined", words, position=position, block=found.block)
        words = f"{found.txid} in {at} spends its coins: the response lost, unless that block is replaced"
        return self._move(scene, Look.RIVAL_IN_BLOCK, found.txid, words, block=found.block, rival=found.txid)

    def _left_chain(self, scene: _Scene) -> _Scene:
        """A block that held it, or its rival, may have been disconnected."""
        block = scene.following.broadcast.block
        if block is None:
            return scene
        header = self._node.block_header(block.hash)
        if header is not None and header.confirmations > 0:
            return scene
        before = still_shared(self._node, block)
        with self._database.transaction():
            broadcasts.put_scanned(scene.following.broadcast.id, before)
        scene = replace(scene, following=replace(scene.following, scanned=before))
        lost = scene.following.broadcast.state is State.CONFLICTED
        look = Look.RIVAL_DISCONNECTED if lost else Look.DISCONNECTED
        words = f"block {block.height}, which held {'its rival' if lost else 'it'}, left the chain: it goes on"
        moved_ = self._move(scene, look, "reorg", words)
        return self._look_at_chain(moved_)

    def _look_at_mempool(self, scene: _Scene) -> tuple[_Scene, bool]:
        """Whether one of its steps is there."""
        spenders = self._node.spent_in_mempool(scene.coins)
        ours = [place for txid in spenders.values() if (place := _position(scene.steps, txid)) is not None]
        broadcast = scene.following.broadcast
        if ours:
            if broadcast.state is State.SENT and broadcast.position == ours[0]:
                return scene, True
            words = f"step {ours[0] + 1} is in the mempool"
            return self._move(scene, Look.IN_MEMPOOL, "mempool", words, position=ours[0], height=scene.tip.height), True
        if broadcast.state is State.SENT:
            if self._node.tip() != scene.tip:  # a block came meanwhile, and may hold it: look again from there
                return scene, True
            if spenders:
                rival = next(iter(spenders.values()))
                words = f"{rival} took its place in the mempool"
                return self._move(scene, Look.RIVAL_IN_MEMPOOL, rival, words, rival=rival), False
            words = "it left the mempool unmined"
            return self._move(scene, Look.GONE, "gone", words), False
        return scene, False

    def _push(self, scene: _Scene, *, is_there: bool) -> None:
        """Send, send again, or send the next step; or say why not."""
        broadcast, last = scene.following.broadcast, self._tries.get(scene.following.broadcast.id)
        now = self._clock.monotonic()
        same_tip = last is not None and last.tip == scene.tip.hash
        if (
            same_tip
            and last
            and (is_there or now - last.at < _TRY_AGAIN_S)
            and broadcast.cause not in ("hold", "blind")
        ):
            return
        self._tries[broadcast.id] = _Try(now, scene.tip.hash, last.is_deep if last else False)
        coins = look_up_coins(self._node, [tx for step in scene.steps for tx in step.txs], _coins(scene.steps))
        scene = replace(scene, steps=[priced(step, coins.known) for step in scene.steps])
        if broadcast.position is None:  # nothing was sent yet: its guard may still call it off
            answer = holds(scene.following.order.guard, self._guard_facts(scene.following.order))
            if answer.ruling is Ruling.DROP:
                self._move(scene, Look.CALLED_OFF, "guard", f"it is not sent: {answer.reason}")
                return
        time_left = self._time_left(scene, coins.spent_by)
        if hindrance := self._hindrance(scene, time_left, coins.present):
            self._move(scene, Look.HINDERED, *hindrance)
            return
        need = self._need(scene, time_left, is_there=is_there)
        ladder = [
            LadderStep(step.stored.position, step.stored.feerate or 0, step.stored.fee or 0) for step in scene.steps
        ]
        choice = choose(ladder, need, broadcast.position if is_there else None)
        if choice.position is None:
            self._move(scene, Look.HINDERED, "budget", choice.reason)
            return
        self._climb(scene, choice.position, choice.reason, need, is_there=is_there)

    def _climb(self, scene: _Scene, first: int, why: str, need: Need, *, is_there: bool) -> None:
        """Send the step that was chosen; where it is too cheap, the next one, up to the highest that may be paid."""
        refused: Said | None = None
        for step in scene.steps[first:]:
            said = send(self._node, step, _limit(need))
            position = step.stored.position
            log.info("response.sending", response=scene.response.name, step=position + 1, answer=str(said.answer))
            deed = MEANING[said.answer].deed
            if deed is Deed.FOLLOW:
                words = f"step {position + 1} was sent, with a fee of {step.stored.fee} sat: {why}"
                self._move(scene, Look.IN_MEMPOOL, "mempool", words, position=position, height=scene.tip.height)
                return
            if deed is Deed.AGAIN:
                return
            if said.answer is not Answer.OVER_LIMIT or refused is None:
                refused = said
            if deed in (Deed.WAIT, Deed.LOOK):
                break
        if refused and not is_there:
            self._explain(scene, refused)

    def _explain(self, scene: _Scene, said: Said) -> None:
        """Why it could not be sent. Kept, told once, and tried again."""
        meaning = MEANING[said.answer]
        words = f"{meaning.words} ({said.words})" if said.words else meaning.words
        if meaning.deed is Deed.LOOK:
            self._search_deeper(scene)
        if said.answer is Answer.MINED:
            return  # the search will say where
        if meaning.deed in (Deed.WAIT, Deed.LOOK):
            self._move(scene, Look.HINDERED, str(said.answer), words)
        elif said.answer is Answer.OUTBID:
            rival = next(iter(self._node.spent_in_mempool(scene.coins).values()), None)
            self._move(scene, Look.RIVAL_IN_MEMPOOL, rival or "rival", f"no step is enough: {words}", rival=rival)
        else:
            self._move(scene, Look.REFUSED, str(said.answer), f"the node refuses it: {words}")

    def _search_deeper(self, scene: _Scene) -> None:
        """The coins are spent by something that was mined before we looked: the journal must say what."""
        tried = self._tries[scene.following.broadcast.id]
        if tried.is_deep:
            return
        tried.is_deep, tried.tip = True, ""
        height = max(0, scene.tip.height - _DEEP)
        with self._database.transaction():
            broadcasts.put_scanned(scene.following.broadcast.id, BlockRef(height, self._node.block_hash(height)))

    # What is asked before anything is sent

    def _hindrance(self, scene: _Scene, time_left: Left | None, present: frozenset[bytes]) -> tuple[str, str] | None:
        """The cause in a word and in words; None when it may be sent."""
        order = scene.following.order
        if responses.is_held():
            return "hold", "the operator holds everything: `bwm hold --off` lets it go"
        if not order.by_operator and not scene.response.armed:
            return "disarmed", f"it is not armed, so no policy may send it: `bwm arm {scene.response.name}` lets it go"
        if self._node.info().initial_block_download:
            return "blind", "the node is still catching up with the chain"
        if not order.by_operator and order.trigger_txid:
            own = [step.stored.txid for step in scene.steps]
            made = {txid_text(key[:32]) for key in present & scene.coins}
            if order.trigger_txid not in made and not stands(self._node, order.vault, order.trigger_txid, own):
                return "trigger", "its trigger is in neither mempool nor chain now; bwm does not bring it back"
        if (words := self._obstacle()) and not _is_late(time_left):
            return "blind", f"{words}: it waits for as long as the deadline allows"
        return None

    def _time_left(self, scene: _Scene, spent_by: Mapping[bytes, str]) -> Left | None:
        """Blocks in which it can still be mined before the thief."""
        own = {step.stored.txid for step in scene.steps}
        if any(txid not in own for key, txid in spent_by.items() if key in scene.coins):
            return Left(1, 1)  # a race for the same coins: whoever is mined first has them
        if scene.response.lock is None:
            return None
        tip = self._moment(scene.tip.hash)
        return left(scene.response.lock, tip, self._before_trigger(scene))

    def _before_trigger(self, scene: _Scene) -> Moment | None:
        """The block before the one that made the coins, from which relative locks count."""
        heights = [coin.height for coin in self._node.coins(scene.coins, include_mempool=False).values()]
        mined = [height for height in heights if height]
        return self._moment(self._node.block_hash(max(mined) - 1)) if mined else None

    def _moment(self, block_hash: str) -> Moment:
        header = self._node.block_header(block_hash)
        assert header
        return Moment(header.height, header.median_time)

    def _need(self, scene: _Scene, time_left: Left | None, *, is_there: bool) -> Need:
        blocks = time_left.blocks if time_left else None
        sent = scene.following.broadcast.sent_height
        return Need(
            floor=self._node.relay_floor(),
            estimate=self._node.estimated_feerate(target(blocks)),
            blocks_left=blocks,
            blocks_in_all=time_left.in_all if time_left else None,
            value_sats=sum(coin.sats for coin in _coins(scene.steps).values()) or None,
            budget_sats=scene.response.budget,
            waited=scene.tip.height - sent if is_there and sent is not None else 0,
        )

    # Writing down

    def _move(
        self,
        scene: _Scene,
        look: Look,
        cause: str,
        words: str,
        *,
        position: int | None = None,
        height: int | None = None,
        block: BlockRef | None = None,
        rival: str | None = None,
    ) -> _Scene:
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
        self._commit(plan_broadcast(before, after, *names, shown, self._network.name, self._clock.now()))

    def _commit(self, changes: Changes) -> None:
        now = self._clock.now()
        after = judged(self._desk, self._database, changes, now) if self._desk else changes
        commit(self._database, after, self._targets, now)
        for event in changes.events:
            log.info("event", kind=event.kind, vault=event.vault, key=event.key)
        self._on_orders()


def _position(steps: Sequence[OpenStep], txid: str) -> int | None:
    return next((step.stored.position for step in steps if step.stored.txid == txid), None)


def _coins(steps: Sequence[OpenStep]) -> dict[bytes, Output]:
    """What is known of the coins that the steps spend."""
    return {key: coin for step in steps for key, coin in step.stored.coins.items()}


def _limit(need: Need) -> int | None:
    limits = [limit for limit in (need.budget_sats, need.value_sats) if limit is not None]
    return min(limits, default=None)


def _is_late(time_left: Left | None) -> bool:
    return time_left is not None and time_left.blocks <= max(_LAST_BLOCKS, int(time_left.in_all * _LATE))
