"""bwm's own API: who sees what, how no is said, and that the document tells the truth."""

import http.client
import json
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from uuid import uuid4

import pytest

from bwm.answer import code
from bwm.api.v1.openapi import document
from bwm.api.v1.operations import OPERATIONS
from bwm.daemon.answering import KEY_FILE
from bwm.db.answers import GUESSES
from regtest.node import wait_until
from tests.api.calls import assert_problem, vault_name
from tests.api.wallet import ask

TXID = "cd" * 32


def code_of(tower, alert_id):
    """The code of the message that the file channel was told."""
    sql = "SELECT round, told_revision FROM alert JOIN outbox ON alert_id = alert.id WHERE alert.id = ? AND done_at > 0"
    told = tower.bwm.wait_for_row(sql, alert_id)
    return code((tower.bwm.state_dir / KEY_FILE).read_bytes(), alert_id, "log", told["round"], told["told_revision"])


def test_a_vault_from_its_making_to_its_end(call):
    name = vault_name()
    made = call("POST", "/v1/vaults", {"name": name, "txids": [TXID], "tags": ["x"], "severity": "high"})
    assert made.status == 201, made.body
    assert made.json["triggers"] == [{"kind": "txid", "key": TXID, "status": "armed", "txid": None}]
    assert call("GET", f"/v1/vaults/{name}").json == made.json
    assert_problem(call("POST", "/v1/vaults", {"name": name, "txids": [TXID]}), 409)

    assert call("DELETE", f"/v1/vaults/{name}").status == 204

    assert_problem(call("GET", f"/v1/vaults/{name}"), 404)
    assert_problem(call("DELETE", f"/v1/vaults/{name}"), 404)


def test_everybody_is_told_of_a_vault_that_a_token_removes(tower, call, token):
    name = vault_name("quiet")
    thief = token("write", vault=name)
    assert call("POST", "/v1/vaults", {"name": name, "txids": [TXID]}, token=thief).status == 201

    assert call("DELETE", f"/v1/vaults/{name}", token=thief).status == 204

    told = tower.bwm.wait_for_alert(vault=name, kind="vault.removed")
    assert told["severity"] == "high"
    assert tower.bwm.rows("SELECT state FROM alert WHERE id = ?", told["id"]) == [{"state": "resolved"}]  # told once


def test_a_theft_is_read_and_acknowledged_by_its_code(tower, call):
    node, name = tower.node, vault_name()
    coin = node.pay(node.new_address(), 1_000_000)
    node.mine()
    assert call("POST", "/v1/vaults", {"name": name, "outpoints": [coin]}).status == 201
    txid = node.spend(coin, node.new_address(wallet="thief"))

    def alert():
        found = [one for one in call("GET", "/v1/alerts?state=open&limit=200").json["items"] if one["vault"] == name]
        return found[0] if found else None

    found = wait_until(alert, "the alert")
    line = wait_until(lambda: tower.bwm.delivered(id=found["id"]), "the message")[0]
    events = call("GET", f"/v1/events?vault={name}&kind=trigger").json["items"]
    assert [(event["kind"], event["txid"]) for event in events] == [("trigger.seen", txid)]
    typed = code_of(tower, line["id"])

    assert_problem(call("POST", "/v1/ack", {"code": found["id"]}), 404)  # an id proves nothing
    answer = call("POST", "/v1/ack", {"code": typed, "by": "alice"})

    assert answer.json == {"result": "acknowledged", "alert": found["id"]}
    shown = call("GET", f"/v1/alerts/{found['id']}").json
    assert (shown["state"], shown["acknowledged_by"]) == ("acknowledged", "alice")
    assert call("POST", "/v1/ack", {"code": typed}).json["result"] == "already"


