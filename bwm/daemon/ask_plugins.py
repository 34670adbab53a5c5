"""The programs of policies, asked at every block and as soon as something happens that is theirs to judge.

One process a round and policy. It is told of all that its policy matched since the last round that it answered, which
may be nothing, and may name any spend in flight that it was ever told of: so it can change its mind at a later block.
What it named becomes an event, on which its policy acts. A round that fails is followed by another at the next block,
with the same news again: a program that breaks down and comes back has missed nothing.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue

import structlog

from bwm.actions import plugin
from bwm.actions.plugin import News
from bwm.chain.block import BlockRef
from bwm.clock import Clock
from bwm.daemon.order_desk import OrderDesk
from bwm.db import blindness, cursor, questions, sightings
from bwm.db.orders import Due
from bwm.db.questions import Question
from bwm.errors import BwmError, DatabaseUnwritable
from bwm.order import State
from bwm.plan_deeds import plan_deed, plan_silent_plugin
from bwm.policy.rule import Plugin, Policy

log = structlog.get_logger()

_REMEMBERED_S = 30 * 86_400  # how long an attempt in flight may still be named
_AT_ONCE = 100  # news in one round
_AGAIN_S = 5  # before a round at a block is tried a second time


@dataclass(frozen=True, slots=True)
class Round:
    """One time that a program is asked."""

    policy: str
    version: str
    plugin: Plugin
    block: BlockRef | None  # where the chain stands; None before the first block was read
    claimed: Sequence[tuple[Due, int, News]]  # orders, by lease
    untold: Sequence[tuple[Question, News]]  # that it gave no answer to
    flying: Sequence[tuple[Question, News]]  # attempts that it may name as well


@dataclass(slots=True)
class _Progress:
    """How far a policy's program was asked; kept in memory only, so after a start it is asked at once."""

    block: BlockRef | None = None
    told: frozenset[int] = frozenset()  # orders that failed when they were due, and were answered later
    failures: int = 0  # of the latest rounds without an order
    not_before: int = 0  # unix seconds


Outcome = frozenset[str] | BwmError


