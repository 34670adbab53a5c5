"""The owner at the command line: registers, removes and rescans vaults, and acknowledges alerts."""

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field
from random import Random
from typing import Any

from peewee import fn

from bwm.chain.address import address_of_script
from bwm.chain.network import network as network_of
from bwm.channels.channel import Message
from bwm.daemon.answering import Answering, CodeRefused
from bwm.daemon.register_guardian import Wish as GuardianWish
from bwm.daemon.register_guardian import look_up
from bwm.daemon.registration import Prepared, Wish, prepare
from bwm.db import alerts, guardians, new_vaults, schema, vaults
from bwm.db.answers import Outcome
from bwm.errors import Damaged, NodeError, UsageError
from bwm.severity import Severity
from tests.simulation.channel import alerts_of
from tests.simulation.node import script_at
from tests.simulation.tower import GAP_LIMIT, NETWORK, Tower
from tests.simulation.wire import SimTx, shown
from tests.simulation.world import GUARDIANS, OWNED, WALLETS, World

_NETWORK = network_of(NETWORK)
_FARTHEST_INDEX = 60
UNLOCK_CONFIRMATIONS = 3  # blocks


@dataclass(slots=True)
class Watched:
    """One trigger, as the model knows it."""

    owner: str
    is_guardian: bool
    kind: str
    key: str  # as its owner named it
    final_depth: int
    first: int  # every block from this height on is to be read for it
    chain: frozenset[str]  # and every block that was not in the active chain when it was looked up
    coins: frozenset[bytes] = frozenset()  # that were known when it was registered
    scripts: frozenset[bytes] = frozenset()
    journal_seq: int = 0  # the journal's last number when it was registered
    state: tuple[str, int | None] = ("", None)  # of a guardian, as its registration found it

    @property
    def wallet(self) -> str | None:
        return self.key if self.kind == "descriptor" else None


@dataclass(frozen=True, slots=True)
class Answer:
    """An alert was acknowledged."""

    last_event: int  # the latest that whoever answered had read
    sendings: Mapping[str, int]  # how often it had been sent by then, by channel