def test_x15_and_x16_tokens_cannot_see_learn_of_or_touch_each_others(tower, call, token):
    alice, bob = token("read", "write", "ack", vault="alice-*"), token("read", "write", "ack", vault="bob-*")
    hers, his = vault_name("alice"), vault_name("bob")
    node = tower.node
    coins = {name: node.pay(node.new_address(), 1_000_000) for name in (hers, his)}
    node.mine()
    for name, owner in ((hers, alice), (his, bob)):
        assert call("POST", "/v1/vaults", {"name": name, "outpoints": [coins[name]]}, token=owner).status == 201
    assert call("POST", "/v1/vaults", {"name": vault_name("bob"), "txids": [TXID]}, token=alice).status == 403
    node.spend(coins[hers], node.new_address(wallet="thief"))
    tower.bwm.wait_for_event("trigger.seen", vault=hers)
    alert = wait_until(lambda: tower.bwm.delivered(vault=hers), "the message")[0]
    typed = code_of(tower, alert["id"])

    for path in ("vaults", "events", "alerts", "guardians"):
        seen = call("GET", f"/v1/{path}?limit=200", token=bob).body.decode()
        assert hers not in seen
        assert alert["id"] not in seen
    unknown = vault_name("alice")
    for path in (f"/v1/vaults/{hers}", f"/v1/vaults/{unknown}", f"/v1/alerts/{alert['id']}", "/v1/alerts/aaaaaaaaaa"):
        assert_problem(call("GET", path, token=bob), 404)
    same = {call("GET", f"/v1/vaults/{name}", token=bob).body for name in (hers, unknown)}
    assert len(same) == 1
    assert {call("DELETE", f"/v1/vaults/{name}", token=bob).status for name in (hers, unknown)} == {404}
    before = len(tower.bwm.events(kind="alert.code_refused"))
    wrong = call("POST", "/v1/ack", {"code": "aaaa-aaaa"}, token=bob)
    assert call("POST", "/v1/ack", {"code": typed}, token=bob).body == wrong.body
    assert call("GET", "/v1/status", token=bob).json["open_alerts"] == 0
    assert call("GET", "/v1/status", token=bob).json["vaults"] == 1

    guesses = tower.bwm.events(kind="alert.code_refused")[before:]
    assert [alert["id"] in event["reason"] for event in guesses] == [False, True]
    mine = call("GET", f"/v1/events?vault={hers}", token=alice).json["items"]
    assert {event["vault"] for event in mine} == {hers}
    for _ in range(GUESSES + 1):
        assert call("POST", "/v1/ack", {"code": "aaaa-aaaa"}, token=bob).body == wrong.body
    assert len(tower.bwm.events(kind="alert.code_refused")) == before + GUESSES
    assert call("POST", "/v1/ack", {"code": typed}, token=alice).json["result"] == "acknowledged"


def test_a_token_of_some_names_is_shown_numbers_that_tell_nothing_of_others(tower, call, token):
    alice, bob = token("read", "write", vault="anna-*"), token("read", "write", vault="bert-*")
    hers, his = [vault_name("anna") for _ in range(3)], vault_name("bert")
    node = tower.node
    coins = [node.pay(node.new_address(), 1_000_000) for _ in range(4)]
    node.mine()
    for name, coin in zip((*hers, his), coins, strict=True):
        owner = bob if name == his else alice
        assert call("POST", "/v1/vaults", {"name": name, "outpoints": [coin]}, token=owner).status == 201
    for name, coin in zip((hers[0], his, *hers[1:]), (coins[0], coins[3], *coins[1:3]), strict=True):
        node.spend(coin, node.new_address(wallet="thief"))
        tower.bwm.wait_for_event("trigger.seen", vault=name)

    true = {event["key"]: event["seq"] for event in tower.bwm.events()}
    found, after = [], 0
    while after is not None:
        page = call("GET", f"/v1/events?limit=1&after={after}", token=alice).json
        found += page["items"]
        after = page["next"]

    assert [event["vault"] for event in found if event["kind"] == "trigger.seen"] == hers
    shown = {event["key"]: event["seq"] for event in found}
    assert not set(shown.values()) & set(true.values())
    assert min(shown.values()) > max(true.values())
    [alert] = [one for one in call("GET", "/v1/alerts?limit=200", token=alice).json["items"] if one["vault"] == hers[0]]
    assert alert["event"] in shown.values()
    assert call("GET", f"/v1/events?after={max(true.values())}", token=alice).status == 400
    assert call("GET", f"/v1/events?after={found[0]['seq']}", token=bob).status == 400
    headers = {"Authorization": f"Bearer {alice}", "Last-Event-ID": str(found[0]["seq"])}
    with closing(http.client.HTTPConnection("127.0.0.1", tower.port, timeout=20)) as connection:
        connection.request("GET", "/v1/events/stream", headers=headers)
        again = next_event(connection.getresponse(), lambda event: True)
    assert again == found[1]


