"""What must not work, each by the number that it has in the list of attacks. X1 to X27 and X42 are the API's."""

import json
import socket
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from select import select
from uuid import uuid4

import pytest

from bwm.api.v1.openapi import document
from regtest.node import wait_until
from regtest.receiver import Receiver
from tests.api.conftest import running_tower
from tests.api.wallet import JSON, ask, post, talk, vault

REGISTER = "/regtest/watchtower/register"
ACK = "/regtest/watchtower/ack"
TXID = "ab" * 32


@pytest.fixture(scope="module")
def token(tower):
    return tower.bwm("add-token", f"x{uuid4().hex[:8]}", "--scope", "read", "--scope", "write").stdout.strip()


def rewind(tower, raw, path=REGISTER):
    return ask(tower.port, "POST", path, raw, JSON)


def v1(tower, token, raw, path="/v1/vaults", method="POST"):
    return ask(tower.port, method, path, raw, JSON | {"Authorization": f"Bearer {token}"})


def registration(**changes):
    body = {"pushToken": "t", "walletUUID": "w", "walletName": "n", "watchtowerId": "i", "vaults": [vault(TXID)]}
    return json.dumps(body | changes).encode()


def memory_kb(tower):
    status = Path(f"/proc/{tower.bwm.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])


# X4: bodies


@pytest.mark.parametrize("shape", ["with a length", "in chunks without an end"])
def test_x4_a_body_of_a_hundred_megabytes(tower, shape):
    before = memory_kb(tower)
    head = b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" % ACK.encode()
    piece = b" " * 65_536
    with socket.create_connection(("127.0.0.1", tower.port), timeout=20) as line:
        if shape == "with a length":
            line.sendall(head + b"Content-Length: 100000000\r\n\r\n")
            pieces = [piece] * 1525
        else:
            line.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n")
            pieces = [b"10000\r\n" + piece + b"\r\n"] * 1525
        with suppress(OSError):  # it does not listen any more
            for each in pieces:
                line.sendall(each)
        line.settimeout(5)
        try:
            answer = line.recv(100)
        except ConnectionError:
            answer = b"HTTP/1.1 413"  # the answer was lost with the line that was still talking
    assert b" 413" in answer
    assert memory_kb(tower) - before < 40_000


def test_x4_many_large_bodies_at_once_share_what_room_there_is(tower):
    head = b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" % REGISTER.encode()
    all_but_the_end = head + b"Content-Length: 4000000\r\n\r\n" + b" " * 3_999_999
    before = memory_kb(tower)

    def begin(line):
        with suppress(OSError):  # there was no room for it, and it is closed
            line.sendall(all_but_the_end)

    lines = [socket.create_connection(("127.0.0.1", tower.port), timeout=20) for _ in range(40)]
    try:
        with ThreadPoolExecutor(len(lines)) as senders:
            list(senders.map(begin, lines))
        wait_until(lambda: len(select(lines, [], [], 0)[0]) >= 30, "most of them to be sent away")
        assert memory_kb(tower) - before < 80_000
        assert tower.wallet().register(vault(TXID)).status == 200  # what is small finds room
    finally:
        for line in lines:
            line.close()
    many = [vault(TXID) | {"padding": "a" * 4000} for _ in range(100)]
    wait_until(lambda: tower.wallet().register(*many).status == 200, "room again")


def test_x4_callers_are_counted_one_by_one_and_by_how_much_they_send(tower, tmp_path):
    with running_tower(tmp_path / "bwm", tower.node, "trust_proxy = true\n") as behind_proxy:

        def status(caller, path="/generate_204", raw=None):
            headers = JSON | {"X-Forwarded-For": caller}
            return ask(behind_proxy.port, "POST" if raw else "GET", path, raw, headers).status

        large = b" " * 4_000_000
        assert [status("192.0.2.1", REGISTER, large) for _ in range(5)] == [400, 400, 400, 429, 429]
        statuses = [status("::ffff:192.0.2.2") for _ in range(250)]
        assert statuses[0] == 204
        assert 429 in statuses
        assert status("::ffff:192.0.2.3") == 204  # of another address, though of the same network of IPv6


# X5 to X9: what a body may hold

HOSTILE = {
    "x5 nested 60,000 deep": b'{"pushToken":' + b"[" * 60_000,
    "x5 nested, whole": b'{"a":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    "x6 a number of 5,000 digits": b'{"pushToken":"t","vaultId":' + b"9" * 5000 + b"}",
    "x6 NaN": b'{"pushToken":"t","vaultId":NaN}',
    "x6 infinity": b'{"pushToken":"t","vaultId":-Infinity}',
    "x6 1e400": b'{"pushToken":"t","vaultId":1e400}',
    "x6 a key twice": b'{"pushToken":"t","pushToken":"u","vaultId":"v"}',
    "x8 NUL": b'{"pushToken":"t","vaultId":"a\\u0000b"}',
    "x8 half a surrogate pair": b'{"pushToken":"t","vaultId":"\\ud800"}',
    "x8 no UTF-8": b'{"pushToken":"t","vaultId":"\xff"}',
    "x8 bidi": b'{"pushToken":"t","vaultId":"a\\u202eb"}',
    "x8 ANSI": b'{"pushToken":"t","vaultId":"\\u001b[31m"}',
    "x8 a label of 60,000 bytes": b'{"pushToken":"t","vaultId":"' + b"a" * 60_000 + b'"}',
}


@pytest.mark.parametrize("raw", HOSTILE.values(), ids=HOSTILE.keys())
def test_x5_to_x8_json_that_nobody_honest_sends(tower, token, raw):
    for answer in (rewind(tower, raw, ACK), v1(tower, token, raw.replace(b"pushToken", b"name"))):
        assert answer.status == 400, answer.body
        assert b"Traceback" not in answer.body


def test_x7_wrong_types_everywhere(tower, token):
    values = [True, 1, 1.5, None, [], {}, "x", [1], [None], {"a": 1}]
    for name in ("pushToken", "walletUUID", "walletName", "watchtowerId", "locale", "vaults"):
        assert {rewind(tower, registration(**{name: value})).status for value in values} <= {200, 400}
    for name in (
        "name",
        "txids",
        "outpoints",
        "addresses",
        "descriptors",
        "birthday",
        "severity",
        "final_depth",
        "tags",
    ):
        statuses = {v1(tower, token, json.dumps({name: value}).encode()).status for value in values}
        assert statuses == {400}


@pytest.mark.parametrize("name", ["walletName", "walletUUID", "watchtowerId", "pushToken"])
@pytest.mark.parametrize("text", ["a\x00", "\ud800", "\x1b[31m", "a\u202eb", "\r\nSet-Cookie: a", "x" * 1_000_000])
def test_x8_labels_are_refused_before_they_reach_a_database(tower, name, text):
    assert rewind(tower, registration(**{name: text})).status == 400


@pytest.mark.parametrize(
    ("txid", "status"),
    [("AB" * 32, 200), ("a" * 63, 400), ("a" * 65, 400), (f"0x{TXID}", 400), (f" {TXID}", 400), ("１" * 64, 400)],
)
def test_x9_txids_in_other_clothes(tower, txid, status):
    assert rewind(tower, registration(vaults=[vault(txid)])).status == status


@pytest.mark.parametrize("text", ["'; DROP TABLE vault; --", '" OR 1=1 --', "%' --", "\\"])
def test_x10_sql_is_plain_text(tower, token, text):
    wallet = tower.wallet(token=text)
    one = vault(TXID, name=text)
    assert wallet.register(one).status == 200
    assert wallet.ack(text).status == 200
    assert tower.wallet().ack(text).status == 404
    escaped = "".join(f"%{ord(char):02x}" for char in text)
    assert v1(tower, token, None, f"/v1/vaults/{escaped}", "GET").status == 404
    assert v1(tower, token, None, f"/v1/events?vault={escaped}", "GET").status == 400


@pytest.mark.parametrize("network", ["..", "%2e%2e", "../../etc", "/etc/passwd", "regtest%00", "C:\\"])
def test_x11_and_x12_a_network_is_one_of_four_names(tower, network):
    answer = ask(tower.port, "POST", f"/{network.replace(' ', '%20')}/watchtower/register", registration(), JSON)
    assert answer.status in (400, 404)


# X14 to X18: what is another's


def test_x14_to_x18_devices_do_not_learn_of_each_other_or_answer_for_each_other(tower):
    victim, stranger = tower.wallet(), tower.wallet()
    txid, raw = tower.signed_trigger()
    one = vault(txid)
    victim.register(one)
    stranger.register(vault(txid))
    tower.node.send(raw)
    tower.expo.wait_for(victim.token)
    assert one["vaultId"] not in json.dumps(stranger.notifications())
    assert stranger.ack(one["vaultId"]).status == 404
    assert len(victim.notifications()) == 1
    assert [victim.ack(one["vaultId"]).status for _ in range(3)] == [200, 200, 200]
    assert victim.notifications() == []


# X19 to X22: nothing that a caller names is ever fetched


def test_x19_to_x22_nothing_that_a_caller_names_is_fetched(tower):
    with Receiver() as inner:
        url = inner.url("http")
        wallet = tower.wallet(name=url)
        txid, raw = tower.signed_trigger()
        one = vault(txid, commitment=url, callback=url, webhook=f"json://127.0.0.1/?redirect=yes&u={url}")
        assert wallet.register(one, watchtowerId=url, url=url, callbackUrl=url).status == 200
        tower.node.send(raw)
        [push] = tower.expo.wait_for(wallet.token)
        assert push["data"]["watchtowerId"] == url
        assert inner.received == []


def test_x19_to_x22_no_field_of_the_api_is_a_url_or_a_channel():
    names = set()
    for methods in document()["paths"].values():
        for operation in methods.values():
            content = operation.get("requestBody", {}).get("content", {})
            for kind in content.values():
                names |= kind["schema"]["properties"].keys()
                assert kind["schema"]["additionalProperties"] is False
    assert names
    assert not [name for name in names if any(word in name for word in ("url", "channel", "hook", "host", "callback"))]


# X23 to X27: the wire


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil", ""])
def test_x23_a_name_that_leads_here_is_not_enough(tower, host):
    raw = f"GET /generate_204 HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
    assert b" 400 " in talk(tower.port, raw).partition(b"\r\n")[0]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:80", "[::1]:8480", "10.0.0.5"])
def test_x23_addresses_are(tower, host):
    raw = f"GET /generate_204 HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
    assert b" 204 " in talk(tower.port, raw).partition(b"\r\n")[0]


def test_x24_a_web_page_cannot_ask_for_its_visitor(tower, token):
    page = {"Origin": "https://evil.example", "Cookie": f"token={token}", "Content-Type": "text/plain"}
    assert ask(tower.port, "GET", "/v1/vaults", None, page).status in (401, 429)
    assert ask(tower.port, "POST", REGISTER, registration(), page).status == 400
    for answer in (ask(tower.port, "OPTIONS", REGISTER, None, page), post(tower.port, ACK, {}, page)):
        assert not [name for name in answer.headers if name.startswith("access-control")]


def test_x25_who_speaks_slowly_is_cut_off_and_others_are_served(tower):
    lines = [socket.create_connection(("127.0.0.1", tower.port), timeout=20) for _ in range(500)]
    try:
        for line in lines:
            with suppress(OSError):  # one too many
                line.sendall(b"GET /generate_204 HTTP/1.1\r\nHost: ")
        wallet, (txid, raw) = tower.wallet(), tower.signed_trigger()
        began = time.monotonic()
        for line in lines:
            line.settimeout(max(0.1, 13 - (time.monotonic() - began)))
            with suppress(ConnectionError):
                assert line.recv(1000)[:12] in (b"", b"HTTP/1.1 400")
        assert time.monotonic() - began < 14
        wallet.register(vault(txid))
        tower.node.send(raw)
        tower.expo.wait_for(wallet.token)
    finally:
        for line in lines:
            line.close()


RAW = {
    "a head of 100 KB": b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
    "ten thousand headers": b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"A: b\r\n" * 10_000 + b"\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "a length and chunks": b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n"
    b"\r\n0\r\n\r\nGET /generate_204 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a folded header": b"GET / HTTP/1.1\r\nHost: localhost\r\nA: b\r\n c\r\n\x00: d\r\n\r\n",
    "a space before the colon": b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length : 1\r\n\r\na",
    "a negative length": b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "two hosts": b"GET /generate_204 HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
}


@pytest.mark.parametrize("raw", RAW.values(), ids=RAW.keys())
def test_x26_shapes_of_smuggling(tower, raw):
    try:
        answer = talk(tower.port, raw)
    except ConnectionError:
        answer = b""
    first = answer.partition(b"\r\n")[0]
    assert first == b"" or first.split(b" ")[1] in (b"400", b"404", b"413", b"431")
    assert answer.count(b"HTTP/1.1") <= 2
    assert b" 204 " not in answer


@pytest.mark.parametrize("given", ['"}{"', "a b", "\u00e9", "a" * 5000, "\t", "<script>"])
def test_x27_a_request_id_is_a_word_or_it_is_made_anew(tower, given):
    raw = b"GET /generate_204 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-Request-ID: "
    answer = talk(tower.port, raw + given.encode("latin-1") + b"\r\n\r\n")
    assert b"\r\n\r\n" in answer
    assert answer.count(b"x-request-id") == 1
    assert b"Set-Cookie" not in answer


def test_x28_who_copies_the_database_has_no_push_token(tower):
    wallet = tower.wallet()
    wallet.register(vault(TXID))
    with closing(sqlite3.connect(f"file:{tower.bwm.database}?mode=ro", uri=True)) as database:
        dump = "\n".join(database.iterdump())
    assert wallet.uuid in dump
    assert wallet.token not in dump
    assert wallet.token.encode().hex() not in dump.lower()


def test_x42_a_watched_txid_is_taken_like_any_other(tower):
    known = vault(TXID)
    tower.wallet().register(known)
    answers = [tower.wallet().register(vault(txid)) for txid in (TXID, "cd" * 32)]
    assert len({(answer.status, answer.body, tuple(sorted(answer.headers))) for answer in answers}) == 1


def test_x45_no_log_holds_a_secret_at_any_level(tower, token):
    secrets = [token.split("_", 2)[2], *(push["to"] for push in tower.expo.pushes)]
    log = tower.bwm.log_text()
    assert not [secret for secret in secrets if secret in log]
