"""From a wallet's registration to its acknowledgement, on a real chain and against a push service that looks hard."""

import time

from regtest.node import wait_until
from tests.api.wallet import vault

FIELDS = [
    "vaultId",
    "walletUUID",
    "walletName",
    "vaultNumber",
    "watchtowerId",
    "txid",
    "attemptCount",
    "firstDetectedAt",
    "networkId",
]


def detected(tower, txid):
    return tower.bwm.wait_for_event("trigger.seen", txid=txid)


def test_a_trigger_from_broadcast_to_acknowledgement(tower):
    wallet = tower.wallet(name="Mañana $& {since}", locale="es-MX")
    txid, raw = tower.signed_trigger()
    one = vault(txid, number=7)
    assert wallet.register(one).status == 200
    assert wallet.notifications() == []
    wait_until(lambda: not tower.bwm.rows("SELECT 1 FROM backlog"), "the daemon's taking it up")
    began = time.time()

    tower.node.send(raw)

    [push] = tower.expo.wait_for(wallet.token, limit_s=5)
    took_s = tower.expo.arrived_at[tower.expo.pushes.index(push)] - began
    assert took_s < 2
    wait_until(lambda: [each["attemptCount"] for each in wallet.notifications()] == [1], "the record of it")
    [item] = wallet.notifications()
    assert list(item) == FIELDS
    assert item == push["data"]
    assert item == {
        "vaultId": one["vaultId"],
        "walletUUID": wallet.uuid,
        "walletName": wallet.name,
        "vaultNumber": 7,
        "watchtowerId": wallet.base,
        "txid": txid,
        "attemptCount": 1,
        "firstDetectedAt": item["firstDetectedAt"],
        "networkId": "regtest",
    }
    assert isinstance(item["firstDetectedAt"], int)
    assert abs(item["firstDetectedAt"] - began) < 5
    assert "seguridad" in push["title"]
    assert f"'{wallet.name}', bóveda #7, ahora mismo" in push["body"]

    tower.node.mine(3)
    tower.bwm.wait_for_event("trigger.confirmed", txid=txid)
    tower.node.reorg(3, txs=())  # back into the mempool
    tower.bwm.wait_for_event("trigger.reorged", txid=txid)
    assert [each["txid"] for each in wallet.notifications()] == [txid]
    tower.node.mine(8)
    tower.bwm.wait_for_event("trigger.final", txid=txid)
    assert [each["txid"] for each in wallet.notifications()] == [txid]
    assert len(tower.expo.to(wallet.token)) == 1

    assert wallet.ack(one["vaultId"]).body == b"OK"
    assert wallet.notifications() == []
    assert wallet.ack(one["vaultId"]).status == 200


def test_a_trigger_that_vanished_is_told_anew_when_it_comes_back(tower):
    wallet, node = tower.wallet(), tower.node
    coin = node.pay(node.new_address(), 1_000_000)
    node.mine()
    thief = node.new_address(wallet="thief")
    raw = node.signed_spend(coin, thief)
    txid = node.rpc("decoderawtransaction", raw)["txid"]
    one = vault(txid)
    wallet.register(one)
    node.send(raw)
    [first] = tower.expo.wait_for(wallet.token)

    rival = node.spend(coin, node.new_address(wallet="thief"), feerate=100)
    tower.bwm.wait_for_event("trigger.replaced", txid=txid)
    wait_until(lambda: wallet.notifications() == [], "the empty list")
    higher = node.signed_spend(coin, thief, feerate=400)
    again = node.rpc("decoderawtransaction", higher)["txid"]
    wallet.register(vault(again, name=one["vaultId"]))
    node.send(higher)

    _, second = tower.expo.wait_for(wallet.token, 2)
    assert rival not in (first["data"]["txid"], second["data"]["txid"])
    assert (second["data"]["txid"], second["data"]["attemptCount"]) == (again, 1)
    assert second["data"]["firstDetectedAt"] >= first["data"]["firstDetectedAt"]
    assert [item["txid"] for item in wallet.notifications()] == [again]


def test_an_acknowledgement_ahead_silences_that_device_only(tower):
    owner, other = tower.wallet(), tower.wallet()
    txid, raw = tower.signed_trigger()
    one = vault(txid)
    owner.register(one)
    other.register(one)

    assert owner.ack(one["vaultId"]).status == 200
    tower.node.send(raw)

    tower.expo.wait_for(other.token)
    assert [item["txid"] for item in other.notifications()] == [txid]
    assert owner.notifications() == []
    assert tower.expo.to(owner.token) == []


