"""The owner and what was signed in advance: kept, armed, held back, approved, vetoed, sent by hand."""

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

from bwm.chain.tx import parse_tx
from bwm.daemon.open_response import sealer_of
from bwm.daemon.policy_desk import PolicyDesk
from bwm.daemon.register_response import Given, prepare
from bwm.daemon.registration import Wish
from bwm.daemon.targets import targets_of
from bwm.db import journal, orders, responses
from bwm.db.broadcasts import order_by_hand, refuse_begun
from bwm.db.commit import commit
from bwm.errors import Damaged, NodeError, UsageError
from bwm.plan import plan_operation
from bwm.plan_response import plan_done
from bwm.response.deadline import Lock
from bwm.severity import Severity
from tests.simulation.ladders import Ladder, Thieves
from tests.simulation.people import People
from tests.simulation.rules import ASKED, AT_ONCE, RESPONSE, UNLESS
from tests.simulation.tower import NETWORK, Tower
from tests.simulation.wire import SimTx, shown
from tests.simulation.world import World

_ABOUT = "SELECT d.id, d.policy, d.vault, e.txid FROM decision d JOIN event e ON d.event_id = e.seq"
_UNANSWERED = """
    SELECT DISTINCT decision_id FROM outbox WHERE action = 'respond' AND state = 'pending' ORDER BY decision_id
"""
_LOCK_BLOCKS = 10


@dataclass(slots=True)
class Kept:
    """A response, as its owner knows it."""

    vault: str
    ladder: Ladder
    budget: int | None
    armed: bool = False

    @property
    def name(self) -> str:
        return f"{self.vault}/{RESPONSE}"

    @property
    def limit(self) -> int:
        """The highest fee that may be paid, in sat."""
        return min(self.ladder.value, self.budget or self.ladder.value)


