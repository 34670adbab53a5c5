"""What the node knows of new triggers, beside owners who change their mind while it is asked."""

from types import SimpleNamespace

from bwm.chain.block import BlockRef
from bwm.daemon.rewind.look_up import LookUp
from bwm.db import backlog, cursor, rewind, rewind_import, schema, vaults
from bwm.db.rewind import Device, Quota, Registration
from bwm.severity import Severity

NOW = 1_700_000_000
TIP = BlockRef(10, "aa" * 32)
TXID = "ab" * 32


class NodeMeanwhile:
    """Has an index, and answers what its transactions are after something has happened."""

    def __init__(self, deed) -> None:
        self._deed = deed

    def tip(self) -> BlockRef:
        return TIP

    def has_txindex(self) -> bool:
        return True

    def transactions(self, txids):
        self._deed()
        return {txid: SimpleNamespace(confirmations=3) for txid in txids}


def test_a_vault_that_is_removed_while_the_node_is_asked_ends_nothing(database):
    registration = Registration("wallet", 1, (TXID,))
    with database.transaction():
        cursor.move(TIP)
        device = Device("token", b"sealed", "uuid", "wallet", "tower", "en")
        rewind.register("regtest", device, [registration], Quota(10, 10), Severity.EMERGENCY, NOW)
    [vault] = schema.Vault.select()

    def remove() -> None:
        with database.transaction():
            vaults.remove(vault.name)

    assert LookUp(NodeMeanwhile(remove), database).turn()
    assert backlog.waiting(1) == ([], 0)


def test_a_reorg_before_an_import_is_watched_has_it_read_from_below(database):
    imported = rewind_import.Imported("wallet", (TXID,), (), False, None, ())
    with database.transaction():
        cursor.move(TIP)
        rewind_import.take_over("regtest", [imported], TIP, TIP.height + 1, Severity.EMERGENCY, NOW)
        backlog.take_up(TIP.height, dict.fromkeys(backlog.newcomers(), 8))
    assert backlog.next_stretch(100) == (9, 108)
