"""The RPC client lives through everything a node does to its connections, and says what is wrong."""

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bwm.errors import (
    ConfigError,
    NodeBusy,
    NodeDown,
    NodeForbidden,
    NodeRefused,
    NodeUnauthorized,
    NodeWarmingUp,
)
from bwm.node.advice import user_lines
from bwm.node.credentials import CookieFile, UserPassword
from bwm.node.rpc import Rpc
from regtest.node import RegtestNode, free_port, wait_until
from tests.servers.scripted import ScriptedServer, http_answer

SOMEBODY = UserPassword("somebody", "s3cret")
SEVEN = http_answer("200 OK", b'{"result":7,"error":null,"id":1}')


@pytest.fixture
def rpc(node: RegtestNode) -> Rpc:
    return Rpc(node.rpc_url, CookieFile(node.cookie))


def connections_closed_by(port: int) -> int:
    """How many connections to a loopback port were closed by its server and not yet by us (tcp(7): CLOSE_WAIT)."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[2].endswith(f":{port:04X}") and row[3] == "08" for row in rows)


def test_a_call_and_a_batch_give_the_nodes_results(node, rpc):
    assert rpc.call("getblockcount") == 110
    assert rpc.batch([("getblockhash", (height,)) for height in range(3)]) == [node.block_hash(n) for n in range(3)]
    assert rpc.batch([]) == []


def test_a_bad_call_in_a_batch_leaves_the_others_their_results(node, rpc):
    first, unknown, above, last = rpc.batch(
        [("getblockhash", (0,)), ("nosuchcall", ()), ("getblockhash", (9999,)), ("getblockcount", ())]
    )

    assert (first, last) == (node.block_hash(0), 110)
    assert isinstance(unknown, NodeRefused)
    assert isinstance(above, NodeRefused)
    assert (above.method, above.code) == ("getblockhash", -8)


def test_a_refusal_carries_its_code_and_the_connection_goes_on(rpc):
    with pytest.raises(NodeRefused, match="out of range") as refusal:
        rpc.call("getblockhash", 9999)

    assert refusal.value.code == -8
    assert rpc.call("getblockcount") == 110


def test_a_connection_that_the_node_closed_for_idleness_is_made_anew(make_node):
    node = make_node(extra_args=["-rpcservertimeout=1"])
    rpc = Rpc(node.rpc_url, CookieFile(node.cookie))
    rpc.call("getblockcount")
    wait_until(lambda: connections_closed_by(node.rpc_port), "the node closes the idle connection")

    assert rpc.call("getblockcount") == 110

    wait_until(lambda: connections_closed_by(node.rpc_port), "the node closes the idle connection")
    assert rpc.batch([("getblockcount", ())]) == [110]


def test_a_restarted_node_with_a_new_cookie_is_met_again_by_the_same_client(node, rpc):
    rpc.call("getblockcount")
    cookie = node.cookie.read_text()

    node.restart()

    assert node.cookie.read_text() != cookie
    assert rpc.call("getblockcount") == 110


def test_a_cookie_that_changes_while_we_connect_is_read_again(node):
    stale = [b"__cookie__:of-the-last-run"]

    class ChangingCookie(CookieFile):
        def user_and_password(self) -> bytes:
            return stale.pop() if stale else super().user_and_password()

    assert Rpc(node.rpc_url, ChangingCookie(node.cookie)).call("getblockcount") == 110
    assert not stale


def test_eight_threads_share_one_client(make_node):
    node = make_node(extra_args=["-rpcworkqueue=64"])
    rpc = Rpc(node.rpc_url, CookieFile(node.cookie))
    hashes = [node.block_hash(height) for height in range(100)]

    def ask(thread: int) -> list[str]:
        return [rpc.call("getblockhash", (thread + n) % 100) for n in range(200)]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(8)))

    assert answers == [[hashes[(thread + n) % 100] for n in range(200)] for thread in range(8)]


def test_a_hung_node_is_down_within_the_time_limit_and_asked_only_once(node):
    rpc = Rpc(node.rpc_url, CookieFile(node.cookie), timeout_s=1)
    rpc.call("getblockcount")
    node.pause()

    begun = time.monotonic()
    with pytest.raises(NodeDown, match="did not answer getblockcount within 1 s"):
        rpc.call("getblockcount")
    assert time.monotonic() - begun < 1.9

    node.resume()
    assert rpc.call("getblockcount") == 110


def test_a_slow_call_may_have_a_longer_limit_than_the_others(node):
    rpc = Rpc(node.rpc_url, CookieFile(node.cookie), timeout_s=0.5)

    with pytest.raises(NodeDown):
        rpc.call("waitfornewblock", 900)
    assert rpc.call("waitfornewblock", 900, timeout_s=10)["height"] == 110
    assert rpc.batch([("waitfornewblock", (900,))], timeout_s=10)[0]["height"] == 110


def test_a_stopped_node_is_down(node, rpc):
    rpc.call("getblockcount")
    node.stop()

    with pytest.raises(NodeDown):
        rpc.call("getblockcount")
    with pytest.raises(NodeDown, match="cannot be reached"):
        Rpc(node.rpc_url, SOMEBODY).call("getblockcount")


def test_wrong_credentials_are_told_without_showing_them(node):
    with pytest.raises(NodeUnauthorized, match="401") as refusal:
        Rpc(node.rpc_url, SOMEBODY).call("getblockcount")

    assert "s3cret" not in f"{refusal.value!r}{SOMEBODY!r}{SOMEBODY}"


def test_a_missing_or_empty_cookie_says_so(node, folder):
    empty = folder / "empty"
    empty.touch()

    with pytest.raises(NodeDown, match="there is no cookie"):
        Rpc(node.rpc_url, CookieFile(folder / "nowhere" / ".cookie")).call("getblockcount")
    with pytest.raises(NodeUnauthorized, match="holds no user"):
        Rpc(node.rpc_url, CookieFile(empty)).call("getblockcount")


@pytest.mark.parametrize("password", ["a/b?c#d", "a%40b@c:d", "pässwörd ✓"])
def test_any_password_opens_the_node(make_node, password):
    lines = user_lines("bwm", password, "00" * 16, may_broadcast=False)
    node = make_node(blocks=1, extra_args=[f"-{line}" for line in lines])

    assert Rpc(node.rpc_url, UserPassword("bwm", password)).call("getblockchaininfo")["blocks"] == 1


def test_a_call_outside_the_whitelist_is_forbidden_by_name(make_node):
    lines = user_lines("bwm", "s3cret", "00" * 16, may_broadcast=False)
    node = make_node(blocks=1, extra_args=[f"-{line}" for line in lines])
    rpc = Rpc(node.rpc_url, UserPassword("bwm", "s3cret"))

    with pytest.raises(NodeForbidden, match=r"sendrawtransaction.*rpcwhitelist"):
        rpc.call("sendrawtransaction", "00")
    with pytest.raises(NodeForbidden, match="getblockcount, stop"):
        rpc.batch([("getblockcount", ()), ("stop", ())])
    assert rpc.call("getblockchaininfo")["blocks"] == 1
    assert node.height == 1, "rpcwhitelistdefault=0 leaves the cookie's user its rights"


def test_a_node_with_a_full_queue_is_busy(make_node):
    node = make_node(blocks=1, extra_args=["-rpcthreads=1", "-rpcworkqueue=1"])
    rpc = Rpc(node.rpc_url, CookieFile(node.cookie), timeout_s=20)
    outcomes = []

    def occupy() -> None:
        try:
            outcomes.append(rpc.call("waitfornewblock", 2000))
        except NodeBusy as error:
            outcomes.append(error)

    threads = [threading.Thread(target=occupy) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert any(isinstance(outcome, NodeBusy) for outcome in outcomes)
    assert any(isinstance(outcome, dict) for outcome in outcomes)


def test_a_starting_node_is_told_from_one_that_says_no():
    warming_up = http_answer("500 Internal Server Error", b'{"result":null,"error":{"code":-28,"message":"Verifying"}}')
    in_batch = http_answer("200 OK", b'[{"jsonrpc":"2.0","error":{"code":-28,"message":"Verifying"},"id":0}]')
    with ScriptedServer([[warming_up, in_batch, SEVEN]]) as server:
        rpc = Rpc(server.url, SOMEBODY)

        with pytest.raises(NodeWarmingUp, match="Verifying"):
            rpc.call("getblockcount")
        with pytest.raises(NodeWarmingUp):
            rpc.batch([("getblockcount", ())])
        assert rpc.call("getblockcount") == 7


@pytest.mark.parametrize(
    "answer",
    [
        http_answer("200 OK", b"<html>hello</html>", "text/html"),
        http_answer("502 Bad Gateway", b"later", "text/plain"),
        http_answer("200 OK", b"{", "application/json"),
        http_answer("200 OK", b"[]"),
        http_answer("200 OK", b"{}"),
        http_answer("200 OK", b"7"),
        http_answer("200 OK", b'{"result":1,"error":"what"}'),
        http_answer("200 OK", b"\xff"),
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{",
        b"",
    ],
)
@pytest.mark.parametrize("ask", [lambda rpc: rpc.call("getblockcount"), lambda rpc: rpc.batch([("getblockcount", ())])])
def test_what_is_no_nodes_answer_is_a_node_that_is_down(answer, ask):
    with ScriptedServer([[answer]]) as server, pytest.raises((NodeDown, NodeRefused)):
        ask(Rpc(server.url, SOMEBODY))


def test_a_read_over_a_dropped_connection_is_asked_once_more():
    with ScriptedServer([[SEVEN], [SEVEN]]) as server:
        rpc = Rpc(server.url, SOMEBODY)

        assert [rpc.call("getblockcount"), rpc.call("getblockcount")] == [7, 7]


def test_a_transaction_whose_fate_is_unknown_is_not_sent_again():
    # The first connection answers one read and is then gone; the second takes the transaction and breaks.
    with ScriptedServer([[SEVEN], [b""], [SEVEN]]) as server:
        rpc = Rpc(server.url, SOMEBODY)
        rpc.call("getblockcount")

        with pytest.raises(NodeDown):
            rpc.call("sendrawtransaction", "00")

        assert sum(b"sendrawtransaction" in request for request in server.requests) == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://u:s3cret@127.0.0.1:8332",
        "127.0.0.1:8332",
        "https://127.0.0.1:8332",
        "http://h",
        "http://h:x",
        "http://u:s3cret/@h:1",
    ],
)
def test_a_url_that_cannot_work_is_refused_without_repeating_it(url):
    with pytest.raises(ConfigError) as refusal:
        Rpc(url, SOMEBODY)

    assert "s3cret" not in str(refusal.value)


def test_an_ipv6_address_works_like_any_other(make_node):
    port = free_port()
    node = make_node(
        blocks=1,
        extra_args=[f"-rpcbind=[::1]:{port}", "-rpcallowip=::1", "-rpcallowip=127.0.0.1", "-rpcbind=127.0.0.1"],
    )

    assert Rpc(f"http://[::1]:{port}", CookieFile(node.cookie)).call("getblockcount") == 1


def test_parameters_and_results_never_reach_the_log(rpc, caplog):
    caplog.set_level(logging.DEBUG)

    rpc.call("getblockhash", 0)

    assert not [record for record in caplog.records if record.name == "BitcoinRPC"]
