"""One seed: a world, a node, a feed, channels, a daemon, and everything that goes wrong with them, at random."""

import random as global_random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

from bwm.chain.network import network as network_of
from bwm.daemon import writer
from bwm.db.database import Database
from bwm.plan import Changes
from bwm.severity import Severity
from tests.simulation import checks
from tests.simulation.channel import SimChannel
from tests.simulation.facts import Facts, Violation
from tests.simulation.feed import SimFeed
from tests.simulation.gate import Gate
from tests.simulation.ladders import Thieves
from tests.simulation.ledger import Ledger
from tests.simulation.mortal import Reaper, VirtualClock
from tests.simulation.node import SimNode
from tests.simulation.operator import Operator
from tests.simulation.people import People
from tests.simulation.tower import NETWORK, Tower
from tests.simulation.world import MINER, World

START = 1_800_000_000  # unix seconds
_A_WHILE_S = (0.05, 0.3, 1.0, 1.0, 3.0, 16.0, 16.0)  # that passes after a step
_RECONCILE_S = 16.0
_STEADY_S = 40.0  # less than what counts as sleep
_MOST_BACKLOG_TURNS = 500
_MOST_RETRIES = 15
_STILL = 2  # looks that find nothing to do
_FEEDS: tuple[dict[str, str], ...] = (
    {"rawtx": "tcp://a", "hashblock": "tcp://a", "sequence": "tcp://a"},
    {"rawtx": "tcp://a", "hashblock": "tcp://b", "sequence": "tcp://b"},
    {"rawtx": "tcp://a", "hashblock": "tcp://a"},
    {"sequence": "tcp://a"},
    {},
)


@dataclass(slots=True)
class Outcome:
    """What one seed showed."""

    seed: int
    steps: int = 0
    heals: int = 0
    counts: Counter[str] = field(default_factory=Counter)  # of what happened, by its name
    violations: list[Violation] = field(default_factory=list)
    trace: list[str] = field(default_factory=list)  # the steps taken


