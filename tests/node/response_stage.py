"""What the tests of responses share: a vault that can be robbed, and a bwm that holds its way out."""

import time
from pathlib import Path
from typing import Any

from bwm.config import load
from bwm.db import decisions, journal
from bwm.db.database import Database
from bwm.policy.decision import Decision, Wish
from bwm.policy.guard import Guard
from regtest.daemon import Bwm
from regtest.node import RegtestNode, btc
from tests.vault_signer import Built, Key, TimelockedVault

SATS = 5_000_000


def fund(node: RegtestNode, sats: int = SATS, delay: int = 10) -> TimelockedVault:
    """A vault whose deposit is confirmed."""
    key = Key()
    vault = TimelockedVault(node.pay(key.address, sats), sats, key, delay)
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
    """Register the vault by its unvault's txid and its deposit, with its ladder."""
    bwm("add-vault", name, "--txid", vault.unvault.txid, "--outpoint", vault.deposit.outpoint)
    parent = write(bwm.home, [vault.unvault], "--parent")
    bwm("add-response", name, "safe", *write(bwm.home, steps), *parent, *options)


def by_hand(bwm: Bwm, name: str = "cold/safe") -> None:
    """A person sends a response."""
    bwm("broadcast", name, stdin=f"{name.partition('/')[0]}\n")


def decide(bwm: Bwm, event: dict[str, Any], target: str = "safe", guard: Guard | None = None, delay_s: int = 0) -> None:
    """What a policy writes down: its decision on an event of the journal, with the order for a response."""
    settings = load(bwm.config)
    database = Database(settings.database_url, settings.network)
    with database.connection(), database.transaction():
        about = journal.get(event["seq"])
        wish = Wish(0, "respond", target, guard=guard, delay_s=delay_s)
        decided = Decision("theft", "1", about, "coins of the vault move", about.vault, wishes=(wish,))
        decisions.put([decided], {about.key: event["seq"]}, settings.network, int(time.time()))


def fill_mempool(node: RegtestNode, feerate: int, count: int = 40) -> None:
    """Others' transactions that pay this feerate (sat/vB), each spending a coin of its own."""
    coins = [coin for coin in node.rpc("listunspent", 1, wallet="crowd") if coin["spendable"]][:count]
    assert len(coins) == count
    for coin in coins:
        node.spend(f"{coin['txid']}:{coin['vout']}", node.new_address(wallet="crowd"), feerate, wallet="crowd")


def make_crowd(node: RegtestNode, count: int) -> None:
    """Coins for the mempool's others."""
    paid = {node.new_address(wallet="crowd"): btc(200_000) for _ in range(count)}
    node.rpc("sendmany", "", paid, wallet="miner", fee_rate=20)
    node.mine()
