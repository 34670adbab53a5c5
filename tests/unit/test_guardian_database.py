"""Guardian states through the plans and a real database: whatever happens to the signals, and to bwm meanwhile."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bwm.chain.block import BlockRef
from bwm.chain.outpoint import parse_outpoint
from bwm.chain.tx import parse_tx
from bwm.clock import SystemClock
from bwm.daemon.finder import Finding
from bwm.daemon.watchlist import WatchList
from bwm.daemon.writer import Writer
from bwm.db import cursor, guardians, sightings, watches
from bwm.db.database import Database
from bwm.db.vaults import NewKey, NewTrigger
from bwm.guardian.state import GuardianState, state_of
from bwm.plan import Absence, plan_absences, plan_block, plan_mempool, plan_rewind
from bwm.watch.scan import keys_of, scan_all
from bwm.watch.watch import WatchIndex, What
from tests.guardian_signer import FINAL, Coin, Draft, said
from tests.unit.guardian_watcher import KEY, LOOK_ALIKE, SCRIPTS, SIGHASHES, STRANGER, signature

GUARDIAN = SCRIPTS["p2wpkh"]
NAMES = "ABCDE"
START = 100  # the height at which the guardian is registered


class FixedClock(SystemClock):
    def now(self) -> int:
        return 1_700_000_000


def built(name, words):
    """A transaction in the words of scenarios.toml, and the coin that it spends."""
    owners = {"forged": STRANGER, "look-alike": LOOK_ALIKE}
    kind, _, rest = words.partition(" ")
    script = owners.get(kind, GUARDIAN)
    said_words = rest if kind in owners or kind == "loose" else words
    coin = Coin(f"{ord(name):064x}:0", 100_000, script)
    payloads = [] if words == "moved" else said_words.split(", ")
    sighash = SIGHASHES["NONE" if kind == "loose" else "ALL"]
    outputs = [*((0, said(payload)) for payload in payloads), (90_000, GUARDIAN)]
    return parse_tx(bytes.fromhex(Draft([(coin, FINAL)], outputs, {}, {0: [signature(sighash), KEY]}).hex())), coin


class World:
    """A chain and a mempool that tell bwm's plans and its database what happens to some transactions."""

    def __init__(self, folder, words):
        self.url = f"sqlite:///{folder / 'bwm.sqlite'}"
        built_of = {name: built(name, each) for name, each in zip(NAMES, words, strict=True)}
        self.txs = {name: tx for name, (tx, _) in built_of.items()}
        self.scripts = {parse_outpoint(coin.outpoint): coin.script for _, coin in built_of.values()}
        self.blocks: list[list[str]] = []
        self.waiting: set[str] = set()
        self.serial = 0
        self.database = Database(self.url, "regtest")

    @contextmanager
    def open(self) -> Iterator[None]:
        """bwm runs."""
        with self.database.connection():
            watch_list = WatchList()
            watch_list.refresh()
            self.writer = Writer(self.database, watch_list, [], FixedClock(), 6, lambda: None, lambda alerts: None)
            yield

    def register(self):
        coins = [NewKey(What.COIN, key, 100_000) for key, script in self.scripts.items() if script == GUARDIAN]
        trigger = NewTrigger("guardian", "address", (NewKey(What.SCRIPT, GUARDIAN), *coins))
        fresh, start = GuardianState("uninstantiated"), BlockRef(START, "start")
        new = guardians.NewGuardian("family", "address", GUARDIAN, trigger, 6, 0, fresh, (), start)
        with self.database.transaction():
            guardians.add(new, 0)
            cursor.move(start)

    @property
    def facts(self):
        return guardians.facts("family", FixedClock().now())

    @property
    def tip(self):
        return START + len(self.blocks)

    @property
    def mined(self):
        return {name for block in self.blocks for name in block}

    def _finding(self, names):
        txs = [self.txs[name] for name in names]
        known = watches.by_keys([key for tx in txs for key in keys_of(tx)])
        matches = {tx.txid: found for tx, found in scan_all(txs, WatchIndex(known))}
        return Finding([(tx, matches.get(tx.txid, ())) for tx in txs], spent_scripts=self.scripts)

    def see(self, name):
        if name not in self.mined:
            self.waiting.add(name)
            finding = self._finding([name])
            self.writer.write(plan_mempool(finding.found, self.writer.facts((), finding), 0), finding)

    def mine(self, *names):
        names = [name for name in names if name not in self.mined]
        self.waiting -= set(names)
        self.blocks.append(names)
        self.serial += 1
        self.block = BlockRef(self.tip, f"{self.serial:064x}")
        self._read(names, move_cursor=True)

    def _read(self, names, *, move_cursor):
        finding = self._finding(names)
        facts = self.writer.facts(sightings.unburied(), finding, rivals=True)
        self.writer.write(plan_block(self.block, finding.found, facts, 0, self.tip, move_cursor=move_cursor), finding)

    def again(self):
        """Everything that is there is read once more."""
        if self.blocks:
            self._read(self.blocks[-1], move_cursor=False)
        for name in sorted(self.waiting):
            self.see(name)

    def undo(self, depth):
        for _ in range(min(depth, len(self.blocks))):
            self.waiting |= set(self.blocks.pop())
        to = BlockRef(self.tip, "fork")
        self.writer.write(plan_rewind(to, self.writer.facts(sightings.above(self.tip)), 0))

    def drop(self, name):
        if name in self.waiting:
            self.waiting.remove(name)
            gone = [each for each in sightings.by_txids([self.txs[name].txid]) if each.block is None]
            absences = [Absence(each) for each in gone]
            self.writer.write(plan_absences(absences, self.writer.facts(gone), 0))

    def settle(self):
        """At last every transaction is mined, and deep."""
        for name in NAMES:
            if name not in self.mined:
                self.mine(name)
        for _ in range(6):
            self.mine()

    def end(self):
        """What must be equal for equal sets of signals."""
        facts = self.facts
        signals = {(one.txid, one.payload, one.counted) for one in facts.signals}
        return facts.state.state, facts.state.nonce, [one.nonce for one in facts.state.pending], signals


STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["see", "drop"]), st.sampled_from(NAMES)),
        st.tuples(st.just("mine"), st.lists(st.sampled_from(NAMES), max_size=3, unique=True).map(tuple)),
        st.tuples(st.just("undo"), st.integers(1, 7)),
        st.tuples(st.sampled_from(["again", "crash"]), st.none()),
    ),
    max_size=20,
)
SIGNALS = st.builds("{} {}".format, st.sampled_from(["lock", "unlock"]), st.integers(0, 4))
NO_UNLOCK = st.one_of(
    st.builds("lock {}".format, st.integers(0, 4)),
    st.builds("{} unlock {}".format, st.sampled_from(["forged", "look-alike", "loose"]), st.integers(0, 4)),
    st.builds("unlock {}, unlock {}".format, st.integers(0, 2), st.integers(3, 4)),
    st.sampled_from(["unlock 0", "moved", "raw guardv1.Lock=false#05", "raw guardv1.Lock=False#5"]),
)


def live(world, steps):
    """Go through the steps; bwm is killed and started anew where they say so. Yields after each."""
    steps = list(steps)
    while steps:
        with world.open():
            while steps:
                verb, what = steps.pop(0)
                if verb == "crash":
                    break
                arguments = () if what is None else what if isinstance(what, tuple) else (what,)
                getattr(world, verb)(*arguments)
                yield


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """A database with its tables, to be copied: to make one takes longer than a whole history."""
    folder = tmp_path_factory.mktemp("empty")
    Database(f"sqlite:///{folder / 'bwm.sqlite'}", "regtest").close()
    return folder


@contextmanager
def a_world(empty, words):
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "bwm"
        shutil.copytree(empty, copy)
        world = World(copy, words)
        with world.open():
            world.register()
        yield world


@settings(max_examples=8)
@given(st.lists(SIGNALS, min_size=5, max_size=5), STEPS)
def test_any_history_ends_in_the_state_of_one_never_disturbed(empty, words, steps):
    ends = []
    for each in (steps, []):
        with a_world(empty, words) as world:
            for _ in live(world, each):
                facts = world.facts
                stored = (facts.state.state, facts.state.nonce, facts.state.pending)
                anew = state_of(facts.signals, world.tip, 0)
                assert stored == (anew.state, anew.nonce, anew.pending), "the state is what the signals make"
            with world.open():
                world.settle()
                ends.append(world.end())
    assert ends[0] == ends[1]


@settings(max_examples=8)
@given(st.lists(NO_UNLOCK, min_size=5, max_size=5), STEPS)
def test_nothing_unlocks_without_an_unlock_that_the_guardian_signed(empty, words, steps):
    with a_world(empty, words) as world:
        was_locked = False
        for _ in live(world, [*steps, *(("mine", (name,)) for name in NAMES), *[("mine", ())] * 6]):
            state = world.facts.state
            assert state.state != "unlocked"
            assert not state.pending
            assert not (was_locked and state.state != "locked")
            was_locked = state.state == "locked"
