"""One node and one bwm for many guardians: each test plays with guardians of its own."""

import json
import shutil
import tempfile
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bwm.chain.network import network
from bwm.config import load
from bwm.daemon.connect import connect
from bwm.daemon.register_guardian import Wish, look_up
from bwm.db import guardians
from bwm.db.database import Database
from regtest.daemon import Bwm
from regtest.node import RegtestNode, wait_until
from tests.guardian_signer import Coin, Signer, fund

OF_SIGHTINGS = ("seen", "confirmed", "final", "reorged", "replaced", "evicted", "conflicted", "added")

QUICK = '[defaults]\nreconcile_every = "1s"\n'


class Actor:
    """A guardian that bwm watches, with the coins that it has not spent yet."""

    def __init__(self, name: str, signer: Signer, coins: Sequence[Coin]) -> None:
        self.name = name
        self.signer = signer
        self.coins = list(coins)


class Stage:
    """A node and a running bwm."""

    def __init__(self, node: RegtestNode, bwm: Bwm) -> None:
        self.node = node
        self.bwm = bwm

    def cast(self, names: Iterable[str], kind: str = "p2wpkh", coins: int = 5, start: str = "base") -> list[Actor]:
        """Guardians, registered and taken up: "fresh", "base" (unlock 1 is final) or "locked" (then lock 2)."""
        signers = {name: Signer(self.node, kind) for name in names}
        paid = iter(fund(self.node, [signer.script for signer in signers.values() for _ in range(coins + 2)]))
        actors = [Actor(name, signer, [next(paid) for _ in range(coins + 2)]) for name, signer in signers.items()]
        if start != "fresh":
            self.node.mine_exactly([actor.signer.signal(actor.coins.pop(), "unlock 1") for actor in actors])
            self.bury(5)
        if start == "locked":
            self.node.mine_exactly([actor.signer.signal(actor.coins.pop(), "lock 2") for actor in actors])
        self.register(actors, accept_locked=start != "base")
        return actors

    def register(self, actors: Iterable[Actor], *, accept_locked: bool = False) -> None:
        """As `bwm add-guardian` does, many in one process; waits until the daemon has taken them up."""
        config = load(self.bwm.config, None)
        database = Database(config.database_url, config.network)
        node, now = connect(config), int(time.time())
        with database.connection():
            for actor in actors:
                wish = Wish(actor.name, actor.signer.address, accept_locked=accept_locked)
                prepared = look_up(wish, network("regtest"), node, now)
                with database.transaction():
                    guardians.add(prepared.guardian, now)
        self.caught_up()
        wait_until(lambda: not self.bwm.rows("SELECT id FROM backlog"), "the daemon to take all up")

    def bury(self, blocks: int) -> None:
        """Blocks with nothing in them."""
        for _ in range(blocks):
            self.node.mine_exactly()

    def caught_up(self) -> None:
        """Wait until bwm stands at the node's tip."""
        tip = self.node.tip
        query = "SELECT hash FROM block ORDER BY height DESC LIMIT 1"
        wait_until(lambda: [row["hash"] for row in self.bwm.rows(query)] == [tip], "bwm at the node's tip")

    def status(self, name: str, txid: str) -> str | None:
        """Where the sighting of a transaction stands for a guardian; None when there is none."""
        rows = self.bwm.rows(
            "SELECT status FROM sighting JOIN trigger ON trigger_id = trigger.id "
            "JOIN guardian ON guardian_id = guardian.id WHERE name = ? AND sighting.txid = ?",
            name,
            txid,
        )
        return rows[0]["status"] if rows else None

    def wait_status(self, name: str, txid: str, statuses: Collection[str]) -> None:
        wait_until(lambda: self.status(name, txid) in statuses, f"{txid} to be {' or '.join(statuses)}")

    def state(self, name: str) -> str:
        """ "locked(2) pending 3", in the words of scenarios.toml."""
        [row] = self.bwm.rows("SELECT state, nonce, pending FROM guardian WHERE name = ?", name)
        shown = row["state"] if row["nonce"] is None else f"{row['state']}({row['nonce']})"
        pending = " ".join(str(one["nonce"]) for one in json.loads(row["pending"]))
        return f"{shown} pending {pending}" if pending else shown

    def signals(self, name: str, txid: str) -> dict[str, bool]:
        """What a transaction said to a guardian: whether each payload counts."""
        rows = self.bwm.rows(
            "SELECT is_lock, signal.nonce, counted FROM signal JOIN guardian ON guardian.id = guardian_id "
            "WHERE name = ? AND signal.txid = ?",
            name,
            txid,
        )
        return {f"{'lock' if row['is_lock'] else 'unlock'} {row['nonce']}": bool(row["counted"]) for row in rows}

    def told(self, name: str, after_seq: int = 0, txid: str | None = None) -> list[dict[str, Any]]:
        """What was told of a guardian, in order, without the plain life of its transactions."""
        return [
            event | {"kind": event["kind"].removeprefix("guardian.")}
            for event in self.bwm.events(guardian=name)
            if event["seq"] > after_seq
            and event["kind"].removeprefix("guardian.") not in OF_SIGHTINGS
            and txid in (None, event["txid"])
        ]

    def last_seq(self) -> int:
        return int(self.bwm.rows("SELECT COALESCE(MAX(seq), 0) AS last FROM event")[0]["last"])

    def send_or_mine(self, raw: str) -> str:
        """Into the mempool where it is relayed, else into a block; the txid."""
        [verdict] = self.node.rpc("testmempoolaccept", [raw], 0)
        if verdict["allowed"]:
            return str(self.node.rpc("sendrawtransaction", raw, 0, 1))  # an OP_RETURN may burn up to 1 BTC
        self.node.mine_exactly([raw])
        return self.node.rpc("decoderawtransaction", raw)["txid"]

    def expire(self, txids: Collection[str]) -> None:
        """Have transactions fall out of the mempool by age, nobody having spent their coins; the others stay."""
        others = {txid: self.node.rpc("getrawtransaction", txid) for txid in self.node.mempool() - set(txids)}
        self.node.rpc("setmocktime", int(time.time()) + 337 * 3600)
        self.node.pay(self.node.new_address(wallet="miner"), 10_000)  # whatever enters makes the node look
        self.node.rpc("setmocktime", 0)
        left = self.node.mempool()
        assert left.isdisjoint(txids)
        for txid in others.keys() - left:
            self.node.send(others[txid])


@contextmanager
def set_stage(bitcoind: Path, *, settings: str = QUICK, **options: Any) -> Iterator[Stage]:
    """A stage in a folder of its own, its path short enough for unix sockets."""
    folder = Path(tempfile.mkdtemp(prefix="bwm-"))
    try:
        with RegtestNode(folder / "node", bitcoind=bitcoind, **options) as node:
            node.mine(110)
            bwm = Bwm(folder / "bwm", node, settings=settings)
            bwm.start()
            try:
                yield Stage(node, bwm)
            finally:
                bwm.kill()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
