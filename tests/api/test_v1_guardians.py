"""Guardians taken on and given up over HTTP, as at the machine."""

import sqlite3
from contextlib import closing

import pytest

from regtest.node import wait_until
from tests.api.calls import assert_problem, pages, vault_name
from tests.guardian_signer import Signer, fund

TXID = "cd" * 32


@pytest.fixture(scope="module")
def cast(tower):
    """Guardians whose unlock 1 is final, each with a coin left: ``[alice, bob] = cast(2)``."""

    def make(count):
        signers = [Signer(tower.node) for _ in range(count)]
        coins = fund(tower.node, [signer.script for signer in signers for _ in range(2)])
        tower.node.mine_exactly([signer.signal(coins[2 * n], "unlock 1") for n, signer in enumerate(signers)])
        for _ in range(5):
            tower.node.mine_exactly()
        return [(signer, coins[2 * n + 1]) for n, signer in enumerate(signers)]

    return make


def test_a_guardian_from_its_making_to_its_end(tower, call, cast):
    [(signer, coin)] = cast(1)
    vault, name = vault_name(), vault_name("guardian")
    assert call("POST", "/v1/vaults", {"name": vault, "txids": [TXID]}).status == 201
    wish = {"name": name, "address": signer.address, "vaults": [vault], "tags": ["x"], "unlock_confirmations": 3}

    made = call("POST", "/v1/guardians", wish)

    assert made.status == 201, made.body
    assert (made.json["state"], made.json["nonce"], made.json["address"]) == ("unlocked", 1, signer.address)
    assert call("GET", f"/v1/guardians/{name}").json.items() <= made.json.items()
    assert tower.bwm.json("show-guardian", name)["protects"] == [vault]
    assert_problem(call("POST", "/v1/guardians", wish), 409)
    twice = call("POST", "/v1/guardians", wish | {"name": vault_name("guardian")})
    assert_problem(twice, 400)
    assert name in twice.json["detail"]

    tower.node.send(signer.signal(coin, "lock 2"))
    wait_until(lambda: call("GET", f"/v1/guardians/{name}").json["state"] == "locked", "the lock")

    assert_problem(call("DELETE", f"/v1/guardians/{name}"), 409)  # nobody takes a lock away from afar
    tower.bwm("remove-guardian", name, "--yes", "--retire-locked")
    for method in ("GET", "DELETE"):
        assert_problem(call(method, f"/v1/guardians/{name}"), 404)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"address": "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq"}, 400),
        ({"address": "nonsense-nonsense"}, 400),
        ({"address": "fresh"}, 400),
        ({"vaults": ["no-such-vault"]}, 404),
        ({"accept_locked": "yes"}, 400),
        ({"unlock_confirmations": 1001}, 400),
        ({"name": "../etc"}, 400),
        ({"retire_locked": True}, 400),
    ],
)
def test_what_cannot_be_a_guardian_is_refused_and_nothing_is_added(tower, call, change, status):
    address = tower.node.new_address()  # of a wallet that has never signalled
    wish = {"name": vault_name("none"), "address": address} | {
        name: address if value == "fresh" else value for name, value in change.items()
    }
    assert_problem(call("POST", "/v1/guardians", wish), status)
    assert [one for one in pages(call, "/v1/guardians") if one["name"] == wish["name"]] == []


def test_x15_x16_x42_tokens_learn_nothing_of_each_others_guardians(tower, call, cast, token):
    alice, bob = token("read", "write", vault="ada-*"), token("read", "write", vault="bea-*")
    [(hers, _), (his, _)] = cast(2)
    name, vault = vault_name("ada"), vault_name("ada")
    assert call("POST", "/v1/vaults", {"name": vault, "txids": [TXID]}, token=alice).status == 201
    wish = {"name": name, "address": hers.address, "vaults": [vault]}
    assert call("POST", "/v1/guardians", wish, token=alice).status == 201

    assert_problem(
        call("POST", "/v1/guardians", wish | {"name": vault_name("ada"), "address": his.address}, token=bob), 403
    )
    theirs = {"name": vault_name("bea"), "address": his.address}
    reached = [call("POST", "/v1/guardians", theirs | {"vaults": [one]}, token=bob) for one in (vault, "ada-none")]
    assert_problem(reached[0], 404)
    assert reached[0].body == reached[1].body
    assert_problem(call("POST", "/v1/guardians", theirs | {"tags": ["savings"]}, token=bob), 403)
    assert pages(call, "/v1/guardians", token=bob) == []
    for method in ("GET", "DELETE"):
        answers = [call(method, f"/v1/guardians/{one}", token=bob) for one in (name, "ada-none")]
        assert_problem(answers[0], 404)
        assert answers[0].body == answers[1].body
    made = [call("POST", "/v1/guardians", theirs, token=bob)]
    assert made[0].status == 201
    assert [one["name"] for one in pages(call, "/v1/guardians", token=bob)] == [theirs["name"]]
    assert call("DELETE", f"/v1/guardians/{name}", token=alice).status == 204
    assert call("DELETE", f"/v1/guardians/{theirs['name']}", token=bob).status == 204


