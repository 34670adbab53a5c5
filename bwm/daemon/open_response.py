"""Stored responses opened, and what the node knows of the coins that they spend."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from bwm.chain.outpoint import outpoint_key, txid_text
from bwm.chain.tx import Output, Tx, parse_tx
from bwm.config import Config
from bwm.db.responses import StoredResponse, StoredStep
from bwm.node.bitcoind import Bitcoind
from bwm.response.check import fee_of, vsize_of
from bwm.seal import CannotOpen, Sealer, key_of


@dataclass(frozen=True, slots=True)
class OpenStep:
    """One transaction of a ladder with its bytes, and the child that pays for it, if any."""

    stored: StoredStep
    tx: Tx = field(repr=False)
    child: Tx | None = field(repr=False)

    @property
    def txs(self) -> tuple[Tx, ...]:
        """Parent and child, or the one."""
        return (self.tx, self.child) if self.child else (self.tx,)


def sealer_of(config: Config, *, make: bool = False) -> Sealer | None:
    """What seals and opens; None while there is no key. ``make``: a new one where there is none."""
    key = config.sealing_key or key_of(config.state_dir, make=make)
    return Sealer(key) if key else None


def seal_step(sealer: Sealer, network: str, raw: bytes, child: bytes | None, txid: str) -> bytes:
    """The bytes of one step, for storing."""
    text = json.dumps({"tx": raw.hex(), "child": child.hex() if child else None})
    return sealer.seal(text.encode(), f"response {network} {txid}")


def open_steps(sealer: Sealer | None, network: str, response: StoredResponse) -> list[OpenStep]:
    """The transactions of a response; none when there is no key, or another one."""
    if sealer is None:
        return []
    try:
        return [_open(sealer, network, step) for step in response.steps]
    except CannotOpen:
        return []


def _open(sealer: Sealer, network: str, step: StoredStep) -> OpenStep:
    content = json.loads(sealer.open(step.sealed, f"response {network} {step.txid}"))
    child = parse_tx(bytes.fromhex(content["child"])) if content["child"] else None
    return OpenStep(step, parse_tx(bytes.fromhex(content["tx"])), child)


@dataclass(frozen=True, slots=True)
class Coins:
    """The coins that some transactions spend."""

    known: Mapping[bytes, Output]  # all of which amount and script are known
    present: frozenset[bytes]  # unspent in the chain, or made in the mempool
    spent_by: Mapping[bytes, str]  # in the mempool: txids


def look_up_coins(node: Bitcoind, txs: Sequence[Tx], remembered: Mapping[bytes, Output]) -> Coins:
    """Ask the node for all that the transactions spend. ``remembered``: of coins that may be spent by now."""
    made = {outpoint_key(tx.txid, vout): output for tx in txs for vout, output in enumerate(tx.outputs)}
    wanted = list(dict.fromkeys(item.spends for tx in txs for item in tx.inputs if item.spends not in made))
    chain = {key: Output(coin.sats, coin.script) for key, coin in node.coins(wanted, include_mempool=False).items()}
    unmined = _made_in_mempool(node, [key for key in wanted if key not in chain])
    return Coins(
        known={**remembered, **made, **chain, **unmined},
        present=frozenset({*chain, *unmined}),
        spent_by=node.spent_in_mempool(wanted),
    )


def _made_in_mempool(node: Bitcoind, coins: Iterable[bytes]) -> dict[bytes, Output]:
    coins = list(coins)
    parents = {
        txid: parse_tx(raw).outputs
        for txid, raw in node.raw_transactions({txid_text(key[:32]) for key in coins}).items()
    }
    found = {}
    for key in coins:
        outputs, vout = parents.get(txid_text(key[:32]), ()), int.from_bytes(key[32:], "little")
        if vout < len(outputs):
            found[key] = outputs[vout]
    return found


def priced(step: OpenStep, coins: Mapping[bytes, Output]) -> OpenStep:
    """The step with what is known of its coins now, and so of its fee."""
    fees = [fee_of(tx, coins) for tx in step.txs]
    known = {item.spends: coins[item.spends] for tx in step.txs[:1] for item in tx.inputs if item.spends in coins}
    if None in fees:
        return replace(step, stored=replace(step.stored, coins=known))
    fee = sum(each for each in fees if each is not None)
    vsize = sum(vsize_of(tx) for tx in step.txs)
    return replace(step, stored=replace(step.stored, coins=known, fee=fee, feerate=fee * 1000 // vsize))