@pytest.mark.parametrize("watched", [True, False])
def test_x42_a_watched_txid_is_answered_like_any_other(call, token, watched):
    txid = uuid4().hex * 2
    if watched:
        call("POST", "/v1/vaults", {"name": vault_name("other"), "txids": [txid]})
    stranger = token("read", "write", vault="stranger-*")
    name = vault_name("stranger")
    answer = call("POST", "/v1/vaults", {"name": name, "txids": [txid]}, token=stranger)
    assert answer.status == 201
    shown = {key: value for key, value in answer.json.items() if key not in ("name", "covered_from")}
    assert shown["triggers"] == [{"kind": "txid", "key": txid, "status": "armed", "txid": None}]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": "Basic YTpi"},
        {"Authorization": "Bearer bwm_000000000000_" + "a" * 43},
        {"Authorization": "Bearer é"},
        {"Authorization": "Bearer " + "a" * 5000},
    ],
    ids=["none", "empty", "scheme only", "blank", "basic", "wrong", "no ASCII", "long"],
)
def test_x2_without_a_right_token_nothing_is_told(tower, headers):
    answer = ask(tower.port, "GET", "/v1/vaults", None, headers)
    assert answer.status in (401, 429)
    assert_problem(answer, answer.status)


def test_x2_a_token_in_the_query_is_none(tower, everything):
    assert ask(tower.port, "GET", f"/v1/vaults?token={everything}").status in (401, 429)
    assert ask(tower.port, "GET", f"/v1/vaults?access_token={everything}").status in (401, 429)
    assert everything not in tower.bwm.log_text()


def test_x1_guessing_is_slowed_down_and_the_owner_is_let_in(tower, call):
    wrong = {"Authorization": "Bearer bwm_000000000000_" + "b" * 43}
    statuses = [ask(tower.port, "GET", "/v1/status", None, wrong).status for _ in range(40)]
    assert set(statuses) <= {401, 429}
    assert statuses[-1] == 429
    assert call("GET", "/v1/status").status == 200


def test_a_scope_that_is_missing_is_said(call, token):
    reader, writer = token("read"), token("write")
    assert_problem(call("POST", "/v1/vaults", {"name": "a", "txids": [TXID]}, token=reader), 403)
    assert_problem(call("GET", "/v1/vaults", token=writer), 403)
    assert_problem(call("GET", "/v1/events/stream", token=writer), 403)
    assert_problem(call("POST", "/v1/ack", {"code": "aaaa-aaaa"}, token=reader), 403)


def test_a_revoked_token_opens_nothing(tower, call):
    token = tower.bwm("add-token", "short-lived", "--scope", "read").stdout.strip()
    assert call("GET", "/v1/status", token=token).status == 200
    assert "short-lived" in [each["name"] for each in tower.bwm.json("list-tokens")]

    tower.bwm("revoke-token", "short-lived")

    assert call("GET", "/v1/status", token=token).status in (401, 429)


def test_x3_only_hashes_of_tokens_are_kept(tower, everything):
    secret = everything.split("_", 2)[2]
    with closing(sqlite3.connect(f"file:{tower.bwm.database}?mode=ro", uri=True)) as database:
        dump = "\n".join(database.iterdump())
    assert secret not in dump
    assert secret not in tower.bwm("list-tokens", "--json").stdout


