"""Transactions signed in advance, brought over HTTP: checked and kept like at the machine, and never given back."""

import sqlite3
from contextlib import closing
from types import SimpleNamespace
from uuid import uuid4

import pytest

from regtest.node import btc
from tests.api.calls import assert_problem, pages, vault_name
from tests.node.response_stage import fund
from tests.vault_signer import NONE, Key

SCOPES = ("read", "write", "respond")


@pytest.fixture(scope="module")
def owner(token):
    return token(*SCOPES)


@pytest.fixture
def own(tower, call, owner):
    """Make a vault that bwm watches: ``own("cold-*")``, with its transactions beside it and its name."""

    def make(prefix="cold", token=owner):
        vault, name = fund(tower.node, safe=tower.safe), vault_name(prefix)
        triggers = {"txids": [vault.unvault.txid], "outpoints": [vault.deposit.outpoint]}
        assert call("POST", "/v1/vaults", {"name": name, **triggers}, token=token).status == 201
        return SimpleNamespace(name=name, txs=vault)

    return make


def body(vault, *steps, name="safe", **more):
    return {"vault": vault.name, "name": name, "transactions": [step.hex for step in steps], **more}


def dump(tower):
    with closing(sqlite3.connect(f"file:{tower.bwm.database}?mode=ro", uri=True)) as database:
        return "\n".join(database.iterdump()).lower()


def test_a_response_from_its_making_to_its_end_and_nowhere_its_transactions(tower, call, own, owner):
    vault = own()
    steps = [vault.txs.response(rate) for rate in (50, 2)]
    wish = body(vault, *steps, parents=[vault.txs.unvault.hex], budget_sats=9_000)
    path, key = f"/v1/responses/{vault.name}/safe", uuid4().hex

    made = call("POST", "/v1/responses", wish, token=owner, Idempotency_Key=key)

    assert made.status == 201, made.body
    assert (made.json["verdict"], made.json["armed"], made.json["budget_sats"]) == ("ready", False, 9_000)
    assert made.json["deadline"] == "10 blocks after the trigger"
    assert [step["txid"] for step in made.json["steps"]] == [step.txid for step in reversed(steps)]
    again = call("POST", "/v1/responses", wish, token=owner, Idempotency_Key=key)
    shown = call("GET", path, token=owner)
    assert (again.status, again.json) == (201, made.json)
    assert shown.json.items() <= made.json.items()
    other = body(vault, steps[0], name="other")
    assert_problem(call("POST", "/v1/responses", other, token=owner, Idempotency_Key=key), 422)
    taken = call("POST", "/v1/responses", wish, token=owner)
    assert_problem(taken, 409)
    [known] = [one for one in tower.bwm.json("list-responses") if one.get("vault") == vault.name]
    assert known["name"] in call("GET", "/v1/responses?limit=200", token=owner).body.decode()

    assert call("DELETE", path, token=owner).status == 204

    assert_problem(call("GET", path, token=owner), 404)
    assert_problem(call("DELETE", path, token=owner), 404)
    told = tower.bwm.events(vault=vault.name, kind="response.added") + tower.bwm.events(
        vault=vault.name, kind="response.removed"
    )
    assert [event["detail"]["response"] for event in told] == [f"{vault.name}/safe"] * 2
    assert "by token" in told[-1]["reason"]
    assert [alert["kind"] for alert in tower.bwm.alerts() if alert["vault"] == vault.name] == ["response.removed"]
    said = b"".join(answer.body for answer in (made, again, shown, taken)).decode() + tower.bwm.log_text()
    for secret in (*(step.hex for step in steps), vault.txs.unvault.hex):
        assert secret not in said
        assert secret not in dump(tower)


def test_a_psbt_is_taken_once_everybody_has_signed_it(tower, call, token):
    node, name = tower.node, vault_name("psbt")
    owner, address = token(*SCOPES, vault="psbt-*"), node.new_address()
    txid, vout = node.pay(address, 1_000_000).split(":")
    node.mine()
    assert call("POST", "/v1/vaults", {"name": name, "addresses": [address]}, token=owner).status == 201
    spent, paid = [{"txid": txid, "vout": int(vout)}], [{tower.safe.address: btc(998_000)}]
    psbt = node.rpc("createpsbt", spent, paid, 0, True)
    wish = {"vault": name, "name": "safe", "delay": "2d"}
    early = call("POST", "/v1/responses", wish | {"transactions": [psbt]}, token=owner)
    assert_problem(early, 400)
    assert "not signed completely" in early.json["detail"]

    signed = node.rpc("walletprocesspsbt", psbt, wallet="vault")["psbt"]

    made = call("POST", "/v1/responses", wish | {"transactions": [signed]}, token=owner)
    assert (made.status, made.json["verdict"]) == (201, "ready")