def test_a_device_that_comes_after_the_fact_gets_its_own_first_alert(tower):
    first, second = tower.wallet(), tower.wallet(name="The same, elsewhere")
    txid, raw = tower.signed_trigger()
    one = vault(txid)
    first.register(one)
    tower.node.send(raw)
    tower.expo.wait_for(first.token)
    tower.node.mine()
    time.sleep(1.1)  # so that its time of detection can be told from the first one's

    second.register(vault(txid, name=one["vaultId"], number=3))

    [push] = tower.expo.wait_for(second.token)
    assert (push["data"]["attemptCount"], push["data"]["vaultNumber"]) == (1, 3)
    assert push["data"]["firstDetectedAt"] > tower.expo.to(first.token)[0]["data"]["firstDetectedAt"]
    assert len(tower.expo.to(first.token)) == 1


def test_a_trigger_that_was_mined_before_its_vault_was_registered_is_told(tower):
    txid, raw = tower.signed_trigger()
    tower.node.send(raw)
    tower.node.mine(6)
    wallet = tower.wallet()

    wallet.register(vault(txid.upper()))

    [push] = tower.expo.wait_for(wallet.token)
    assert push["data"]["txid"] == txid


def test_a_trigger_that_was_in_the_mempool_before_is_told(tower):
    txid, raw = tower.signed_trigger()
    tower.node.send(raw)
    wallet = tower.wallet()

    wallet.register(vault(txid))

    assert tower.expo.wait_for(wallet.token)[0]["data"]["txid"] == txid


def test_what_is_registered_again_is_merged(tower):
    wallet = tower.wallet(name="Old")
    old, _ = tower.signed_trigger()
    new, raw = tower.signed_trigger()
    one = vault(old)
    wallet.register(one)

    wallet.name = "New"
    wallet.register(vault(old, new, name=one["vaultId"], number=9))
    tower.node.send(raw)

    [push] = tower.expo.wait_for(wallet.token)
    assert (push["data"]["txid"], push["data"]["walletName"], push["data"]["vaultNumber"]) == (new, "New", 9)


def test_the_same_txid_in_two_vaults_is_told_to_both(tower):
    victim, stranger = tower.wallet(), tower.wallet()
    txid, raw = tower.signed_trigger()
    stranger.register(vault(txid))
    victim.register(vault(txid))

    tower.node.send(raw)

    tower.expo.wait_for(victim.token)
    tower.expo.wait_for(stranger.token)


def test_two_triggers_of_a_vault_are_two_items_with_numbers_of_their_own(tower):
    wallet = tower.wallet()
    (one, first), (two, second) = tower.signed_trigger(), tower.signed_trigger()
    wallet.register(vault(one, two))

    tower.node.send(first)
    tower.expo.wait_for(wallet.token)
    tower.node.send(second)

    pushes = tower.expo.wait_for(wallet.token, 2)
    assert [(push["data"]["txid"], push["data"]["attemptCount"]) for push in pushes] == [(one, 1), (two, 2)]
    assert sorted(item["txid"] for item in wallet.notifications()) == sorted([one, two])


def test_an_acknowledged_decoy_does_not_silence_the_theft_that_follows(tower):
    victim, thief, node = tower.wallet(), tower.wallet(), tower.node
    coin = node.pay(node.new_address(), 1_000_000)
    decoy, decoy_raw = tower.signed_trigger()
    node.send(decoy_raw)
    node.mine()
    theft = [node.signed_spend(coin, node.new_address(wallet="thief"), feerate=feerate) for feerate in (10, 100)]
    first, second = (node.rpc("decoderawtransaction", raw)["txid"] for raw in theft)
    one = vault(first, second)
    victim.register(one)
    thief.register(vault(decoy, name=one["vaultId"]))  # a thief who has copied the wallet knows what it calls its vault
    assert tower.expo.wait_for(victim.token)[0]["data"]["txid"] == decoy
    assert victim.ack(one["vaultId"]).status == 200

    node.send(theft[0])

    assert tower.expo.wait_for(victim.token, 2)[1]["data"]["txid"] == first
    assert victim.ack(one["vaultId"]).status == 200
    node.send(theft[1])  # takes the place of the first, and is the same incident
    tower.bwm.wait_for_event("trigger.replaced", txid=first)
    wait_until(lambda: tower.bwm.rows("SELECT 1 FROM rewind_push WHERE txid = ?", second), "the look at the second")
    assert victim.notifications() == []
    assert len(tower.expo.to(victim.token)) == 2


def test_a_wallet_of_thirty_old_vaults_registers_in_one_request(tower):
    wallet = tower.wallet()
    txid, raw = tower.signed_trigger()
    vaults = [
        vault(*(f"{number:02x}{each:02x}{'ab' * 30}" for each in range(80)), number=number, commitment="00" * 3000)
        for number in range(1, 31)
    ]
    vaults[29]["triggerTxIds"].append(txid)

    assert wallet.register(*vaults).status == 200
    tower.node.send(raw)

    [push] = tower.expo.wait_for(wallet.token, limit_s=5)
    assert (push["data"]["vaultNumber"], push["data"]["txid"]) == (30, txid)