def test_x14_x42_the_same_guardian_of_two_owners_is_told_to_both_and_neither_learns_of_the_other(
    tower, call, cast, token
):
    owners = {vault_name(prefix): token("read", "write", vault=f"{prefix}-*") for prefix in ("gil", "hal", "ida")}
    (first, alice), (second, bob), (watcher, carol) = owners.items()
    [(signer, coin)] = cast(1)
    made = [
        call("POST", "/v1/guardians", {"name": name, "address": signer.address}, token=owner)
        for name, owner in ((first, alice), (second, bob))
    ]
    assert [answer.status for answer in made] == [201, 201]
    assert {**made[0].json, "name": second} == made[1].json
    assert call("POST", "/v1/vaults", {"name": watcher, "addresses": [signer.address]}, token=carol).status == 201
    again = {"name": vault_name("gil"), "address": signer.address}
    assert_problem(call("POST", "/v1/guardians", again, token=alice), 400)  # it is hers already
    assert_problem(
        call("POST", "/v1/vaults", {"name": vault_name("gil"), "addresses": [signer.address]}, token=alice), 400
    )
    assert_problem(call("POST", "/v1/guardians", {**again, "name": vault_name("ida")}, token=carol), 400)

    txid = tower.node.send(signer.signal(coin, "lock 2"))

    for name, owner in ((first, alice), (second, bob)):
        wait_until(lambda: call("GET", f"/v1/guardians/{name}", token=owner).json["state"] == "locked", "the lock")  # noqa: B023
        told = call("GET", "/v1/events?kind=guardian.locked", token=owner).json["items"]
        assert [(event["guardian"], event["txid"]) for event in told] == [(name, txid)]
    tower.bwm.wait_for_event("trigger.seen", vault=watcher)


def test_a_lock_is_watched_over_and_its_transaction_kept_nowhere(tower, call, cast, token):
    owner, stranger = token("read", "write", "respond", vault="eve-*"), token("read", "respond", vault="fay-*")
    [(signer, coin)] = cast(1)
    name = vault_name("eve")
    wish = {"name": name, "address": signer.address}
    assert call("POST", "/v1/guardians", wish, token=owner).status == 201
    lock, path = signer.signal(coin, "lock 2"), f"/v1/guardians/{name}/locks"

    made = call("POST", path, {"transactions": [lock]}, token=owner, Idempotency_Key="lock")

    assert made.status == 201, made.body
    [known] = made.json["items"]
    assert (known["guardian"], known["nonce"], known["verdict"]) == (name, 2, "ready")
    assert call("GET", path, token=owner).json == made.json
    [listed] = [one for one in tower.bwm.json("list-responses") if one.get("guardian") == name]
    assert known | {"name": listed["name"]} == listed
    assert known["name"] != listed["name"]  # which would tell how many others have
    assert_problem(call("POST", path, {"transactions": [lock]}, token=owner), 409)
    for wrong in ("00" * 20, lock[:-20], signer.signal(coin, "unlock 3"), signer.signal(coin, "lock 1")):
        refused = call("POST", path, {"transactions": [wrong]}, token=owner)
        assert_problem(refused, 400)
        assert wrong not in refused.body.decode()
    assert_problem(call("POST", path, {"transactions": []}, token=owner), 400)
    other = "/v1/guardians/eve-other/locks"
    assert_problem(call("POST", other, {"transactions": [lock]}, token=owner, Idempotency_Key="lock"), 422)
    for method, content in (("GET", None), ("POST", {"transactions": [lock]})):
        answers = [call(method, f"/v1/guardians/{one}/locks", content, token=stranger) for one in (name, "eve-none")]
        assert_problem(answers[0], 404)
        assert answers[0].body == answers[1].body
    assert_problem(call("POST", path, {"transactions": [lock]}, token=token("read", "write")), 403)
    with closing(sqlite3.connect(f"file:{tower.bwm.database}?mode=ro", uri=True)) as database:
        kept = "\n".join(database.iterdump()).lower()
    assert not [text for text in (kept, tower.bwm.log_text(), made.body.decode()) if lock in text]
