"""Which step of a response is sent now, what keeps it from being sent, and what the node says to it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import structlog

from bwm.chain.block import BlockRef
from bwm.chain.outpoint import txid_text
from bwm.clock import Clock
from bwm.daemon.open_response import OpenStep, look_up_coins, priced
from bwm.daemon.response_book import ResponseBook, Scene
from bwm.daemon.send_response import Said, send
from bwm.daemon.verify_trigger import stands
from bwm.db import responses
from bwm.db.broadcasts import DueOrder
from bwm.db.orders import guard_facts
from bwm.node.bitcoind import Bitcoind
from bwm.policy.guard import GuardFacts, Ruling, holds
from bwm.response.answers import MEANING, Answer, Deed
from bwm.response.broadcast import STUCK, Look
from bwm.response.deadline import Left, Moment, left
from bwm.response.ladder import LadderStep, Need, choose, limit_of, target

log = structlog.get_logger()

_TRY_AGAIN_S = 10.0  # what was refused or evicted; at every block besides
_DEEP = 432  # blocks searched backwards when the node says that the coins are spent
_LATE = 0.25  # of a deadline: with less left, what cannot be seen does not hold a response any more
_LAST_BLOCKS = 3


@dataclass(slots=True)
class _Try:
    """When a broadcast was last tried, at which tip; kept in memory only."""

    at: float
    tip: str
    is_deep: bool = False


class ResponsePusher:
    """Sends, or says why not."""

    def __init__(
        self,
        node: Bitcoind,
        book: ResponseBook,
        clock: Clock,
        network: str,
        obstacle: Callable[[], str | None],
        hand_on: Callable[[OpenStep], None],
    ) -> None:
        """``obstacle`` says why the chain cannot be trusted now; None: nothing speaks against it.

        ``hand_on`` brings a step to other nodes.
        """
        self._node = node
        self._book = book
        self._clock = clock
        self._network = network
        self._obstacle = obstacle
        self._hand_on = hand_on
        self._tries: dict[int, _Try] = {}

    def guard_facts(self, order: DueOrder) -> GuardFacts:
        """How things stand for the guard of an order. Raises NodeError.

        A tower that was just started and has not caught up yet is not blind: it waits, and nothing is called off.
        """
        facts = guard_facts(order.decision, order.guard, self._network, self._clock.now())
        if self._is_gone(order):
            return replace(facts, true=facts.true | {"vanished"})
        return facts

    def _is_gone(self, order: DueOrder) -> bool:
        """Whether the node knows of no transaction any more that its trigger could stand for; asked if it matters."""
        if "vanished" not in order.guard.unless or not order.trigger_txid:
            return False
        return stands(self._node, order.vault, order.trigger_txid, ()) is False

    def push(self, scene: Scene, *, is_there: bool) -> None:
        """Send, send again, or send the next step; or say why not. ``is_there``: one is in the mempool.

        Raises NodeError.
        """
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
        coins = look_up_coins(self._node, [tx for step in scene.steps for tx in step.txs], scene.known_coins())
        scene = replace(scene, steps=[priced(step, coins.known) for step in scene.steps])
        if broadcast.position is None:  # nothing was sent yet: its guard may still call it off
            answer = holds(scene.following.order.guard, self.guard_facts(scene.following.order))
            if answer.ruling is Ruling.DROP:
                self._book.move(scene, Look.CALLED_OFF, "guard", f"it is not sent: {answer.reason}")
                return
        time_left = self._time_left(scene, coins.spent_by)
        stands_now = self._trigger_stands(scene, coins.present)
        if stands_now is None:
            self._look_again(scene)
            return
        if hindrance := self._hindrance(scene, time_left, stands_now=stands_now):
            self._book.move(scene, Look.HINDERED, *hindrance)
            return
        need = self._need(scene, time_left, is_there=is_there)
        ladder = [
            LadderStep(step.stored.position, step.stored.feerate or 0, step.stored.fee or 0) for step in scene.steps
        ]
        choice = choose(ladder, need, broadcast.position if is_there else None)
        if choice.position is None:
            self._book.move(scene, Look.HINDERED, "budget", choice.reason)
            return
        self._climb(scene, choice.position, choice.reason, need, is_there=is_there)

    def _look_again(self, scene: Scene) -> None:
        """In the next turn: what the node said belongs to different moments, and nothing follows from it."""
        self._tries[scene.following.broadcast.id].tip = ""

    def _climb(self, scene: Scene, first: int, why: str, need: Need, *, is_there: bool) -> None:
        """Send the step that was chosen; where it is too cheap, the next one, up to the highest that may be paid."""
        refused: Said | None = None
        for step in scene.steps[first:]:
            said = send(self._node, step, limit_of(need))
            position = step.stored.position
            log.info("response.sending", response=scene.response.name, step=position + 1, answer=str(said.answer))
            deed = MEANING[said.answer].deed
            if deed is Deed.FOLLOW or said.answer is Answer.AGAINST_POLICY:  # other nodes may have other rules
                self._hand_on(step)
            if deed is Deed.FOLLOW and is_there and position == scene.following.broadcast.position:
                return  # sent again, for peers that forgot it
            if deed is Deed.FOLLOW:
                words = f"step {position + 1} was sent, with a fee of {step.stored.fee} sat: {why}"
                self._book.move(scene, Look.IN_MEMPOOL, "mempool", words, position=position, height=scene.tip.height)
                return
            if deed is Deed.AGAIN:
                return
            if said.answer is not Answer.OVER_LIMIT or refused is None:
                refused = said
            if deed in (Deed.WAIT, Deed.LOOK):
                break
        if refused and is_there:
            words = f"step {first + 1} should take its place in the mempool ({why}), and the node takes no such step"
            self._tell_stuck(scene, f"{words}: {_words(refused)}")
        elif refused:
            self._explain(scene, refused)

    def _tell_stuck(self, scene: Scene, words: str) -> None:
        """Of what is there still: it may have been mined, or a rival have come, since it was looked for."""
        spenders = self._node.spent_in_mempool(scene.coins).values()
        is_there = any(scene.place_of(txid) is not None for txid in spenders)
        if not is_there or self._node.tip() != scene.tip:
            self._look_again(scene)
            return
        self._book.move(scene, Look.STUCK, STUCK, words)

    def _explain(self, scene: Scene, said: Said) -> None:
        """Why it could not be sent. Kept, told once, and tried again."""
        meaning, words = MEANING[said.answer], _words(said)
        hangs_on_others = meaning.deed is Deed.LOOK or said.answer is Answer.OUTBID
        if hangs_on_others and self._node.tip() != scene.tip:  # a block came meanwhile, and may hold it
            self._look_again(scene)
            return
        if meaning.deed is Deed.LOOK:
            self._search_deeper(scene)
        if said.answer is Answer.MINED:
            return  # the search will say where
        if meaning.deed in (Deed.WAIT, Deed.LOOK):
            self._book.move(scene, Look.HINDERED, str(said.answer), words)
        elif said.answer is Answer.OUTBID:
            self._tell_outbid(scene, f"no step is enough: {words}")
        else:
            self._book.move(scene, Look.REFUSED, str(said.answer), f"the node refuses it: {words}")

    def _tell_outbid(self, scene: Scene, words: str) -> None:
        """By whom: asked after it was refused, so it may be gone by now, or another tower has sent one of ours."""
        spenders = self._node.spent_in_mempool(scene.coins).values()
        rival = next((txid for txid in spenders if scene.place_of(txid) is None), None)
        if rival is None:
            self._look_again(scene)
            return
        self._book.move(scene, Look.RIVAL_IN_MEMPOOL, rival, words, rival=rival)

    def _search_deeper(self, scene: Scene) -> None:
        """The coins are spent by something that was mined before we looked: the journal must say what."""
        tried = self._tries[scene.following.broadcast.id]
        if tried.is_deep:
            return
        tried.is_deep, tried.tip = True, ""
        height = max(0, scene.tip.height - _DEEP)
        self._book.put_scanned(scene, BlockRef(height, self._node.block_hash(height)))

    # What is asked before anything is sent

    def _trigger_stands(self, scene: Scene, present: frozenset[bytes]) -> bool | None:
        """None when it cannot be told now."""
        order = scene.following.order
        if order.by_operator or not order.trigger_txid:
            return True
        if order.trigger_txid in {txid_text(key[:32]) for key in present & scene.coins}:
            return True
        return stands(self._node, order.vault, order.trigger_txid, [step.stored.txid for step in scene.steps])

    def _hindrance(self, scene: Scene, time_left: Left | None, *, stands_now: bool) -> tuple[str, str] | None:
        """The cause in a word and in words; None when it may be sent."""
        order = scene.following.order
        if responses.is_held():
            return "hold", "the operator holds everything: `bwm hold --off` lets it go"
        if not order.by_operator and not scene.response.armed:
            return "disarmed", f"it is not armed, so no policy may send it: `bwm arm {scene.response.name}` lets it go"
        if self._node.info().initial_block_download:
            return "blind", "the node is still catching up with the chain"
        if not stands_now:
            return "trigger", "its trigger is in neither mempool nor chain now; bwm does not bring it back"
        if (words := self._obstacle()) and not _is_late(time_left):
            return "blind", f"{words}: it waits for as long as the deadline allows"
        return None

    def _time_left(self, scene: Scene, spent_by: Mapping[bytes, str]) -> Left | None:
        """Blocks in which it can still be mined before the thief."""
        own = {step.stored.txid for step in scene.steps}
        if any(txid not in own for key, txid in spent_by.items() if key in scene.coins):
            return Left(1, 1)  # a race for the same coins: whoever is mined first has them
        if scene.response.lock is None:
            return None
        tip = self._moment(scene.tip.hash)
        return left(scene.response.lock, tip, self._before_trigger(scene))

    def _before_trigger(self, scene: Scene) -> Moment | None:
        """The block before the one that made the coins, from which relative locks count."""
        heights = [coin.height for coin in self._node.coins(scene.coins, include_mempool=False).values()]
        mined = [height for height in heights if height]
        return self._moment(self._node.block_hash(max(mined) - 1)) if mined else None

    def _moment(self, block_hash: str) -> Moment:
        header = self._node.block_header(block_hash)
        assert header
        return Moment(header.height, header.median_time)

    def _need(self, scene: Scene, time_left: Left | None, *, is_there: bool) -> Need:
        blocks = time_left.blocks if time_left else None
        sent = scene.following.broadcast.sent_height
        return Need(
            floor=self._node.relay_floor(),
            estimate=self._node.estimated_feerate(target(blocks)),
            blocks_left=blocks,
            blocks_in_all=time_left.in_all if time_left else None,
            value_sats=sum(coin.sats for coin in scene.known_coins().values()) or None,
            budget_sats=scene.response.budget,
            waited=scene.tip.height - sent if is_there and sent is not None else 0,
        )


def _words(said: Said) -> str:
    words = MEANING[said.answer].words
    return f"{words} ({said.words})" if said.words else words


def _is_late(time_left: Left | None) -> bool:
    return time_left is not None and time_left.blocks <= max(_LAST_BLOCKS, int(time_left.in_all * _LATE))
