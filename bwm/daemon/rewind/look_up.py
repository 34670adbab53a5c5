"""Triggers that were on the chain before their wallet registered them: looked for once, then read like any past."""

from collections.abc import Sequence

from bwm.chain.outpoint import outpoint_key, txid_text
from bwm.daemon.loop import Loop
from bwm.db import rewind_push, settings, vaults
from bwm.db.database import Database
from bwm.errors import DatabaseUnwritable, NodeError, NodeForbidden
from bwm.node.bitcoind import Bitcoind

_EVERY_S = 0.5
_VAULTS_AT_ONCE = 500
_PROBED = 2  # outputs that are looked for, of a transaction that a node without txindex cannot show


class LookUp(Loop):
    """Asks the node what it knows of new triggers, so that registering itself never waits for the node."""

    def __init__(self, node: Bitcoind, database: Database) -> None:
        super().__init__("rewind look-up")
        self._node = node
        self._database = database

    def _work(self) -> None:
        with self._database.connection():
            self._take_turns(self.turn, _EVERY_S)

    def turn(self) -> bool:
        """Ask for some; False when there is nothing to ask, or nobody to be asked."""
        try:
            with self._database.passing_trouble():
                return self._check_some()
        except (NodeError, DatabaseUnwritable):
            return False  # whoever reads the chain says so; it is tried again

    def _check_some(self) -> bool:
        asked = rewind_push.unchecked(_VAULTS_AT_ONCE)
        if not asked:
            return False
        wanted = rewind_push.unsighted_txids([one.vault_id for one in asked])
        heights = self._heights(list(wanted))
        first: dict[int, int] = {}
        for txid, height in heights.items():
            for vault_id in wanted[txid]:
                first[vault_id] = min(height, first.get(vault_id, height))
        with self._database.transaction():
            for vault_id in vaults.still_there(first):  # somebody may have removed one while the node was asked
                vaults.order_reading(first[vault_id], vault_id=vault_id)
            if first:
                settings.next_generation(stays=True)
            rewind_push.checked(asked)
        return True

    def _heights(self, txids: Sequence[str]) -> dict[str, int]:
        """Where those that are mined were mined, as far as the node can tell."""
        if not txids:
            return {}
        tip = self._node.tip()
        if self._has_txindex():
            found = self._node.transactions(txids).items()
            return {txid: tip.height - tx.confirmations + 1 for txid, tx in found if tx.confirmations > 0}
        probes = [outpoint_key(txid, vout) for txid in txids for vout in range(_PROBED)]
        coins = self._node.coins(probes, include_mempool=False).items()
        return {txid_text(key[:32]): coin.height for key, coin in coins if coin.height is not None}

    def _has_txindex(self) -> bool:
        try:
            return self._node.has_txindex()
        except NodeForbidden:
            return True  # not allowed to know: ask it for every transaction
