"""N: the node restarts, hangs, answers late or not at all, is another one, has lost its blocks."""

import threading
import time
from http.client import HTTPException
from json import JSONDecodeError

import pytest

from bwm.health import slow_conditions
from regtest.node import RegtestNode, wait_until
from tests.faults.conftest import found, with_vault
from tests.faults.network import http_answer
from tests.faults.tools import Clock

BLIND_WITHIN_S = 120
WARMING_UP = http_answer("500 Internal Server Error", '{"error":{"code":-28,"message":"Loading block index"},"id":0}')


def test_n1_a_node_that_restarts_loses_messages_and_nothing_is_missed(node, cold, coins, thief, hold):
    cold.start()
    first = node.spend(coins[0], thief)
    found(cold, first)

    node.restart()
    second = node.spend(coins[1], thief)

    found(cold, second)
    node.mine()
    hold(cold, first, second)


def test_n2_what_happens_while_the_node_cannot_be_reached_is_found_on_its_return(
    node, behind, rpc_proxy, zmq_proxy, coins, thief, hold, folder, dice
):
    bwm = behind(rpc=rpc_proxy, feed=zmq_proxy)
    clock = Clock(folder)
    bwm.surroundings |= clock.environment
    bwm.start()
    for proxy in (rpc_proxy, zmq_proxy):
        proxy.refusing = True
        proxy.cut()

    began = time.monotonic()
    clock.forward(40)
    wait_until(lambda: bwm.rows("SELECT * FROM setting WHERE name = 'troubles' AND value LIKE '%node%'"), "the trouble")
    clock.forward(50)
    bwm.wait_for_alert(kind="node.unreachable", timeout_s=BLIND_WITHIN_S)
    assert time.monotonic() - began < BLIND_WITHIN_S

    heights = sorted(dice.sample(range(50), 3))
    thefts = []
    for number in range(50):
        if number in heights:
            thefts.append(node.spend(coins[len(thefts)], thief))
        node.mine()
    for proxy in (rpc_proxy, zmq_proxy):
        proxy.refusing = False
    for theft in thefts:
        found(bwm, theft, timeout_s=60)
    bwm.wait_for_alert(kind="node.reachable")
    hold(bwm, *thefts)
    assert bwm.rows("SELECT * FROM blindness WHERE ended_at IS NOT NULL")


def test_n3_a_node_that_warms_up_is_waited_for(node, behind, rpc_proxy, coins, thief, hold):
    rpc_proxy.answer = WARMING_UP
    bwm = behind()
    bwm.config.write_text(bwm.config.read_text().replace(node.rpc_url, f"http://127.0.0.1:{rpc_proxy.port}"))
    bwm.start(until_ready=False)
    theft = node.spend(coins[0], thief)
    wait_until(lambda: "starting" in bwm.log_text(), "a word about the node")
    time.sleep(3)
    assert bwm.is_running

    rpc_proxy.answer = None
    rpc_proxy.cut()
    found(bwm, theft)
    hold(bwm, theft)


def test_n4_a_new_cookie_is_read_and_no_password_is_logged(node, cold, coin, thief, hold):
    cold.start()
    old = node.cookie.read_text()
    node.restart()
    assert node.cookie.read_text() != old

    theft = node.spend(coin, thief)
    found(cold, theft)
    hold(cold, theft)
    for cookie in (old, node.cookie.read_text()):
        assert cookie.partition(":")[2] not in cold.log_text()


def test_n5_a_node_whose_work_queue_is_full_is_asked_again(make_node, make_bwm, receiver, hold):
    node = make_node("busy", extra_args=["-rpcthreads=2", "-rpcworkqueue=1"])
    coin = node.pay(node.new_address(), 5_000_000)
    node.mine()
    thief = node.new_address(wallet="thief")
    bwm = with_vault(make_bwm(node, receiver_url=receiver.url()), [coin])
    bwm.start()
    theft = until_it_answers(lambda: node.spend(coin, thief))
    until_it_answers(node.mine)
    over = threading.Event()

    def hammer() -> None:
        while not over.is_set():
            try:
                node.rpc("getblock", node.block_hash(110), 2)
            except Exception:
                over.wait(0.01)

    threads = [threading.Thread(target=hammer) for _ in range(8)]
    for thread in threads:
        thread.start()
    try:
        time.sleep(3)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    found(bwm, theft)
    until_it_answers(lambda: hold(bwm, theft, node=node))


def until_it_answers(ask):
    """What the node says once it has time for us."""
    while True:
        try:
            return ask()
        except (JSONDecodeError, HTTPException):
            time.sleep(0.05)


