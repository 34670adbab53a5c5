"""Responses that wait for their day, judged anew: at the start, daily, and when a block changes what they rest on."""

from collections.abc import Callable, Sequence

import structlog

from bwm.chain.block import BlockRef
from bwm.clock import Clock
from bwm.daemon.judge_responses import Surroundings, judge_ladder, rules_of
from bwm.daemon.open_response import open_steps
from bwm.daemon.register_response import existed
from bwm.db import broadcasts, responses
from bwm.db.alerts import Target
from bwm.db.commit import commit
from bwm.db.database import Database
from bwm.db.responses import StoredResponse
from bwm.errors import ConfigError
from bwm.node.bitcoind import Bitcoind
from bwm.plan_response import plan_judgement
from bwm.response.readiness import Rules
from bwm.seal import Sealer

log = structlog.get_logger()

_DAY_S = 86_400
_LOOK_EVERY_S = 5.0


class ResponseWatch:
    """Has it said when a response would not work, before the day it is needed."""

    def __init__(
        self,
        database: Database,
        node: Bitcoind,
        sealer: Callable[[], Sealer | None],
        allowed: Sequence[bytes],
        targets: Sequence[Target],
        clock: Clock,
        on_orders: Callable[[], None],
    ) -> None:
        self._database = database
        self._node = node
        self._sealer = sealer
        self._allowed = frozenset(allowed)
        self._targets = targets
        self._clock = clock
        self._on_orders = on_orders
        self._due = 0.0
        self._tip = ""
        self._bases: dict[int, object] = {}
        self._judged_at: dict[int, int] = {}

    def look(self, followed: BlockRef | None = None) -> bool:
        """Judge what may have changed. Asks the node nothing while there is no response. Raises NodeError.

        False when a block came meanwhile, so that it must be looked at again soon.
        ``followed``: the tip up to which it is known what became of those that are on their way; None when none is.
        """
        if self._clock.monotonic() < self._due:
            return True
        self._due = self._clock.monotonic() + _LOOK_EVERY_S
        kept = responses.numbers()
        if not kept:
            return True
        at, now = self._node.tip(), self._clock.now()
        if followed not in (None, at):  # the block that came since may hold one of them
            self._due = 0.0
            return False
        tip = at.hash
        if tip == self._tip and all(self._is_fresh(number, now) for number in kept):
            return True
        rules = rules_of(self._node)
        for response in responses.every():
            basis = self._basis(response, rules)
            if not self._is_fresh(response.id, now) or basis != self._bases.get(response.id):
                if not self._judge(response, rules, at):
                    self._due = 0.0
                    return False
                self._bases[response.id], self._judged_at[response.id] = basis, now
        self._tip = tip
        return True

    def _is_fresh(self, response_id: int, now: int) -> bool:
        return abs(now - self._judged_at.get(response_id, 0)) < _DAY_S

    def _basis(self, response: StoredResponse, rules: Rules) -> object:
        """What the verdict rests on, as far as a few cheap questions tell."""
        coins = {key for step in response.steps for key in step.coins}
        unspent = self._node.coins(coins, include_mempool=False)
        return frozenset(unspent), rules, broadcasts.is_used(response.id)

    def _judge(self, response: StoredResponse, rules: Rules, at: BlockRef) -> bool:
        """False when a block came meanwhile: coins that it moved would seem to be nowhere."""
        try:
            steps = open_steps(self._sealer(), self._database.network, response)
        except ConfigError:  # the key's file is open to others, or is no key: the verdict says that it cannot be used
            steps = []
        coins = {item.spends for step in steps for item in step.tx.inputs}
        mined = [step.stored.txid for step in steps] if broadcasts.is_used(response.id) else []
        around = Surroundings(self._allowed, existed(response.vault, coins), mined)
        judgement, known = judge_ladder(self._node, steps, around, rules)
        if self._node.tip() != at:
            return False
        now = self._clock.now()
        changes = plan_judgement(
            response.name, response.vault, response.judgement, judgement, self._database.network, now
        )
        with self._database.transaction():
            if not responses.put_judgement(response.id, judgement, now):
                return True  # it was removed while the node was asked
            responses.put_prices(response.id, [step.stored for step in known])
            commit(self._database, changes, self._targets, now)
        log.info("response.judged", response=response.name, verdict=str(judgement.verdict))
        if changes.alerts:
            self._on_orders()
        return True
