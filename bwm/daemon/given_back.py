"""Coins that a reorg gives back to who had them watched only after their spend: nobody knew them until now.

An input does not say whose coin it spends, and a coin that was spent when its script was registered is among the
unspent ones of no search. The blocks that left the chain tell of it: the node keeps what each of them spent.
"""

from collections.abc import Callable

import structlog

from bwm.chain.block import BlockRef
from bwm.db import watches
from bwm.errors import BlockUnavailable, NodeForbidden, NodeRefused
from bwm.node.answers import Coin
from bwm.node.bitcoind import Bitcoind
from bwm.watch.watch import Watch, What

log = structlog.get_logger()


def given_back(node: Bitcoind, top: BlockRef, fork_height: int, breathe: Callable[[], object]) -> tuple[Watch, ...]:
    """The coins of watched scripts that the stale blocks from ``top`` down to above ``fork_height`` spent.

    Only blocks are read that somebody's registration stands on: what later ones spend was watched before. What these
    blocks made themselves is gone with them. ``breathe`` is called before each block. Raises NodeDown.
    """
    newest = watches.last_registration() if top.height > fork_height else None
    if newest is None or newest <= fork_height:
        return ()
    spent: dict[bytes, Coin] = {}
    at = top
    while at.height > fork_height:
        breathe()
        header = node.block_header(at.hash)
        if header is None or header.previous is None:
            break  # another node's: nothing is known of it
        if at.height <= newest:
            spent |= _spent(node, at)
        at = BlockRef(at.height - 1, header.previous)
    return _of_watched_scripts({key: coin for key, coin in spent.items() if (coin.height or 0) <= fork_height})


def _spent(node: Bitcoind, block: BlockRef) -> dict[bytes, Coin]:
    try:
        return node.coins_spent(block.hash)
    except (BlockUnavailable, NodeForbidden, NodeRefused) as error:
        log.warning("chain.given_back_unknown", height=block.height, hash=block.hash, error=str(error))
        return {}


def _of_watched_scripts(coins: dict[bytes, Coin]) -> tuple[Watch, ...]:
    """The same as watches, but for those that are watched already."""
    owners: dict[bytes, list[Watch]] = {}
    for watch in watches.by_keys(list({coin.script for coin in coins.values()})):
        if watch.what is What.SCRIPT:
            owners.setdefault(watch.key, []).append(watch)
    ours = {key: coin for key, coin in coins.items() if coin.script in owners}
    known = {(watch.key, watch.trigger.id) for watch in watches.by_keys(list(ours))}
    return tuple(
        Watch(owner.trigger, What.COIN, key, coin.sats)
        for key, coin in ours.items()
        for owner in owners[coin.script]
        if (key, owner.trigger.id) not in known
    )
