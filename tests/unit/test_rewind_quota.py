"""How much one device may register, and all of them together: whatever takes room is counted."""

import pytest

from bwm.chain.block import BlockRef
from bwm.db import cursor, rewind, schema
from bwm.db.rewind import MOST_OF_TXID, MOST_OF_VAULT, Device, Quota, Registration, TooMuch
from bwm.severity import Severity

NOW = 1_700_000_000


@pytest.fixture(autouse=True)
def chain(database):
    with database.transaction():
        cursor.move(BlockRef(10, "aa" * 32))


def register(database, device: str, quota: Quota, *wallet_ids: str, txids: tuple[str, ...] = ()) -> None:
    """In a transaction of its own, as the server does."""
    with database.transaction():
        registrations = [Registration(wallet_id, 1, txids) for wallet_id in wallet_ids]
        who = Device(device, b"sealed", "uuid", "wallet", "tower", "en")
        rewind.register("regtest", who, registrations, quota, Severity.EMERGENCY, NOW)


def test_x13_vaults_without_transactions_count_for_their_device(database):
    quota = Quota(triggers_of_device=5, triggers=1000)
    register(database, "greedy", quota, *(f"v{number}" for number in range(5)))

    with pytest.raises(TooMuch):
        register(database, "greedy", quota, "one-more")

    register(database, "greedy", quota, "v0")  # what it has it keeps
    register(database, "another", quota, "w0")
    assert schema.Vault.select().count() == 6


def test_x13_vaults_without_transactions_fill_a_watchtower_as_others_do(database):
    quota = Quota(triggers_of_device=5, triggers=8)
    for number in range(8):
        register(database, f"device {number}", quota, f"v{number}")

    with pytest.raises(TooMuch):
        register(database, "a new one", quota, "one-more")

    assert schema.Vault.select().count() == 8


def test_x13_one_vault_has_no_more_devices_than_a_watchtower_has_room(database):
    quota = Quota(triggers_of_device=5, triggers=8)
    for number in range(8):
        register(database, f"device {number}", quota, "v")

    with pytest.raises(TooMuch):
        register(database, "a new one", quota, "v")

    register(database, "device 0", quota, "v")
    assert schema.RewindDevice.select().count() == 8


def test_x13_one_transaction_is_waited_for_by_no_more_than_can_be_told_at_once(database):
    quota = Quota(triggers_of_device=10_000, triggers=10_000)
    register(database, "greedy", quota, *(f"v{number}" for number in range(MOST_OF_TXID)), txids=("ab" * 32,))

    with pytest.raises(TooMuch):
        register(database, "another", quota, "one-more", txids=("ab" * 32,))

    register(database, "another", quota, "other", txids=("cd" * 32,))
    register(database, "greedy", quota, "v0", txids=("ab" * 32,))


def test_x13_one_vault_is_of_no_more_devices_than_can_be_told_at_once(database):
    quota = Quota(triggers_of_device=10_000, triggers=10_000)
    for number in range(MOST_OF_VAULT):
        register(database, f"device {number}", quota, "v", txids=("ab" * 32,))

    with pytest.raises(TooMuch):
        register(database, "one more", quota, "v", txids=("ab" * 32,))

    assert schema.RewindDevice.select().count() == MOST_OF_VAULT
