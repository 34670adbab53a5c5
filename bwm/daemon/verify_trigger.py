"""Whether what a response answers to still stands: asked of the node anew, never taken from the journal alone."""

from collections.abc import Collection

from bwm.db import cursor, sightings, watches
from bwm.errors import NodeRefused
from bwm.node.bitcoind import Bitcoind
from bwm.watch.sighting import AWAY, Sighting
from bwm.watch.watch import Family, What


def stands(node: Bitcoind, vault: str | None, txid: str, own: Collection[str]) -> bool | None:
    """Whether the trigger's transaction, or another that moves the vault's coins, is in the mempool or the chain.

    ``own``: txids of the response itself, which moves them too. None when it cannot be told now: a node without an
    index finds a mined transaction only by its block, and a block that was not read yet may hold it; and one that was
    just started reads its mempool from disk for a while. Raises NodeError.
    """
    tip = node.tip()
    if node.transaction(txid) is not None:
        return True
    of_vault = [one for one in sightings.of_vault(vault) if one.family is Family.TRIGGER] if vault else []
    known = [*sightings.by_txids([txid]), *of_vault]
    if any(_is_there(node, one) for one in known if one.txid not in own and one.status not in AWAY):
        return True
    if any(spender not in own for spender in node.spent_in_mempool(_coins_taken(vault, txid)).values()):
        return True  # by one that was not seen so far
    return False if node.mempool_is_loaded() and tip == cursor.at() == node.tip() else None


def _coins_taken(vault: str | None, txid: str) -> list[bytes]:
    """Those of the vault that a transaction spends."""
    tx = sightings.transactions([txid]).get(txid)
    watched = watches.by_keys([item.spends for item in tx.inputs]) if tx else ()
    return [watch.key for watch in watched if watch.what is What.COIN and watch.trigger.vault == vault]


def _is_there(node: Bitcoind, sighting: Sighting) -> bool:
    if sighting.block is None:
        return node.transaction(sighting.txid) is not None
    try:
        found = node.transaction(sighting.txid, sighting.block.hash)
    except NodeRefused:  # the node never saw that block
        return False
    return found is not None and found.in_active_chain is not False