@pytest.mark.parametrize(
    "content",
    [
        {"name": "a"},
        {"name": "", "txids": [TXID]},
        {"name": "../../etc", "txids": [TXID]},
        {"name": "a\nb", "txids": [TXID]},
        {"name": 5, "txids": [TXID]},
        {"name": "a", "txids": "x"},
        {"name": "a", "txids": ["x"]},
        {"name": "a", "txids": [TXID], "more": 1},
        {"name": "a", "txids": [TXID], "url": "http://127.0.0.1/"},
        {"name": "a", "txids": [TXID], "severity": "mild"},
        {"name": "a", "txids": [TXID], "final_depth": 0},
        {"name": "a", "txids": [TXID], "birthday": "tomorrow"},
        {"name": "a", "addresses": ["bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq"]},
        {"name": "a", "outpoints": [f"{TXID}:4294967296"]},
        {"name": "a", "descriptors": ["wpkh(nonsense)"]},
        {"txids": [TXID]},
        [],
    ],
)
def test_what_cannot_be_watched_is_refused_and_nothing_is_added(call, content):
    before = call("GET", "/v1/status").json["vaults"]
    assert_problem(call("POST", "/v1/vaults", content), 400)
    assert call("GET", "/v1/status").json["vaults"] == before


def test_a_body_must_be_json(tower, everything):
    headers = {"Authorization": f"Bearer {everything}", "Content-Type": "text/plain"}
    assert_problem(ask(tower.port, "POST", "/v1/vaults", b"{}", headers), 415)


def test_methods_and_paths_that_are_not_there(call):
    assert_problem(call("PUT", "/v1/vaults", {}), 405)
    assert call("PUT", "/v1/vaults", {}).headers["allow"] == "GET, POST"
    for path in ("/v1/", "/v1/nothing", "/v1/vaults/a/b", "/v1/vaults/%00", "/v1/vaults/%2e%2e"):
        assert_problem(call("GET", path), 404)
    for query in ("limit=0", "limit=201", "limit=x", "limit=1&limit=2", "after=1&sort=name", "limit=%D9%A1"):
        assert_problem(call("GET", f"/v1/events?{query}"), 400)


def test_pages_give_everything_once(call, token):
    prefix = vault_name("p")
    names = [f"{prefix}-{number}" for number in range(7)]
    owner = token("read", "write", vault=f"{prefix}-*")
    for name in names:
        call("POST", "/v1/vaults", {"name": name, "txids": [TXID]}, token=owner)
    found, after = [], ""
    while after is not None:
        more = f"&after={after}" if after else ""
        page = call("GET", f"/v1/vaults?limit=3{more}", token=owner).json
        assert len(page["items"]) <= 3
        found += [vault["name"] for vault in page["items"]]
        after = page["next"]
    assert found == names


def test_the_same_request_twice_is_done_once(call):
    body = {"name": vault_name(), "txids": [TXID]}
    key = uuid4().hex
    first = call("POST", "/v1/vaults", body, Idempotency_Key=key)
    again = call("POST", "/v1/vaults", body, Idempotency_Key=key)
    assert (first.status, again.status) == (201, 201)
    assert first.json == again.json
    assert_problem(call("POST", "/v1/vaults", body | {"name": vault_name()}, Idempotency_Key=key), 422)


def test_the_same_request_twice_at_the_same_time_is_done_once(call, token):
    name, owner = vault_name("hasty"), token("read", "write", "announce", vault="hasty-*")
    assert call("POST", "/v1/vaults", {"name": name, "txids": [TXID]}, token=owner).status == 201
    wish = {"vault": name, "txid": TXID}

    def announce(_):
        return call("POST", "/v1/announcements", wish, token=owner, Idempotency_Key="hasty").status

    with ThreadPoolExecutor(8) as hands:
        statuses = set(hands.map(announce, range(8)))
    assert {201} <= statuses <= {201, 409}
    assert len(call("GET", "/v1/announcements", token=owner).json["items"]) == 1