@dataclass(slots=True)
class People:
    """What the owner asked for, and when."""

    world: World
    tower: Tower
    random: Random
    interlude: Callable[[], None]  # what happens between the look-up and the write of a registration
    watched: dict[str, list[Watched]] = field(default_factory=dict)  # by the name of the vault or guardian
    removed: dict[str, Wish] = field(default_factory=dict)
    wishes: dict[str, Wish] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)  # by alert
    counts: dict[str, int] = field(default_factory=dict)
    _number: int = 0

    def add_vault(self) -> None:
        """A new vault, or one that was removed before, under its old name."""
        if self.removed and self.random.random() < 0.4:
            wish = self.removed.pop(self.random.choice(sorted(self.removed)))
        else:
            wish = self._wish()
        if wish is not None:
            self.register(wish)

    def register(self, wish: Wish) -> bool:
        """Watch for a vault from now on. False when the node was in trouble."""
        if not (prepared := self._prepare(wish)):
            return False
        [vault] = prepared.vaults
        first = min(
            vault.birthday if vault.birthday is not None else 10**9,
            (vault.registered.height if vault.registered else 0) + 1,
        )
        scanned, chain = self.tower.node.scanned, frozenset(self.world.ledger.chain)
        if self.random.random() < 0.3:
            self.interlude()
        with self.tower.reaper.paused():
            new_vaults.add(self.tower.database, prepared.vaults, self.tower.clock.now())
        self.wishes[wish.name] = wish
        self.watched[wish.name] = [self._watched(wish, trigger, first, chain, scanned) for trigger in vault.triggers]
        return True

    def _prepare(self, wish: Wish) -> Prepared | None:
        """As `bwm add-vault` does it; a node in trouble makes it fail as a whole."""
        try:
            with self.tower.reaper.paused():
                self.tower.node.scanned = frozenset()
                return prepare([wish], _NETWORK, self.tower.node, GAP_LIMIT)
        except (Damaged, NodeError, UsageError):
            self._count("registration failed")
            return None

    def _wish(self) -> Wish | None:
        txids, outpoints, addresses, descriptors = [], [], [], []
        for _ in range(self.random.choice((1, 1, 2))):
            match self.random.choice(("txid", "outpoint", "script", "script", "descriptor")):
                case "txid" if tx := self._some_tx():
                    txids.append(tx.txid)
                case "outpoint" if coin := self._some_coin():
                    outpoints.append(f"{shown(coin[:32])}:{int.from_bytes(coin[32:], 'little')}")
                case "script":
                    addresses.append(address_of(self.random.choice(OWNED)))
                case "descriptor":
                    descriptors.append(self.random.choice(WALLETS))
        if not (txids or outpoints or addresses or descriptors):
            return None
        self._number += 1
        height = self.world.ledger.height
        birthday = str(self.random.randrange(max(0, height - 20), height + 1)) if self.random.random() < 0.5 else None
        return Wish(
            name=f"v{self._number}",
            txids=tuple(dict.fromkeys(txids)),
            outpoints=tuple(dict.fromkeys(outpoints)),
            addresses=tuple(dict.fromkeys(addresses)),
            descriptors=tuple(dict.fromkeys(descriptors)),
            birthday=birthday,
            severity=self.random.choice((Severity.EMERGENCY, Severity.EMERGENCY, Severity.HIGH, Severity.WARNING)),
            final_depth=self.random.choice((1, 2, 3, 6, 6)),
        )

    def _some_tx(self) -> SimTx | None:
        pools = (self.world.presigned, list(self.world.ledger.mempool.values()), self._mined())
        pool = self.random.choice([pool for pool in pools if pool] or [[]])
        return self.random.choice(pool) if pool else None

    def _mined(self) -> list[SimTx]:
        recent = self.world.ledger.chain[-6:]
        return [tx for name in recent for tx in self.world.ledger.blocks[name].txs if not tx.is_coinbase]

    def _some_coin(self) -> bytes | None:
        unspent = [coin for coin, held in self.world.ledger.coins.items() if held.pay.script in OWNED]
        made_of = [coin for tx in self.world.ledger.mempool.values() for coin in (*tx.spends, *tx.coins)]
        pool = self.random.choice([pool for pool in (unspent, made_of) if pool] or [[]])
        return self.random.choice(pool) if pool else None

    def _watched(
        self, wish: Wish, trigger: Any, first: int, chain: frozenset[str], scanned: frozenset[bytes]
    ) -> Watched:
        keys = frozenset(key.key for key in trigger.keys if key.what == "coin")
        coins = keys & scanned if trigger.kind in ("script", "descriptor") else keys
        scripts: frozenset[bytes] = frozenset()
        if trigger.kind == "script":
            scripts = frozenset(script for script in OWNED if address_of(script) == trigger.key)
        elif trigger.kind == "descriptor":
            scripts = frozenset(script_at(trigger.key, index) for index in range(_FARTHEST_INDEX))
        return Watched(
            owner=wish.name,
            is_guardian=False,
            kind=trigger.kind,
            key=trigger.key,
            final_depth=wish.final_depth,
            first=first,
            chain=chain,
            coins=coins,
            scripts=scripts,
            journal_seq=self._journal_seq(),
        )

    def add_guardian(self) -> None:
        """Watch a Guardian Address that is not watched yet."""
        script = self.random.choice(GUARDIANS)
        name = f"g{script[-1]}"
        if name in self.watched:
            return
        node, tower = self.tower.node, self.tower
        wish = GuardianWish(name, address_of(script), UNLOCK_CONFIRMATIONS, accept_locked=True, accept_high_nonce=True)
        try:
            with tower.reaper.paused():
                node.scanned = frozenset()
                found = look_up(wish, _NETWORK, node, tower.clock.now()).guardian
        except (Damaged, NodeError, UsageError):
            self._count("registration failed")
            return
        coins, chain = node.scanned, frozenset(self.world.ledger.chain)
        if self.random.random() < 0.3:
            self.interlude()
        with tower.reaper.paused(), tower.database.transaction():
            guardians.add(found, tower.clock.now())
        self.watched[name] = [
            Watched(
                owner=name,
                is_guardian=True,
                kind="guardian",
                key=found.address,
                final_depth=6,
                first=found.registered.height + 1,
                chain=chain,
                coins=coins,
                scripts=frozenset([script]),
                journal_seq=self._journal_seq(),
                state=(found.state.state, found.state.nonce),
            )
        ]

    def remove(self, names: Set[str] | None = None) -> None:
        """A vault or guardian is watched no more: one of these, or any."""
        watched = sorted(self.watched if names is None else names & self.watched.keys())
        if not watched:
            return
        name = self.random.choice(watched)
        is_guardian = self.watched[name][0].is_guardian
        try:
            with self.tower.reaper.paused(), self.tower.database.transaction():
                (guardians if is_guardian else vaults).remove(name)
        except UsageError:
            return  # a response of it is on its way
        del self.watched[name]
        if not is_guardian:
            self.removed[name] = self.wishes[name]

    def rescan(self) -> None:
        """Have the past read again for a vault."""
        names = sorted(name for name in self.watched if not self.watched[name][0].is_guardian)
        if names:
            name, height = self.random.choice(names), self.random.randrange(self.world.ledger.height + 1)
            with self.tower.reaper.paused(), self.tower.database.transaction():
                vaults.rescan(name, height)
            for watched in self.watched[name]:
                watched.first = min(watched.first, height)

    def acknowledge(self) -> None:
        """Somebody has read a message, and answers with its code or by the alert's id."""
        waiting = {alert.id for alert in alerts.listed() if alert.state != alerts.ACKNOWLEDGED}
        read = [(each.message, each) for channel in self.tower.channels for each in channel.sendings if each.arrived]
        known = {message.alert_id for message, each in read if not each.doubtful}
        read = [(message, each) for message, each in read if message.alert_id in waiting]
        if not read:
            return
        message, _ = self.random.choice(read)
        by_code = message.answer_code is not None and (message.alert_id not in known or self.random.random() < 0.5)
        if not by_code and message.alert_id not in known:
            return  # nobody knows of it yet
        answering = Answering(self.tower.config, self.tower.database, self.tower.clock)
        with self.tower.reaper.paused():
            if by_code:
                outcome = self._answer_by_code(answering, message)
            else:
                outcome = answering.by_id(message.alert_id, "owner").outcome
        if outcome is not Outcome.DONE:
            return
        alike = [m.event or 0 for m, each in read if m.alert_id == message.alert_id and not each.doubtful]
        sent = {
            channel.name: sum(message.alert_id in alerts_of(each) for each in channel.sendings)
            for channel in self.tower.channels
        }
        self.answers[message.alert_id] = Answer((message.event or 0) if by_code else max(alike), sent)

    def _answer_by_code(self, answering: Answering, message: Message) -> Outcome | None:
        """A code of an earlier state of things may be void by now."""
        try:
            return answering.by_code(message.answer_code or "").outcome
        except CodeRefused:
            return None

    def _journal_seq(self) -> int:
        return int(schema.Event.select(fn.MAX(schema.Event.seq)).scalar() or 0)

    def _count(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1


def address_of(script: bytes) -> str:
    """The address of a script of an owner or guardian."""
    address = address_of_script(script, _NETWORK)
    assert address is not None
    return address
