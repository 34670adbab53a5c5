"""What the server answers a RewindBitcoin wallet, row by row: status, body, headers and the order of checks."""

import gzip
import json
import re
import zlib
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.api.wallet import JSON, Answer, ask, post, talk, vault

NEW = object()  # "a text that nobody used before"
TXID = "ab" * 32


def body(**changes: Any) -> dict[str, Any]:
    """A registration that is granted, with changes; a change to ... leaves the field out."""
    made = {
        "pushToken": f"ExponentPushToken[{uuid4().hex}]",
        "walletUUID": "w",
        "walletName": "Savings",
        "watchtowerId": "http://tower/watchtower",
        "locale": "en",
        "vaults": [vault(TXID)],
    } | changes
    return {key: value for key, value in made.items() if value is not ...}


@dataclass(frozen=True)
class Row:
    """One request and the answer that it must get."""

    name: str
    status: int
    content: Any
    path: str = "/regtest/watchtower/register"


def vault_with(**changes: Any) -> dict[str, Any]:
    made = vault(TXID) | changes
    return body(vaults=[{key: value for key, value in made.items() if value is not ...}])


REGISTER = "/regtest/watchtower/register"
ACK = "/regtest/watchtower/ack"
LIST = "/regtest/watchtower/notifications"
FALSY = (..., None, "", 0, False)