def run(seed: int, steps: int) -> Outcome:
    """One seed from its beginning to its end, or to the first broken promise."""
    folder = Path(tempfile.mkdtemp(prefix="bwm-simulation-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    try:
        with ExitStack() as small:
            for patched in _small(seed):
                small.enter_context(patched)
            simulation = Simulation(seed, folder)
            small.enter_context(simulation.between_plan_and_commit())
            return simulation.run(steps)
    finally:
        shutil.rmtree(folder)


def _small(seed: int) -> Iterator[AbstractContextManager[object]]:
    """Numbers of bwm that are too large for a small world; and no thread of its own for fetching blocks."""
    yield patch("bwm.daemon.fetch.AHEAD", 0)
    yield patch.multiple("bwm.daemon.registration", _SEARCHED=12, _WATCHED=1)
    if seed % 4 == 3:
        yield patch.multiple("bwm.db.cursor", RING_DEPTH=8, SPARSE_STEP=5)


class Simulation:
    """Everything of one seed. Steps are methods; ``STEPS`` says how often each is taken."""

    def __init__(self, seed: int, folder: Path) -> None:
        global_random.seed(seed)  # the daemon's own jitter
        self.random = Random(seed)
        self.outcome = Outcome(seed)
        self.clock = VirtualClock(START)
        self.reaper = Reaper()
        self.ledger = Ledger(MINER, START)
        self.world = World(self.ledger, self.clock, self.random)
        foreign = World(Ledger(MINER, START, salt=10**9), self.clock, self.random).ledger
        self.feed = SimFeed(self.ledger, self.random.choice(_FEEDS), self.random)
        self.node = SimNode(self.ledger, foreign, network_of(NETWORK), self.clock, self.reaper, self.random)
        self.node.with_txindex, self.node.has_filters = self.random.random() < 0.3, self.random.random() < 0.3
        self.node.meddle = self._meddle
        self.channels = {
            SimChannel("phone", self.clock, self.reaper, self.random): Severity.INFO,
            SimChannel("siren", self.clock, self.reaper, self.random): Severity.HIGH,
        }
        self.tower = Tower(
            folder,
            self.node,
            self.feed,
            self.channels,
            self.clock,
            self.reaper,
            self._complain,
            may_lose_power=seed % 3 == 0,
        )
        self.people = People(self.world, self.tower, self.random, self._interlude)
        self.operator = Operator(self.world, self.tower, self.people, Thieves(self.world, self.random), self.random)
        gate = Gate(self.world, self.tower, self.operator, self._complain)
        self.tower.before_responses, self.node.on_send = gate.note, gate.sent
        self._is_meddling = False
        self._seen_deaths = 0

    def run(self, steps: int) -> Outcome:
        """Take steps until they are enough, or a promise is broken."""
        outcome = self.outcome
        self.tower.start()
        is_about_responses = outcome.seed % 2 == 1
        for _ in range(2 if is_about_responses else self.random.choice((0, 1))):
            self.operator.add_response()
        steps_of = STEPS | OF_RESPONSES if is_about_responses else STEPS
        names, weights = list(steps_of), list(steps_of.values())
        while outcome.steps < steps and not outcome.violations:
            [name] = self.random.choices(names, weights)
            self.take(name)
        if not outcome.violations:
            self.heal()
        for more in (
            self.feed.counts,
            self.people.counts,
            self.operator.counts,
            *(channel.counts for channel in self.channels),
        ):
            outcome.counts.update(more)
        outcome.counts["rpc failed"] += self.node.failures
        outcome.counts["block damaged"] += self.node.damages
        outcome.counts["deaths"] += self.tower.deaths
        return outcome

    def take(self, name: str) -> None:
        """One step, and what follows from it."""
        outcome = self.outcome
        outcome.steps += 1
        outcome.counts[name] += 1
        outcome.trace.append(name)
        step: Callable[[], object] = self._find(name)
        step()
        self._live_on()
        if self.tower.deaths != self._seen_deaths or self.random.random() < 0.05:
            self._seen_deaths = self.tower.deaths
            self._check(checks.AT_ANY_TIME)

    def _find(self, name: str) -> Callable[[], object]:
        method = name.replace(" ", "_")
        for place in (self, self.world, self.people, self.operator):
            if hasattr(place, method):
                if place is self.world and self.world.lost:
                    return self.fetch_some
                found: Callable[[], object] = getattr(place, method)
                return found
        raise KeyError(name)

    def _live_on(self) -> None:
        """Some time passes, and the daemon does what it does."""
        if self.tower.daemon is None and self.random.random() < 0.6:
            self.tower.start()
        if self._is_node_there and self.random.random() < 0.7:
            self.feed.connect()
        if self._is_node_there and self.random.random() < 0.2:
            self.feed.ring()
        self.clock.advance(self.random.choice(_A_WHILE_S))
        for _ in range(self.random.choice((0, 1, 1, 2))):
            self.tower.turn(self.random.choice((1.0, 1.0, 0.5)))
        self.tower.respond()
        self.tower.send()

    @property
    def _is_node_there(self) -> bool:
        weather = self.node.weather
        return not (weather.is_down or weather.is_hung or weather.is_foreign)

    # Faults

    def kill(self) -> None:
        """Somewhere in what it does next, the daemon dies."""
        self.reaper.arm(self.random.choice((3, 10, 30, 100)) * self.random.randrange(1, 4))

    def stop_daemon(self) -> None:
        """It is stopped in peace."""
        if self.tower.daemon is not None:
            self.tower.stop()

    def power_cut(self) -> None:
        """The machine loses power, and every write that was not waited for."""
        self.tower.stop(by_power_cut=True)

    def node_down(self) -> None:
        self.node.weather.is_down = True
        self.feed.break_off(by_restart=True)
        if self.random.random() < 0.6:
            self.world.lose_mempool()

    def node_hangs(self) -> None:
        self.node.weather.is_hung = True

    def node_back(self) -> None:
        self.node.weather.is_down = self.node.weather.is_hung = False

    def node_flaky(self) -> None:
        self.node.weather.flaky = self.random.choice((0.0, 0.02, 0.1, 0.3))

    def blocks_damaged(self) -> None:
        self.node.weather.damaged = self.random.choice((0.0, 0.2))

    def meddling(self) -> None:
        self.node.weather.meddling = self.random.choice((0.0, 0.02, 0.1))

    def wrong_network(self) -> None:
        """For some time another node answers at the address."""
        self.node.weather.is_foreign = not self.node.weather.is_foreign
        self.feed.break_off(by_restart=True)

    def node_loses_data(self) -> None:
        """The node begins anew and fetches the chain again."""
        if not self.world.lost:
            self.node.weather.is_syncing = True
            self.feed.break_off(by_restart=True)
            self.world.lost = self.ledger.shrink(self.random.randrange(self.ledger.height))

    def fetch_some(self) -> None:
        """The node gets some of its blocks back."""
        for _ in range(self.random.randrange(1, 5)):
            if self.world.lost:
                self.ledger.fetch(self.world.lost.pop(0))
        self.node.weather.is_syncing = bool(self.world.lost)

    def feed_dead(self) -> None:
        self.feed.is_dead = not self.feed.is_dead
        if self.feed.is_dead:
            self.feed.break_off()

    def feed_bad(self) -> None:
        self.feed.trouble = self.random.choice((0.0, 0.1, 0.5))

    def feed_forged(self) -> None:
        if tx := self.world.forge():
            self.feed.forge(tx)

    def clock_jumps(self) -> None:
        self.clock.set_wrong_by(self.random.choice((0.0, -3600.0, -86400.0, 3600.0, 86400.0, 10 * 365 * 86400.0)))
        self.tower.has_jumped_far |= self.clock.offset > 30 * 86400

    def channel_bad(self) -> None:
        channel = self.random.choice(list(self.channels))
        channel.is_down, channel.trouble = self.random.choice(((True, 0.0), (False, 0.0), (False, 0.3), (False, 0.8)))

    def disk_full(self) -> None:
        self.tower.database.sqlite.is_full = not self.tower.database.sqlite.is_full
        self.tower.has_been_full = True

    def wait(self) -> None:
        """Some minutes pass in which nothing happens. A blind daemon must say so."""
        weather, deaths = self.node.weather, self.tower.deaths
        is_blind = (weather.is_down or weather.is_hung) and self.tower.daemon is not None
        for _ in range(5):
            self._pass(_STEADY_S)
        is_still = weather.is_down or weather.is_hung
        if is_blind and is_still and deaths == self.tower.deaths and not self.tower.database.sqlite.is_full:
            self._check((checks.blindness_is_told,))

    def _pass(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.tower.turn()
        self.tower.respond()
        self.tower.send()

    def _meddle(self) -> None:
        """The world does not wait for the daemon's questions to be answered."""
        if self._is_meddling or self.world.lost:
            return
        self._is_meddling = True
        try:
            self._do_something()
            if self.tower.daemon is not None and self.random.random() < 0.5:
                self.feed.deliver(self.tower.daemon.ingest.put)
        finally:
            self._is_meddling = False

    def between_plan_and_commit(self) -> AbstractContextManager[object]:
        """Whom a plan is about may be removed just before it is written."""
        commit = writer.commit

        def late(database: Database, changes: Changes, *rest: Any) -> int:
            meddling = self.node.weather.meddling
            if meddling and self.random.random() < meddling:
                self.people.remove(self._owners(changes))
            return commit(database, changes, *rest)

        return patch.object(writer, "commit", late)

    def _owners(self, changes: Changes) -> set[str]:
        triggers = [sighting.trigger for sighting in changes.sightings] + [watch.trigger for watch in changes.watches]
        return {trigger.vault or trigger.guardian or "" for trigger in triggers}

    def _do_something(self) -> None:
        world, people = self.world, self.people
        deeds: list[Callable[[], None]] = [world.deposit, world.spend, world.mine, world.mine, world.reorg]
        deeds += [world.replace, world.evict, world.come_back, world.signal, world.publish_presigned, world.switch]
        if not self.tower.database.sqlite.in_transaction():
            deeds += [people.acknowledge, people.remove]
        self.random.choice(deeds)()

    def _interlude(self) -> None:
        """Between the look-up and the write of a registration, everybody else goes on."""
        if not self.world.lost:
            for _ in range(self.random.randrange(3)):
                self._do_something()
            if self.random.random() < 0.2:  # what nobody looked up is mined in blocks of the same heights
                for _ in range(4):
                    self.random.choice((self.world.deposit, self.world.deposit, self.world.spend))()
                self.world.reorg()
        self.clock.advance(1.5)
        self.tower.turn()

    # Healing

    def heal(self) -> None:
        """Every fault ends, everything settles, and what bwm knows is compared with what is true."""
        self.outcome.heals += 1
        self._mend()
        self._settle()
        if not self.outcome.violations:
            self._check(checks.WHEN_HEALED)

    def _mend(self) -> None:
        self.reaper.is_armed = False
        weather = self.node.weather
        weather.is_down = weather.is_hung = weather.is_foreign = weather.is_syncing = False
        weather.flaky = weather.damaged = weather.meddling = 0.0
        while self.world.lost:
            self.ledger.fetch(self.world.lost.pop(0))
        self.feed.trouble = 0.0
        self.feed.is_dead = self.random.random() < 0.2
        if self.feed.is_dead:
            self.feed.break_off()
        for channel in self.channels:
            channel.is_down, channel.trouble = False, 0.0
        self.tower.database.sqlite.is_full = False
        if self.random.random() < 0.5:
            self.clock.set_wrong_by(0.0)
        self.tower.start()
        self.feed.connect()

    def _settle(self) -> None:
        """Time for two looks at the mempool, for the past to be read, and for every retry and what follows from it."""
        for _ in range(2):
            self._pass(_RECONCILE_S)
        for _ in range(_MOST_BACKLOG_TURNS):
            if not self._count("backlog"):
                break
            self.clock.advance(0.2)
            self.tower.turn()
        still, before = 0, 0
        for _ in range(_MOST_RETRIES):
            self._pass(_STEADY_S)
            told = self._count("event")
            waits = told != before or self._count(
                "outbox WHERE action = 'alert' AND state IN ('pending', 'uncertain', 'in_flight')"
            )
            still, before = 0 if waits else still + 1, told
            if still == _STILL:
                break

    def _count(self, what: str) -> int:
        [[count]] = self.tower.database.rows(f"SELECT COUNT(*) FROM {what}")
        return int(count)

    def _check(self, wanted: Iterable[checks.Check]) -> None:
        facts = Facts(self.world, self.tower, self.people, self.operator)
        self.outcome.violations += [violation for check in wanted for violation in check(facts)]

    def _complain(self, kind: str, words: str) -> None:
        self.outcome.violations.append(Violation(kind, words))


STEPS = {
    "deposit": 8,
    "spend": 8,
    "signal": 3,
    "forge signal": 0.5,
    "presign": 2,
    "publish presigned": 3,
    "replace": 4,
    "evict": 3,
    "come back": 3,
    "mine": 12,
    "mine empty": 2,
    "mine many": 1,
    "reorg": 4,
    "switch": 1.5,
    "add vault": 4,
    "add guardian": 1.5,
    "remove": 1,
    "rescan": 0.7,
    "acknowledge": 3,
    "add response": 3,
    "rob": 5,
    "outbid": 1,
    "fees move": 3,
    "disarm": 0.5,
    "hold": 0.5,
    "approve": 2,
    "veto": 0.5,
    "broadcast": 0.7,
    "kill": 8,
    "stop daemon": 1,
    "power cut": 1,
    "node down": 1.5,
    "node hangs": 0.7,
    "node back": 3,
    "node flaky": 1.5,
    "blocks damaged": 0.7,
    "meddling": 2,
    "wrong network": 0.5,
    "node loses data": 0.8,
    "feed dead": 1,
    "feed bad": 1.5,
    "feed forged": 2,
    "clock jumps": 0.7,
    "channel bad": 2,
    "disk full": 0.5,
    "wait": 0.7,
    "heal": 2,
}
"""What can be done in a step, and how often it is done."""

OF_RESPONSES = {
    "add response": 6,
    "rob": 25,
    "theft vanishes": 3,
    "outbid": 3,
    "approve": 8,
    "mine": 16,
    "fees move": 5,
    "disarm": 1,
    "hold": 1,
    "veto": 1,
}
"""The same in every second world, where there is more to respond to."""