def test_x13_one_token_does_not_keep_others_from_what_takes_long(call, token):
    hasty, polite = token("write", vault="hasty-*"), token("write", vault="polite-*")

    def add(prefix, owner):
        return call("POST", "/v1/vaults", {"name": vault_name(prefix), "txids": [TXID]}, token=owner).status

    with ThreadPoolExecutor(8) as hands:
        hurried = [hands.submit(add, "hasty", hasty) for _ in range(40)]
        assert {add("polite", polite) for _ in range(8)} == {201}
        assert {each.result() for each in hurried} == {201, 429}


def test_events_are_streamed_as_they_happen_and_taken_up_after_a_break(tower, call, everything):
    node, name = tower.node, vault_name()
    coin = node.pay(node.new_address(), 1_000_000)
    node.mine()
    call("POST", "/v1/vaults", {"name": name, "outpoints": [coin]})
    last = call("GET", "/v1/events?limit=200&after=0").json["items"]
    after = last[-1]["seq"] if last else 0
    headers = {"Authorization": f"Bearer {everything}"}
    connection = http.client.HTTPConnection("127.0.0.1", tower.port, timeout=20)
    with closing(connection):
        connection.request("GET", "/v1/events/stream", headers=headers)
        response = connection.getresponse()
        assert response.getheader("Content-Type").startswith("text/event-stream")
        assert response.readline() == b": bwm\n"
        began = time.time()
        txid = node.spend(coin, node.new_address(wallet="thief"))
        event = next_event(response, lambda event: event["vault"] == name)
        assert (event["kind"], event["txid"]) == ("trigger.seen", txid)
        assert time.time() - began < 5
    connection = http.client.HTTPConnection("127.0.0.1", tower.port, timeout=20)
    with closing(connection):
        connection.request("GET", "/v1/events/stream", headers=headers | {"Last-Event-ID": str(after)})
        again = next_event(connection.getresponse(), lambda event: event["vault"] == name)
        assert again == event


def test_a_token_holds_few_streams_and_none_once_it_is_revoked(tower, call, token):
    name = f"listener-{uuid4().hex[:8]}"
    own = tower.bwm("add-token", name, "--scope", "read").stdout.strip()

    def listen(owner):
        connection = http.client.HTTPConnection("127.0.0.1", tower.port, timeout=20)
        connection.request("GET", "/v1/events/stream", headers={"Authorization": f"Bearer {owner}"})
        return connection

    with ExitStack() as lines:
        streams = [lines.enter_context(closing(listen(own))) for _ in range(4)]
        answers = [stream.getresponse() for stream in streams]
        assert [answer.readline() for answer in answers] == [b": bwm\n"] * 4
        assert_problem(call("GET", "/v1/events/stream", token=own), 429)
        other = lines.enter_context(closing(listen(token("read")))).getresponse()
        assert other.readline() == b": bwm\n"

        tower.bwm("revoke-token", name)

        for answer in answers:
            assert answer.read().startswith(b"\n")  # to its end


def test_of_many_streams_that_are_asked_for_at_once_a_token_gets_few_as_well(tower, token):
    own = token("read")
    lines = [http.client.HTTPConnection("127.0.0.1", tower.port, timeout=20) for _ in range(24)]
    try:
        for line in lines:
            line.connect()
        for line in lines:
            line.request("GET", "/v1/events/stream", headers={"Authorization": f"Bearer {own}"})
        statuses = [line.getresponse().status for line in lines]
    finally:
        for line in lines:
            line.close()
    assert (statuses.count(200), statuses.count(429)) == (4, 20)

    def follows_again():
        with closing(http.client.HTTPConnection("127.0.0.1", tower.port, timeout=20)) as line:
            line.request("GET", "/v1/events/stream", headers={"Authorization": f"Bearer {own}"})
            return line.getresponse().status == 200

    wait_until(follows_again, "the places of those that went")