ROWS = [
    Row("granted", 200, body()),
    Row("no vaults", 200, body(vaults=[])),
    Row("no locale", 200, body(locale=...)),
    Row("locale null", 200, body(locale=None)),
    Row("any push token", 200, body(pushToken="not-a-token-of-expo")),
    Row("more fields", 200, body(more={"a": [1]}) | {"vaults": [vault(TXID, more=1)]}),
    Row("no txids", 200, vault_with(triggerTxIds=[])),
    Row("upper case txid", 200, vault_with(triggerTxIds=["AB" * 32])),
    Row("a number written 1.0", 200, vault_with(vaultNumber=1.0)),
    Row("number 0", 200, vault_with(vaultNumber=0)),
    Row("a commitment that nobody asked for", 200, vault_with(commitment="zz")),
    *(
        Row(f"{field} is {value!r}", 400, body(**{field: value}))
        for field in ("pushToken", "walletUUID", "walletName", "watchtowerId", "vaults")
        for value in FALSY
    ),
    *(Row(f"vaults is {value!r}", 400, body(vaults=value)) for value in ({}, "x", 5, True)),
    *(
        Row(f"{field} is {value!r}", 400, body(**{field: value}))
        for field in ("pushToken", "walletUUID", "walletName", "watchtowerId", "locale")
        for value in (5, True, {"a": 1}, ["a", "b"])
    ),
    *(Row(f"vaultId is {value!r}", 400, vault_with(vaultId=value)) for value in (*FALSY, 5, {}, ["a"])),
    *(Row(f"txids are {value!r}", 400, vault_with(triggerTxIds=value)) for value in (*FALSY, {}, "a")),
    *(Row(f"number is {value!r}", 400, vault_with(vaultNumber=value)) for value in ("1", True, 1.5, -1, None, ...)),
    *(
        Row(f"txid {value!r}", 400, vault_with(triggerTxIds=[TXID, value]))
        for value in ("abcd", "", None, 5, "g" * 64, "a" * 63, "a" * 65, f"0x{'a' * 62}", f" {'a' * 63}", "é" * 64, [])
    ),
    Row("a vault null", 400, body(vaults=[None])),
    Row("a vault that is a list", 400, body(vaults=[[]])),
    Row("unknown network", 400, body(), "/signet/watchtower/register"),
    Row("network in capitals", 400, body(), "/Regtest/watchtower/register"),
    Row("unknown network and bad body", 400, {}, "/nowhere/watchtower/register"),
    Row("network not served", 500, body(), "/testnet/watchtower/register"),
    Row("tape not served", 500, body(), "/tape/watchtower/register"),
    Row("main by default, not served", 500, body(), "/watchtower/register"),
    Row("main by name, not served", 500, body(), "/bitcoin/watchtower/register"),
    Row("a field missing comes before the network", 400, {}, "/testnet/watchtower/register"),
    Row("the network comes before the vaults", 500, body(vaults=[None]), "/testnet/watchtower/register"),
    Row("ack of nothing", 404, {"pushToken": "nobody", "vaultId": "none"}, ACK),
    *(Row(f"ack, token {value!r}", 400, {"pushToken": value, "vaultId": "v"}, ACK) for value in (None, "", 0, False)),
    Row("ack without vault", 400, {"pushToken": "p"}, ACK),
    Row("ack, a vault of a strange type", 400, {"pushToken": "p", "vaultId": {"a": 1}}, ACK),
    Row("ack, unknown network", 400, {"pushToken": "p", "vaultId": "v"}, "/x/watchtower/ack"),
    Row("ack, network not served", 500, {"pushToken": "p", "vaultId": "v"}, "/watchtower/ack"),
    Row("list for nobody", 200, {"pushToken": "nobody"}, LIST),
    Row("list without token", 400, {}, LIST),
    Row("list, a token of a strange type", 400, {"pushToken": ["a", "b"]}, LIST),
    Row("list, unknown network", 400, {"pushToken": "p"}, "/x/watchtower/notifications"),
    Row("list, network not served", 500, {"pushToken": "p"}, "/bitcoin/watchtower/notifications"),
    Row("an array is an empty object", 400, [body()]),
    Row("a trailing slash", 200, body(), f"{REGISTER}/"),
    Row("other letters", 200, body(), "/regtest/WatchTower/REGISTER"),
    Row("slashes twice", 200, body(), "//regtest//watchtower/register"),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_the_answer_of_each_row(tower, row):
    answer = post(tower.port, row.path, row.content)

    assert answer.status == row.status, answer.body
    assert_headers(answer)
    if row.status == 200 and row.path != LIST:
        assert answer.body == b"OK"
        assert answer.headers["content-type"].startswith("text/plain")
    elif row.status == 200:
        assert answer.json == {"notifications": []}
    else:
        assert_error(answer)
        assert ("message" in answer.json) == (row.status == 404)


def assert_error(answer: Answer) -> None:
    assert answer.headers["content-type"].startswith("application/json")
    assert isinstance(answer.json["error"], str)
    assert answer.json["error"]
    assert b"Traceback" not in answer.body
    assert b".py" not in answer.body


def assert_headers(answer: Answer) -> None:
    assert UUID(answer.headers["x-request-id"]).version == 4
    assert "access-control-allow-origin" not in answer.headers
    assert "server" not in answer.headers
    assert answer.headers["content-type"].endswith("charset=utf-8") or answer.status != 200


RAW = [
    ("no content type", 400, json.dumps(body()).encode(), {}),
    ("another content type", 400, json.dumps(body()).encode(), {"Content-Type": "text/plain"}),
    ("json with charset", 200, json.dumps(body()).encode(), {"Content-Type": "application/json; charset=UTF-8"}),
    ("json with a parameter", 200, json.dumps(body()).encode(), {"Content-Type": "application/json; a=b"}),
    ("utf-16", 200, json.dumps(body()).encode("utf-16"), {"Content-Type": "application/json; charset=utf-16"}),
    ("latin-1", 415, b"{}", {"Content-Type": "application/json; charset=iso-8859-1"}),
    ("no JSON", 400, b"{", JSON),
    ("a string", 400, b'"a"', JSON),
    ("a number", 400, b"5", JSON),
    ("null", 400, b"null", JSON),
    ("nothing", 400, b"", JSON),
    ("gzip", 200, gzip.compress(json.dumps(body()).encode()), JSON | {"Content-Encoding": "gzip"}),
    ("deflate", 200, zlib.compress(json.dumps(body()).encode()), JSON | {"Content-Encoding": "deflate"}),
    ("gzip that is none", 400, b"{}", JSON | {"Content-Encoding": "gzip"}),
    ("an encoding that nobody knows", 415, b"{}", JSON | {"Content-Encoding": "rot13"}),
    ("too large", 413, b" " * (4 * 1024 * 1024 + 1), JSON),
    ("too large once unpacked", 413, gzip.compress(b" " * 9_000_000), JSON | {"Content-Encoding": "gzip"}),
    ("102,401 bytes, which the wallet needs", 200, json.dumps(body()).encode().ljust(102_401), JSON),
]


@pytest.mark.parametrize(("status", "raw", "headers"), [row[1:] for row in RAW], ids=[row[0] for row in RAW])
def test_bodies_that_are_read_and_those_that_are_not(tower, status, raw, headers):
    answer = ask(tower.port, "POST", REGISTER, raw, headers)

    assert answer.status == status, answer.body
    if status != 200:
        assert_error(answer)


def test_other_bodies_are_smaller(tower):
    assert ask(tower.port, "POST", ACK, b" " * 70_000, JSON).status == 413


@pytest.mark.parametrize("path", ["/generate_204", "/generate_204/", "//generate_204", "/Generate_204"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_alive_is_204_and_nothing_else(tower, method, path):
    answer = ask(tower.port, method, path)
    assert (answer.status, answer.body) == (204, b"")
    assert "x-request-id" in answer.headers


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", REGISTER),
        ("PUT", REGISTER),
        ("DELETE", ACK),
        ("HEAD", LIST),
        ("POST", "/generate_204"),
        ("POST", "/regtest/watchtower"),
        ("POST", "/regtest/watchtower/unregister"),
        ("POST", "/a/regtest/watchtower/ack"),
        ("GET", "/"),
        ("GET", "/../../etc/passwd"),
    ],
)
def test_what_is_not_there_is_404(tower, method, path):
    answer = ask(tower.port, method, path, None if method in ("GET", "HEAD") else b"{}", JSON)
    assert answer.status == 404
    assert "x-request-id" in answer.headers
    if method != "HEAD":
        assert_error(answer)


@pytest.mark.parametrize("path", [REGISTER, "/watchtower/ack", LIST])
def test_options_are_post(tower, path):
    answer = ask(tower.port, "OPTIONS", path)
    assert (answer.status, answer.headers["allow"]) == (200, "POST")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_request_id_is_given_back(tower, method):
    path = "/generate_204" if method == "GET" else ACK
    answer = ask(tower.port, method, path, b"{}", {"X-Request-ID": "abc-123/4"})
    assert answer.headers["x-request-id"] == "abc-123/4"


def test_an_empty_request_id_is_as_none(tower):
    answer = ask(tower.port, "GET", "/generate_204", None, {"X-Request-ID": ""})
    assert re.fullmatch(r"[0-9a-f-]{36}", answer.headers["x-request-id"])


def test_one_bad_vault_and_nothing_of_the_request_is_kept(tower):
    wallet = tower.wallet()
    good, bad = vault(TXID), vault("abcd")

    assert wallet.register(good, bad).status == 400

    assert wallet.ack(good["vaultId"]).status == 404


def test_one_server_may_serve_several_of_the_wallets_networks_and_keeps_them_apart(tower):
    wallet, other = tower.wallet(), tower.wallet()
    one = vault(TXID)
    assert wallet.register(one).status == 200
    assert other.ack(one["vaultId"]).status == 404  # a device of its own
    assert wallet.ack(one["vaultId"]).status == 200


def test_a_registration_survives_a_power_cut(tower):
    wallet = tower.wallet()
    one = vault(TXID)
    assert wallet.register(one).status == 200

    tower.bwm.kill()
    tower.bwm.start()

    assert wallet.ack(one["vaultId"]).status == 200


def test_pipelined_requests_are_answered_in_order(tower):
    raw = b"GET /generate_204 HTTP/1.1\r\nHost: localhost\r\n\r\n"
    answers = talk(tower.port, raw + raw.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    assert answers.count(b"HTTP/1.1 204") == 2
