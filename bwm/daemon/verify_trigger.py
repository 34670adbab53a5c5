"""Whether what a response answers to still stands: asked of the node anew, never taken from the journal alone."""

from collections.abc import Collection

from bwm.db import sightings
from bwm.errors import NodeRefused
from bwm.node.bitcoind import Bitcoind
from bwm.watch.sighting import AWAY, Sighting
from bwm.watch.watch import Family


def stands(node: Bitcoind, vault: str | None, txid: str, own: Collection[str]) -> bool:
    """Whether the trigger's transaction, or another that moves the vault's coins, is in the mempool or the chain.

    ``own``: txids of the response itself, which moves them too.
    """
    if node.transaction(txid) is not None:
        return True
    of_vault = [one for one in sightings.of_vault(vault) if one.family is Family.TRIGGER] if vault else []
    known = [*sightings.by_txids([txid]), *of_vault]
    return any(_is_there(node, one) for one in known if one.txid not in own and one.status not in AWAY)


def _is_there(node: Bitcoind, sighting: Sighting) -> bool:
    if sighting.block is None:
        return node.transaction(sighting.txid) is not None
    try:
        found = node.transaction(sighting.txid, sighting.block.hash)
    except NodeRefused:  # the node never saw that block
        return False
    return found is not None and found.in_active_chain is not False