def test_nobody_arms_sends_or_disarms_from_afar(tower, call, own, owner, token):
    vault = own()
    writer, path = token("read", "write", "ack", "announce"), f"/v1/responses/{vault.name}/safe"
    assert_problem(call("POST", "/v1/responses", body(vault, vault.txs.sweep(10)), token=writer), 403)
    assert call("POST", "/v1/responses", body(vault, vault.txs.sweep(10)), token=owner).status == 201
    assert_problem(call("DELETE", path, token=writer), 403)
    for word in ("armed", "arm", "broadcast"):
        assert_problem(call("POST", f"{path}/{word}", {}, token=owner), 404)
    assert_problem(call("PUT", path, {"armed": True}, token=owner), 405)
    assert_problem(call("POST", "/v1/responses", body(vault, vault.txs.sweep(9), armed=True), token=owner), 400)

    tower.bwm("arm", f"{vault.name}/safe")

    assert call("GET", path, token=owner).json["armed"]
    assert_problem(call("DELETE", path, token=owner), 409)
    assert_problem(call("DELETE", f"/v1/vaults/{vault.name}", token=owner), 409)
    tower.bwm("disarm", f"{vault.name}/safe")
    assert call("DELETE", path, token=owner).status == 204
    assert call("DELETE", f"/v1/vaults/{vault.name}", token=owner).status == 204


def test_x40_x41_what_could_pay_a_stranger_or_cannot_be_read_is_refused(call, own, owner):
    vault, stranger = own(), own("other")
    good, parents = vault.txs.response(10), [vault.txs.unvault.hex]
    wrong = [
        ({}, [vault.txs.response(10, to=Key().script)], "not allowed"),
        ({}, [vault.txs.response(10, sighash=NONE)], "NONE"),
        ({}, [stranger.txs.sweep(10)], "neither a watched coin"),
        ({}, [vault.txs.sweep(9), vault.txs.response(9)], "no coin in common"),
        ({}, [good, good], "twice"),
        ({"children": parents * 2}, [good], "as many"),
        ({"delay": "soon"}, [good], "delay must be"),
        ({"delay": "5x"}, [good], "delay must be"),
        ({"delay": "9" * 20}, [good], "Write the delay"),
        ({"delay": "144", "until": "2027-01-31"}, [good], "not both"),
        ({"budget_sats": 0}, [good], "budget_sats"),
        ({"url": "http://127.0.0.1/"}, [good], "no field"),
        ({}, [], "at least one"),
    ]
    for more, steps, words in wrong:
        answer = call("POST", "/v1/responses", body(vault, *steps, **{"parents": parents} | more), token=owner)
        assert_problem(answer, 400)
        assert words in answer.json["detail"]
    for text in (
        "zz" * 40,
        good.hex[:-40],
        "00" * 40,
        "cHNidP8BAFICAAAAAZ38ZijCbFiZ",
        f"{good.hex}00",
        "cHNidP" + "A" * 200,
    ):
        answer = call("POST", "/v1/responses", {"vault": vault.name, "name": "x", "transactions": [text]}, token=owner)
        assert_problem(answer, 400)
        assert text[:20] not in answer.body.decode()
    assert [one for one in pages(call, "/v1/responses", token=owner) if one["vault"] == vault.name] == []


def test_x15_x16_tokens_learn_nothing_of_each_others_responses(tower, call, own, token):
    alice, bob = token(*SCOPES, vault="anne-*"), token(*SCOPES, vault="ben-*")
    hers, his = own("anne", alice), own("ben", bob)
    for name in ("one", "two"):
        assert call("POST", "/v1/responses", body(hers, hers.txs.sweep(10), name=name), token=alice).status == 201
    assert call("POST", "/v1/responses", body(his, his.txs.sweep(10)), token=bob).status == 201

    assert [one["name"] for one in pages(call, "/v1/responses", token=alice)] == [
        f"{hers.name}/one",
        f"{hers.name}/two",
    ]
    assert [one["vault"] for one in pages(call, "/v1/responses", token=bob)] == [his.name]
    unknown = SimpleNamespace(name=vault_name("anne"))
    for method, path in (("GET", "one"), ("DELETE", "one"), ("GET", "three")):
        answers = [call(method, f"/v1/responses/{vault.name}/{path}", token=bob) for vault in (hers, unknown)]
        assert_problem(answers[0], 404)
        assert answers[0].body == answers[1].body
    for tx in (hers.txs.sweep(20), his.txs.sweep(20)):
        answers = [call("POST", "/v1/responses", body(one, tx, name="one"), token=bob) for one in (hers, unknown)]
        assert_problem(answers[0], 404)
        assert answers[0].body == answers[1].body
    assert call("DELETE", f"/v1/responses/{hers.name}/one", token=alice).status == 204


def test_x13_one_token_cannot_fill_the_disk_with_transactions(call, own, token):
    greedy = token(*SCOPES, vault="greedy-*")
    vault = own("greedy", greedy)
    junk = {"vault": vault.name, "name": "x", "transactions": ["0" * 1_900_000]}
    statuses = [call("POST", "/v1/responses", junk, token=greedy).status for _ in range(3)]
    assert statuses == [400, 400, 429]
    assert_problem(call("POST", "/v1/responses", junk | {"transactions": ["0" * 4_200_000]}, token=greedy), 413)
    assert_problem(call("POST", "/v1/vaults", {"name": "greedy-2", "txids": ["ab" * 32] * 1000}, token=greedy), 413)