def next_event(response, wanted):
    while line := response.readline():
        if line.startswith(b"data: ") and wanted(event := json.loads(line[6:])):
            return event
    raise AssertionError("the stream ended")


def test_the_document_describes_what_is_there(tower):
    shown = ask(tower.port, "GET", "/v1/openapi.json").json
    assert shown == document()
    assert shown["openapi"].startswith("3.1")
    described = {(path, method.upper()) for path, methods in shown["paths"].items() for method in methods}
    assert described == {(operation.path, operation.method) for operation in OPERATIONS}
    ids = [method["operationId"] for methods in shown["paths"].values() for method in methods.values()]
    assert len(set(ids)) == len(ids)


def test_x43_health_tells_up_or_down_and_no_more(tower):
    answer = ask(tower.port, "GET", "/healthz")
    assert (answer.status, answer.json) == (200, {"status": "up"})


def test_a_spend_is_announced_and_told_quietly(tower, call, token):
    node, name = tower.node, vault_name("announced")
    coin = node.pay(node.new_address(), 1_000_000)
    node.mine()
    call("POST", "/v1/vaults", {"name": name, "outpoints": [coin]})
    raw = node.signed_spend(coin, node.new_address(wallet="thief"))
    txid = node.rpc("decoderawtransaction", raw)["txid"]
    owner, stranger = token("announce", "read", vault=name), token("announce", vault="stranger-*")
    assert_problem(call("POST", "/v1/announcements", {"vault": name, "txid": txid}, token=stranger), 404)
    assert_problem(call("POST", "/v1/announcements", {"vault": name}, token=owner), 400)

    made = call("POST", "/v1/announcements", {"vault": name, "txid": txid}, token=owner)

    assert made.status == 201, made.body
    assert [one["txid"] for one in call("GET", "/v1/announcements", token=owner).json["items"]] == [txid]
    assert call("GET", "/v1/responses", token=owner).json == {"items": [], "next": None}
    node.send(raw)
    wait_until(lambda: call("GET", "/v1/announcements", token=owner).json["items"][0]["state"] == "met", "the spend")


@pytest.mark.parametrize(("begins_s", "lasts_s"), [(0, 10**14), (10**18, 60), (-(10**14), 10**14 + 60)])
def test_a_text_of_absurd_times_announces_nothing_and_breaks_no_list(call, token, begins_s, lasts_s):
    name = vault_name("odd")
    call("POST", "/v1/vaults", {"name": name, "txids": [TXID]})
    begins = int(time.time()) + begins_s
    times = f"from={begins} until={begins + lasts_s} nonce={uuid4().hex}"
    text = f"bwm-announcement-1 network=regtest vault={name} txid={TXID} max-fee=1 {times}"
    owner = token("announce", "read", vault=name)

    assert_problem(call("POST", "/v1/announcements", {"message": text}, token=owner), 400)

    assert call("GET", "/v1/announcements", token=owner).json == {"items": [], "next": None}


def test_x13_everything_that_a_token_adds_is_counted():
    least = {"name": "v", "txids": [TXID], "transactions": ["00"]}
    adds = [one for one in OPERATIONS if one.method == "POST" and one.scope in ("write", "respond", "announce")]
    assert {one.name: one.cost(least) > 0 for one in adds} == dict.fromkeys((one.name for one in adds), True)


def test_the_numbers_for_prometheus_are_true_and_name_nobody(tower, call):
    name = vault_name("metrics")
    call("POST", "/v1/vaults", {"name": name, "txids": [TXID]})
    answer = ask(tower.port, "GET", "/metrics")
    assert answer.status == 200
    lines = dict(line.rsplit(" ", 1) for line in answer.body.decode().splitlines() if not line.startswith("#"))
    assert float(lines["bwm_up"]) == 1
    assert float(lines["bwm_vaults"]) == call("GET", "/v1/status").json["vaults"]
    assert float(lines["bwm_height"]) == tower.node.height
    assert lines['bwm_channel_healthy{channel="log"}'] == "1.0"
    assert name not in answer.body.decode()