def test_n6_a_hung_node_is_a_timeout_and_an_alert(node, cold, coin, thief, hold):
    cold.start()
    theft = node.spend(coin, thief)
    found(cold, theft)
    node.pause()
    began = time.monotonic()
    cold.wait_for_alert(kind="node.unreachable", timeout_s=BLIND_WITHIN_S)
    assert time.monotonic() - began < BLIND_WITHIN_S
    assert "within 10 s" in cold.events("node.unreachable")[0]["reason"]

    node.resume()
    cold.wait_for_alert(kind="node.reachable")
    node.mine()
    hold(cold, theft)
    for word in ("health.trouble condition=node ", "health.mended condition=node"):
        assert cold.log_text().count(word) == 1


def test_n7_a_node_of_another_network_is_refused_at_once_and_after_a_swap(
    node, behind, rpc_proxy, coins, thief, hold, folder, bitcoind
):
    bwm = behind(rpc=rpc_proxy)
    bwm.start()
    with OtherNetwork(folder / "other", bitcoind=bitcoind, topics=()) as other:
        other.cookie.parent.mkdir(exist_ok=True)
        bwm.config.write_text(bwm.config.read_text().replace(str(node.cookie), str(folder / "cookie")))
        (folder / "cookie").write_text(node.cookie.read_text())
        bwm.stop()
        bwm.start()
        (folder / "cookie").write_text(other.cookie.read_text())
        rpc_proxy._target_port = other.rpc_port
        rpc_proxy.cut()
        bwm.wait_for_alert(kind="node.wrong_network")
        before = bwm.rows("SELECT * FROM block")
        bwm.stop()
        bwm.start(until_ready=False)
        theft = node.spend(coins[0], thief)
        node.mine()
        time.sleep(2)
        assert bwm.is_running
        assert bwm.rows("SELECT * FROM block") == before
        rpc_proxy._target_port = node.rpc_port
        (folder / "cookie").write_text(node.cookie.read_text())
        rpc_proxy.cut()
    found(bwm, theft)
    bwm.wait_for_alert(kind="node.right_network")
    hold(bwm, theft)


class OtherNetwork(RegtestNode):
    """A node of testnet4 without peers: only its first block."""

    def _arguments(self) -> list[str]:
        self.cookie = self.folder / "testnet4" / ".cookie"
        return [one for one in super()._arguments() if one not in ("-regtest", "-fastprune")] + ["-testnet4"]


def test_n8_a_node_that_still_syncs_gives_no_final_states_and_no_absences(
    make_node, make_bwm, receiver, hold, bitcoind
):
    """Blocks made three days ago keep the node in its initial download."""
    old = make_node("old", blocks=0, topics=(), extra_args=[f"-mocktime={int(time.time()) - 3 * 86400}"])
    old.mine(110)
    coin = old.pay(old.new_address(), 5_000_000)
    old.mine()
    syncing = make_node("syncing", blocks=0)
    feed(old, syncing)
    bwm = with_vault(make_bwm(syncing, receiver_url=receiver.url()), [coin])
    bwm.start(until_ready=False)
    bwm.wait_for_row("SELECT * FROM block")
    theft = old.spend(coin, old.new_address(wallet="thief"))
    old.mine(8)
    feed(old, syncing)

    bwm.wait_for_event("trigger.confirmed", txid=theft)
    wait_until(lambda: bwm.rows("SELECT MAX(height) AS h FROM block")[0]["h"] == old.height, "the last block")
    assert bwm.status()["node"]["syncing"]
    assert not bwm.status()["covered"]
    assert bwm.events("trigger.final") == []

    syncing.mine()
    wait_until(lambda: bwm.status()["covered"], "the end of the sync")
    syncing.mine()
    bwm.wait_for_event("trigger.final", txid=theft)
    hold(bwm, theft, node=syncing)


def feed(source: RegtestNode, target: RegtestNode) -> None:
    """Hand over the blocks that the other node does not have."""
    for height in range(target.height + 1, source.height + 1):
        target.rpc("submitblock", source.rpc("getblock", source.block_hash(height), 0))


