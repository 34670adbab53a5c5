"""The scriptPubKeys of the coins that a transaction spends, asked of the node. No txindex is needed."""

from collections.abc import Container, Iterable

from bwm.chain.outpoint import txid_text
from bwm.chain.tx import Tx, parse_tx
from bwm.db import guardians, watches
from bwm.errors import BlockUnavailable, NodeRefused
from bwm.guardian.grammar import Payload, parse_script
from bwm.node.bitcoind import Bitcoind
from bwm.watch.scan import Found
from bwm.watch.watch import Watch, What

_FEW = 20  # transactions of a block that the node is asked of one by one: for each it reads the whole block


class Speaking:
    """The transactions of a pool that carry a valid signal, of whatever guardian, and the coins that they spend."""

    def __init__(self, suspects: Iterable[Tx], node: Bitcoind, block_hash: str | None) -> None:
        """``block_hash``: of the block that the pool is. Asks the node nothing when there is no guardian."""
        self._triggers = guardians.triggers() if (speaking := [tx for tx in suspects if _is_signal(tx)]) else {}
        self._txs = speaking if self._triggers else []
        self.txids = frozenset(tx.txid for tx in self._txs)
        self.spent_scripts: dict[bytes, bytes | None] = {}
        if block_hash is not None and len(self._txs) > _FEW:
            self.spent_scripts = _spent_in(node, self._txs, block_hash)
            return
        for tx in self._txs:
            self.spent_scripts.update(spent_scripts(node, tx, block_hash))

    def unknown_coins(self, only: Container[int] | None) -> list[Watch]:
        """Coins of guardians among those spent that nobody watches yet; with ``only``, of triggers of these ids."""
        ours = {key: self._triggers[script] for key, script in self.spent_scripts.items() if script in self._triggers}
        known = {(watch.key, watch.trigger.id) for watch in watches.by_keys(list(ours))}
        return [
            Watch(trigger, What.COIN, key)
            for key, triggers in ours.items()
            for trigger in triggers
            if (key, trigger.id) not in known and (only is None or trigger.id in only)
        ]

    def unresolved(self, found: Found) -> tuple[Tx, ...]:
        """Those of which nobody can tell yet whether a guardian signed them. ``found``: what is known otherwise."""
        signed = {tx.txid for tx, matches in found for match in matches if match.trigger.guardian and match.spent}
        return tuple(
            tx
            for tx in self._txs
            if tx.txid not in signed and any(self.spent_scripts.get(item.spends, b"") is None for item in tx.inputs)
        )


def _is_signal(tx: Tx) -> bool:
    return any(isinstance(parse_script(output.script), Payload) for output in tx.outputs)


def spent_scripts(node: Bitcoind, tx: Tx, block_hash: str | None) -> dict[bytes, bytes | None]:
    """By outpoint key; None for a coin that the node cannot show now. ``block_hash``: where ``tx`` is mined."""
    if tx.is_coinbase:
        return {}
    if block_hash is not None:
        try:
            prevouts = node.prevouts(block_hash, tx.txid)
        except (BlockUnavailable, NodeRefused):
            return {item.spends: None for item in tx.inputs}
        return {item.spends: output.script for item, output in zip(tx.inputs, prevouts, strict=True)}
    return _unmined(node, tx)


def _spent_in(node: Bitcoind, txs: Iterable[Tx], block_hash: str) -> dict[bytes, bytes | None]:
    """The same of many transactions of a block, asked in one question: anybody can fill a block with signals."""
    try:
        coins = node.coins_spent(block_hash)
    except (BlockUnavailable, NodeRefused):
        coins = {}
    spends = [item.spends for tx in txs if not tx.is_coinbase for item in tx.inputs]
    return {key: coins[key].script if key in coins else None for key in spends}


def _unmined(node: Bitcoind, tx: Tx) -> dict[bytes, bytes | None]:
    """Coins of the chain by gettxout without the mempool (which has them spent, by this very transaction), and
    coins of unconfirmed parents by the parents themselves."""
    spends = [item.spends for item in tx.inputs]
    coins = node.coins(spends, include_mempool=False)
    found: dict[bytes, bytes | None] = {key: coins[key].script if key in coins else None for key in spends}
    parents = {txid_text(key[:32]) for key, script in found.items() if script is None}
    for txid, raw in node.raw_transactions(parents).items():
        outputs = parse_tx(raw).outputs
        for key in spends:
            vout = int.from_bytes(key[32:], "little")
            if txid_text(key[:32]) == txid and vout < len(outputs):
                found[key] = outputs[vout].script
    return found