@dataclass(slots=True)
class Operator:
    """What the owner said about responses, and when."""

    world: World
    tower: Tower
    people: People
    thieves: Thieves
    random: Random
    kept: dict[str, Kept] = field(default_factory=dict)  # by vault
    is_holding: bool = False
    approved: set[int] = field(default_factory=set)  # decisions
    vetoed: set[int] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)
    _number: int = 0

    def of_step(self, tx: SimTx) -> Kept | None:
        """The response that a transaction is a step of."""
        return next((kept for kept in self.kept.values() if tx in kept.ladder.steps), None)

    # What is signed in advance

    def add_response(self) -> None:
        """A new vault with a coin in it, and what saves it."""
        ladder = None if self.world.lost else self.thieves.ladder()
        if ladder is None:
            return
        self.tower.node.signed.update((tx.raw, tx) for tx in ladder.steps)
        self._number += 1
        vault = f"{self.random.choice((AT_ONCE, AT_ONCE, UNLESS, ASKED))}-{self._number}"
        wish = Wish(
            name=vault,
            txids=(ladder.trigger.txid,) if ladder.trigger else (),
            outpoints=(f"{shown(ladder.coin[:32])}:{int.from_bytes(ladder.coin[32:], 'little')}",),
            final_depth=self.random.choice((1, 2, 3)),
        )
        if self.people.register(wish):
            self._keep(vault, ladder)

    def _keep(self, vault: str, ladder: Ladder) -> None:
        """As `bwm add-response` and `bwm arm` do it."""
        tower, budget = self.tower, self.random.choice((None, None, *ladder.fees, 100))
        given = [Given(f"{place}", parse_tx(tx.raw), {}) for place, tx in enumerate(ladder.steps)]
        parents = [Given("parent", parse_tx(ladder.trigger.raw), {})] if ladder.trigger else []
        lock = Lock("blocks", _LOCK_BLOCKS) if ladder.trigger else None
        sealer = sealer_of(tower.config, make=True)
        assert sealer
        try:
            with tower.reaper.paused():
                allowed = tower.config.responses.allow
                found = prepare(tower.node, vault, given, [], parents, allowed, lock, sealer, NETWORK)
                now = tower.clock.now()
                with tower.database.transaction():
                    added = responses.add(vault, RESPONSE, found.lock, budget, found.steps, found.judgement, now)
                    done = plan_done("response.added", NETWORK, now, journal.last_seq(), "added", vault, added.name)
                    commit(tower.database, done, (), now)
        except (Damaged, NodeError, UsageError):
            self.counts["response not kept"] += 1
            return
        self.kept[vault] = Kept(vault, ladder, budget)
        self.counts["response kept"] += 1
        if self.random.random() < 0.85:
            self._arm(self.kept[vault], armed=True)

    def disarm(self) -> None:
        """One is armed no more, or again."""
        if there := self._there():
            kept = self.random.choice(there)
            self._arm(kept, armed=not kept.armed)

    def _arm(self, kept: Kept, *, armed: bool) -> None:
        kind, now = f"response.{'armed' if armed else 'disarmed'}", self.tower.clock.now()
        with self.tower.reaper.paused(), self.tower.database.transaction():
            responses.arm(responses.find(kept.name).id, armed=armed)
            commit(
                self.tower.database,
                plan_done(kind, NETWORK, now, journal.last_seq(), kind, kept.vault, kept.name),
                targets_of(self.tower.config),
                now,
            )
        kept.armed = armed

    def _there(self) -> list[Kept]:
        """Those whose vault was not removed since."""
        return [kept for kept in self.kept.values() if self.is_there(kept)]

    def is_there(self, kept: Kept) -> bool:
        """Whether bwm still has it."""
        sql = "SELECT 1 FROM response r JOIN vault v ON r.vault_id = v.id WHERE v.name = ?"
        return any(self.tower.database.rows(sql, kept.vault))

    # What people say to it

    def hold(self) -> None:
        """Everything is held, or let go."""
        kind, now = f"response.hold_{'off' if self.is_holding else 'on'}", self.tower.clock.now()
        with self.tower.reaper.paused(), self.tower.database.transaction():
            responses.hold(on=not self.is_holding)
            done = plan_done(kind, NETWORK, now, journal.last_seq(), kind)
            commit(self.tower.database, done, targets_of(self.tower.config), now)
        self.is_holding = not self.is_holding

    def approve(self) -> None:
        """Somebody says yes to what a policy wants."""
        self._say(self.approved, yes=True)

    def veto(self) -> None:
        """Somebody says no."""
        self._say(self.vetoed, yes=False)

    @property
    def called_off(self) -> set[int]:
        """What was vetoed, and what the same policy decided about the same spends."""
        rows = [(number, about) for number, *about in self.tower.database.rows(_ABOUT)]
        vetoed = [about for number, about in rows if number in self.vetoed]
        return self.vetoed | {number for number, about in rows if about in vetoed}

    def _say(self, said: set[int], *, yes: bool) -> None:
        waiting = [number for (number,) in self.tower.database.rows(_UNANSWERED)]
        if not waiting:
            return
        decision, tower, now = self.random.choice(waiting), self.tower, self.tower.clock.now()
        with suppress(UsageError), tower.reaper.paused(), tower.database.transaction():
            event = orders.answer(decision, yes=yes, by="owner", network=NETWORK, now=now)
            changes = plan_operation(event, Severity.WARNING if yes else None)
            commit(tower.database, PolicyDesk((), NETWORK).judge(changes, now), targets_of(tower.config), now)
            said.add(decision)

    def broadcast(self) -> None:
        """Somebody has a response sent by hand."""
        if not (there := self._there()) or self.is_holding:
            return
        kept, now = self.random.choice(there), self.tower.clock.now()
        with suppress(UsageError), self.tower.reaper.paused(), self.tower.database.transaction():
            refuse_begun(responses.find(kept.name).id, kept.name)
            order_by_hand(kept.name, kept.vault, NETWORK, now)

    # What thieves and miners do

    def rob(self) -> None:
        """A vault's coin moves."""
        if self.kept and not self.world.lost:
            self.thieves.rob(self.random.choice(list(self.kept.values())).ladder)

    def outbid(self) -> None:
        """A thief wants what a response wants, in the mempool or in a block."""
        if self.kept and not self.world.lost:
            ladder = self.random.choice(list(self.kept.values())).ladder
            if self.random.random() < 0.8:
                self.thieves.outbid(ladder)
            else:
                self.thieves.steal_in_block(ladder)

    def theft_vanishes(self) -> None:
        """What moved a vault's coin leaves the mempool, perhaps before anybody has responded."""
        ledger = self.world.ledger
        coins = {kept.ladder.coin for kept in self.kept.values()}
        if thefts := [txid for txid, tx in ledger.mempool.items() if not coins.isdisjoint(tx.spends)]:
            self.world.limbo += ledger.evict(self.random.choice(thefts))

    def fees_move(self) -> None:
        """The mempool fills or empties; when it is full, what pays too little leaves it."""
        weather, ledger = self.tower.node.weather, self.world.ledger
        weather.floor = self.random.choice((1_000, 1_000, self._barely_enough(), 4_000, 20_000, 60_000, 150_000))
        weather.estimate = self.random.choice((None, 1_000, 3_000, 10_000, 50_000))
        signed = {tx.txid for tx in self.tower.node.signed.values()}
        for txid in list(ledger.mempool):
            tx = ledger.mempool.get(txid)
            if tx and txid in signed and ledger.fee_of(tx) * 1000 < weather.floor * tx.vsize:
                self.world.limbo += ledger.evict(txid)

    def _barely_enough(self) -> int:
        """The feerate of a step, in sat/kvB: the cheaper ones of its ladder are refused."""
        ladders = [kept.ladder for kept in self.kept.values()]
        if not ladders:
            return 1_000
        ladder = self.random.choice(ladders)
        step, fee = self.random.choice(list(zip(ladder.steps, ladder.fees, strict=True)))
        return fee * 1000 // step.vsize