def test_n9_a_pruned_block_is_an_honest_gap_and_the_coins_are_probed(make_node, make_bwm, receiver, hold):
    node = make_node("pruned", extra_args=["-fastprune", "-prune=1"])
    coins = [node.pay(node.new_address(), 5_000_000) for _ in range(3)]
    node.mine()
    bwm = with_vault(make_bwm(node, receiver_url=receiver.url()), coins)
    bwm.start()
    seen = node.spend(coins[2], node.new_address(wallet="thief"))
    found(bwm, seen)
    bwm.stop()
    stolen = node.spend(coins[0], node.new_address(wallet="thief"))
    node.mine(600)
    assert node.rpc("pruneblockchain", node.height - 300) > 112

    bwm.start(until_ready=False)
    gap = bwm.wait_for_event("node.gap")
    assert bwm.wait_for_event("trigger.confirmed", txid=seen)["height"] == 112
    assert gap["detail"]["first_height"] == 112
    gone = bwm.wait_for_event("trigger.coin_gone")
    assert (gone["vault"], gone["trigger_key"]) == ("cold", coins[0])
    bwm.wait_for_alert(kind="node.gap")
    bwm.wait_for_alert(kind="trigger.coin_gone", severity="emergency")
    assert [event["trigger_key"] for event in bwm.events("trigger.coin_gone")] == [coins[0]]

    theft = node.spend(coins[1], node.new_address(wallet="thief"))
    found(bwm, theft)
    hold(bwm, theft, seen, node=node)
    assert bwm.events(txid=stolen) == []


def test_n12_a_node_with_another_chain_is_told_and_read_from_the_birthday_on(
    node, make_node, behind, rpc_proxy, coins, thief, folder
):
    bwm = behind(rpc=rpc_proxy)
    bwm.config.write_text(bwm.config.read_text().replace(str(node.cookie), str(folder / "cookie")))
    (folder / "cookie").write_text(node.cookie.read_text())
    address = node.new_address()
    bwm("add-vault", "script", "--address", address, "--birthday", "0")
    bwm.start()
    other = make_node("other", blocks=105)
    other.rpc("sendtoaddress", address, "0.5", wallet="miner", fee_rate=10)
    other.mine(10)
    (folder / "cookie").write_text(other.cookie.read_text())
    rpc_proxy._target_port = other.rpc_port
    rpc_proxy.cut()

    bwm.wait_for_alert(kind="node.chain_replaced")
    bwm.wait_for_event("funds.confirmed", vault="script")
    wait_until(lambda: bwm.rows("SELECT * FROM block WHERE hash = ?", other.tip), "the other chain's tip")


def test_n13_a_node_that_takes_five_seconds_for_every_answer_is_followed(node, behind, rpc_proxy, coins, thief, hold):
    bwm = behind(rpc=rpc_proxy)
    bwm.start()
    rpc_proxy.delay_s = 5
    theft = node.spend(coins[0], thief)
    node.mine()
    event = found(bwm, theft, timeout_s=200)
    bwm.wait_for_alert(txid=theft, timeout_s=5)
    assert event["vault"] == "cold"
    rpc_proxy.delay_s = 0
    hold(bwm, theft)


SIGNET_PATIENCE_S = 100


class SignetNode(RegtestNode):
    """A signet of its own, whose blocks need no signature and a few million hashes: blocks are due there."""

    def _arguments(self) -> list[str]:
        self.cookie = self.folder / "signet" / ".cookie"
        kept = [one for one in super()._arguments() if one not in ("-regtest", "-fastprune")]
        return [*kept, "-signet", "-signetchallenge=51"]


def test_n10_an_old_tip_climbs_the_ladder_of_warnings(folder, bitcoind, make_bwm, receiver):
    with SignetNode(folder / "signet", bitcoind=bitcoind) as node:
        address = node.new_address(wallet="miner")
        wait_until(
            lambda: node.rpc("generatetoaddress", 1, address, 5_000_000, timeout_s=100), "a block", SIGNET_PATIENCE_S
        )
        bwm = make_bwm(node, receiver_url=receiver.url())
        bwm.config.write_text(bwm.config.read_text().replace('"regtest"', '"signet"', 1))
        clock = Clock(folder)
        bwm.surroundings |= clock.environment
        bwm.start(until_ready=False)
        bwm.wait_for_row("SELECT * FROM block")
        for minutes, kind in ((61, "node.tip_old"), (91, "node.tip_very_old"), (121, "node.tip_stale")):
            clock.set(minutes * 60)
            bwm.wait_for_alert(kind=kind)
        assert not bwm.status()["covered"]


@pytest.mark.parametrize("blocks", [18, 36])
def test_n11_blocks_at_half_their_speed_are_told(blocks):
    assert bool(slow_conditions(18, 6 * 3600 * 18 // blocks + 1)) == (blocks == 18)