class PluginRounds:
    """Begins rounds, and writes down what came of them. In the thread of its owner, but for the programs."""

    def __init__(self, desk: OrderDesk, clock: Clock, on_end: Callable[[], None]) -> None:
        """``on_end``: a round is over, and ``look`` would write down what came of it."""
        self._desk = desk
        self._clock = clock
        self._on_end = on_end
        self._policies = {policy.name: policy for policy in desk.policies if policy.plugin}
        self._progress: dict[str, _Progress] = {}
        self._busy: set[str] = set()  # programs
        self._ended: SimpleQueue[list[tuple[Round, Outcome]]] = SimpleQueue()

    @property
    def has_any(self) -> bool:
        """Whether any policy asks a program."""
        return bool(self._policies)

    def look(self) -> None:
        """Note what has ended, and begin what is due. Raises DatabaseUnwritable."""
        self._note_ended()
        by_program: dict[str, list[Round]] = {}
        for one in self._due():
            by_program.setdefault(one.plugin.program, []).append(one)
        for program, rounds in by_program.items():
            self._busy.add(program)
            try:
                threading.Thread(target=self._in_its_thread, args=(rounds,), name=plugin.NAME, daemon=True).start()
            except RuntimeError:  # this machine lets bwm have no more of them
                self._in_its_thread(rounds)

    def turn(self) -> bool:
        """Every round that is due, begun and ended here and now; False when none was."""
        due = self._due()
        for one in due:
            self._record(one, _asked(one))
        return bool(due)

    def _in_its_thread(self, rounds: Sequence[Round]) -> None:
        """One after another: a program may keep a state of its own."""
        self._ended.put([(one, _asked(one)) for one in rounds])
        self._on_end()

    def _note_ended(self) -> None:
        while True:
            try:
                ended = self._ended.get_nowait()
            except Empty:
                return
            program = ended[0][0].plugin.program
            try:
                while ended:
                    self._record(*ended[0])
                    ended.pop(0)
            except DatabaseUnwritable:
                self._ended.put(ended)
                raise
            self._busy.discard(program)

    # What is due

    def _due(self) -> list[Round]:
        claimed: dict[tuple[str, str], list[tuple[Due, int]]] = {}
        for order, attempt in self._desk.claim([plugin.NAME], self._busy, _AT_ONCE, together=True):
            claimed.setdefault((order.policy, order.target), []).append((order, attempt))
        block, now = cursor.at(), self._clock.now()
        may_ask = block is not None and bool(self._policies) and not blindness.is_blind()
        rounds = []
        for policy in self._policies.values():
            assert policy.plugin
            orders = claimed.pop((policy.name, policy.plugin.program), [])
            progress = self._progress.setdefault(policy.name, _Progress())
            is_new = may_ask and block != progress.block and now >= progress.not_before
            if orders or (is_new and policy.plugin.program not in self._busy):
                rounds.append(self._round(policy, policy.plugin, block, orders, progress))
        return rounds + [_of_a_policy_that_is_gone(orders, block) for orders in claimed.values()]

    def _round(
        self,
        policy: Policy,
        asked: Plugin,
        block: BlockRef | None,
        orders: Sequence[tuple[Due, int]],
        progress: _Progress,
    ) -> Round:
        known = questions.of_policy(policy.name, self._clock.now() - _REMEMBERED_S)
        ours = {order.order_id for order, _ in orders}
        known = [one for one in known if one.order.order_id not in ours]
        bytes_of = sightings.transactions({one.event.txid for one in known if one.event.txid})
        told, untold, flying = progress.told, [], []
        for one in known:
            tx = bytes_of.get(one.event.txid or "")
            news = News(one.event, tx.raw if tx else None)
            if _is_untold(one, news, policy.version) and one.order.order_id not in told:
                untold.append((one, news))
            elif one.in_flight and news.is_attempt:
                flying.append((one, news))
        return Round(policy.name, policy.version, asked, block, _with_news(orders), untold[-_AT_ONCE:], flying)

    # What came of it

    def _record(self, one: Round, outcome: Outcome) -> None:
        progress = self._progress.setdefault(one.policy, _Progress())
        if isinstance(outcome, BwmError):
            for order, attempt, _ in one.claimed:
                self._desk.record(replace(order, version=one.version), attempt, outcome, plugin.TRIES)
            self._note_failure(one, outcome, progress)
            return
        coins = {news.deposit for _, _, news in one.claimed} | {news.deposit for _, news in (*one.untold, *one.flying)}
        unknown = sorted(outcome - coins)[:10]
        for order, attempt, news in one.claimed:
            said = {"revault": news.deposit in outcome, "unknown": unknown}
            self._desk.record(replace(order, version=one.version), attempt, said, plugin.TRIES)
        self._record_later(one, outcome)
        if unknown and not one.claimed:
            log.warning("plugin.unknown_coins", policy=one.policy, coins=len(unknown))
        progress.told |= {question.order.order_id for question, _ in one.untold}
        progress.block, progress.failures, progress.not_before = one.block, 0, 0

    def _record_later(self, one: Round, named: frozenset[str]) -> None:
        """Answers to what was asked before: the first that is one, and a mind that was changed to save the vault."""
        if one.block is None:
            return
        saved = {_spend(news) for _, _, news in one.claimed if news.deposit in named}
        saved |= {_spend(news) for known, news in (*one.untold, *one.flying) if known.asked_to_save}
        for known, news, is_first in (
            *((*each, True) for each in reversed(one.untold)),
            *((*each, False) for each in reversed(one.flying)),
        ):
            saves = news.deposit in named and known.in_flight
            if _spend(news) in saved or not (saves or is_first):
                continue
            order = replace(known.order, version=one.version)
            said = {"revault": saves, "unknown": []}
            self._desk.commit(plan_deed(order, "done", "", said, self._desk.network, self._clock.now(), one.block))
            if saves:
                saved.add(_spend(news))

    def _note_failure(self, one: Round, error: BwmError, progress: _Progress) -> None:
        """Orders say by themselves that they failed. A block without any is tried twice, and told once."""
        progress.not_before = self._clock.now() + _AGAIN_S
        if one.block is None:
            return
        if one.claimed:
            progress.block = one.block
            return
        progress.failures += 1
        log.warning("plugin.failed", policy=one.policy, height=one.block.height, error=str(error))
        if progress.failures % plugin.TRIES == 0:
            progress.block = one.block
        if progress.failures == plugin.TRIES:
            names = (one.policy, one.version, one.plugin.program)
            self._desk.commit(plan_silent_plugin(*names, str(error), one.block, self._desk.network, self._clock.now()))


def _asked(one: Round) -> Outcome:
    """What the program says. A fault in bwm itself counts as a failure of the program."""
    news = [news for _, news in one.untold] + [news for _, _, news in one.claimed]
    try:
        request = plugin.request_of(news, one.block.height if one.block else 0, one.plugin.config)
        return plugin.ask(one.plugin.program, one.plugin.timeout_s, request)
    except BwmError as error:
        return error
    except Exception as error:
        log.exception("deed.fault", action=plugin.NAME)
        return BwmError(f"a fault in bwm itself: {type(error).__name__}")


def _is_untold(one: Question, news: News, version: str) -> bool:
    """Whether its program is to be told once more: it failed, or its policy is another one since and it is not over."""
    if news.is_attempt and not one.in_flight:
        return False
    failed = one.order.state is State.CLOSED and one.order.attempts >= plugin.TRIES
    changed = one.order.state is State.DONE and one.order.version != version and news.is_attempt
    return failed or changed


def _with_news(orders: Sequence[tuple[Due, int]]) -> list[tuple[Due, int, News]]:
    txs = sightings.transactions({order.event.txid for order, _ in orders if order.event and order.event.txid})
    found = []
    for order, attempt in orders:
        assert order.event, "only events make a policy ask"
        tx = txs.get(order.event.txid or "")
        found.append((order, attempt, News(order.event, tx.raw if tx else None)))
    return found


def _of_a_policy_that_is_gone(orders: Sequence[tuple[Due, int]], block: BlockRef | None) -> Round:
    """Its question is put all the same; no policy acts on the answer any more."""
    order = orders[0][0]
    asked = Plugin(order.target, order.arguments.get("config"), int(order.arguments["timeout_s"]))
    return Round(order.policy, order.version, asked, block, _with_news(orders), (), ())


def _spend(news: News) -> tuple[str, str | None, str | None]:
    return news.deposit, news.event.vault, news.event.txid
