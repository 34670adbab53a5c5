"""What the tests of responses share: a vault that can be robbed, and a bwm that holds its way out."""

import subprocess
import time
from pathlib import Path
from typing import Any

from bwm.config import load
from bwm.db import decisions, journal
from bwm.db.database import Database
from bwm.policy.decision import Decision, Wish
from bwm.policy.guard import Guard
from regtest.daemon import Bwm
from regtest.node import FEERATE, RegtestNode
from tests.vault_signer import Built, Key, Spend, TimelockedVault, build

SATS = 5_000_000


def fund(node: RegtestNode, sats: int = SATS, delay: int = 10, safe: Key | None = None) -> TimelockedVault:
    """A vault whose deposit is confirmed."""
    key = Key()
    vault = TimelockedVault(node.pay(key.address, sats), sats, key, delay, safe)
    node.mine()
    return vault


def allow(*vaults: TimelockedVault) -> str:
    """The settings under which responses of these vaults may pay to safety."""
    addresses = ", ".join(f'"{vault.safe.address}"' for vault in vaults)
    return f"\n[responses]\nallow = [{addresses}]\n"


def write(folder: Path, txs: list[Built], option: str = "--tx") -> list[str]:
    """Each transaction in a file of its own, as options."""
    words = []
    for tx in txs:
        file = folder / f"{tx.txid}.hex"
        file.write_text(f"{tx.hex}\n")
        words += [option, str(file)]
    return words


def protect(bwm: Bwm, vault: TimelockedVault, steps: list[Built], *options: str, name: str = "cold") -> None:
    """Register the vault by its unvault's txid and its deposit, with its ladder, and arm that."""
    bwm("add-vault", name, "--txid", vault.unvault.txid, "--outpoint", vault.deposit.outpoint)
    parent = write(bwm.home, [vault.unvault], "--parent")
    bwm("add-response", name, "safe", *write(bwm.home, steps), *parent, *options)
    bwm("arm", f"{name}/safe")


def by_hand(bwm: Bwm, name: str = "cold/safe") -> None:
    """A person sends a response."""
    bwm("broadcast", name, stdin=f"{name.partition('/')[0]}\n")


def decide(bwm: Bwm, event: dict[str, Any], **order: Any) -> None:
    """What a policy writes down: its decision on an event of the journal, with the order for a response."""
    settings = load(bwm.config)
    database = Database(settings.database_url, settings.network)
    with database.connection():
        write_decision(database, event["seq"], **order)


def write_decision(
    database: Database, seq: int, *, target: str = "safe", guard: Guard | None = None, delay_s: int = 0
) -> None:
    """The same in an open database."""
    about = journal.get(seq)
    wish = Wish(0, "respond", target, guard=guard, delay_s=delay_s)
    decided = Decision("theft", "1", about, "coins of the vault move", about.vault, wishes=(wish,))
    with database.transaction():
        decisions.put([decided], {about.key: seq}, database.network, int(time.time()))


def known_options(bitcoind: Path, *options: str) -> list[str]:
    """Those of the options that this node has: Knots has some that Core does without."""
    known = subprocess.run([bitcoind, "-help"], capture_output=True, text=True, check=True).stdout
    return [option for option in options if option.partition("=")[0] in known]


def small_blocks(bitcoind: Path) -> list[str]:
    """Options for blocks with room for a thousand vbytes, given to whoever pays the most."""
    by_fee_alone = known_options(bitcoind, "-blockprioritysize=0")
    return ["-blockreservedweight=4000", "-blockmaxweight=8000", *by_fee_alone]


class Crowd:
    """Others who pay fees too: each of their transactions is small, and spends a confirmed coin of its own."""

    _SATS = 50_000

    def __init__(self, node: RegtestNode, coins: int) -> None:
        self._node, self._key = node, Key()
        change = 10_000
        sats = coins * (self._SATS + 40 * FEERATE)
        source = Spend(node.pay(self._key.address, sats + change), sats + change, self._key)
        node.mine()
        fan = build([source], [(self._SATS, self._key.script)] * coins)
        node.mine_exactly([fan.hex])
        self._coins = [f"{fan.txid}:{vout}" for vout in range(coins)]

    def pay(self, count: int, feerate: int) -> None:
        """So many transactions at this feerate (sat/vB)."""
        for _ in range(count):
            coin = Spend(self._coins.pop(), self._SATS, self._key)
            fee = 111 * feerate
            self._node.send(build([coin], [(self._SATS - fee, self._key.script)]).hex)

    def make_history(self, feerate: int) -> None:
        """Blocks in which this was paid, so that the node can estimate what is asked."""
        miner = self._node.new_address(wallet="miner")
        for _ in range(8):
            self.pay(5, feerate)
            self._node.mine(1, miner)
        assert "feerate" in self._node.rpc("estimatesmartfee", 3, "economical")
