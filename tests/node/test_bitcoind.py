"""bitcoind's answers, as values of ours."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from bwm.chain.block import BlockRef
from bwm.chain.network import network
from bwm.chain.outpoint import outpoint_text, parse_outpoint
from bwm.errors import BlockUnavailable, NodeError, NodeRefused, UsageError, WrongNetwork
from bwm.node.advice import user_lines
from bwm.node.answers import Coin, Notification
from bwm.node.bitcoind import Bitcoind
from bwm.node.credentials import CookieFile, UserPassword
from bwm.node.descriptors import checksum
from bwm.node.rpc import Rpc
from regtest.node import HIGH_WATER_MARK, RegtestNode, wait_until
from tests.servers.scripted import ScriptedServer, http_answer

UNKNOWN = "11" * 32


def beside(node: RegtestNode) -> Bitcoind:
    return Bitcoind(Rpc(node.rpc_url, CookieFile(node.cookie), timeout_s=30))


@pytest.fixture
def bitcoin(node: RegtestNode) -> Bitcoind:
    return beside(node)


def script_of(node: RegtestNode, address: str) -> bytes:
    return bytes.fromhex(node.rpc("validateaddress", address)["scriptPubKey"])


def own_descriptor(node: RegtestNode) -> str:
    """The wallet's descriptor for receiving at bech32 addresses, with its checksum."""
    node.new_address()
    descriptors = node.rpc("listdescriptors", wallet="vault")["descriptors"]
    return next(each["desc"] for each in descriptors if each["desc"].startswith("wpkh(") and not each["internal"])


def two_branches(bitcoin: Bitcoind, descriptor: str) -> str:
    both = descriptor.partition("#")[0].replace("/0/*", "/<0;1>/*")
    return f"{both}#{checksum(bitcoin.rpc, both)}"


def test_the_nodes_state_in_one_value(node, bitcoin):
    info = bitcoin.info()

    assert (info.chain, info.height, info.hash, info.headers) == ("regtest", 110, node.tip, 110)
    assert not info.initial_block_download
    assert (info.pruned, info.prune_height) == (False, None)
    assert info.median_time <= info.tip_time == bitcoin.block_header(node.tip).time
    assert info.version >= 240_000
    assert info.subversion.startswith("/Satoshi:")
    assert bitcoin.tip() == BlockRef(110, node.tip)


def test_a_node_that_has_no_new_block_is_in_initial_download(make_node):
    assert beside(make_node(blocks=0)).info().initial_block_download


def test_another_network_is_refused_and_both_are_named(bitcoin):
    bitcoin.check_network(network("regtest"))

    with pytest.raises(WrongNetwork, match=r"watches signet.*on regtest"):
        bitcoin.check_network(network("signet"))


def test_headers_of_active_stale_and_unknown_blocks(node, bitcoin):
    stale = node.mine(2)[0]
    node.reorg(2)

    assert bitcoin.block_header(stale).confirmations == -1
    assert bitcoin.block_header(node.tip).confirmations == 1
    assert bitcoin.block_header(node.tip).previous == node.block_hash(node.height - 1)
    assert bitcoin.block_header(bitcoin.block_hash(0)).previous is None
    assert bitcoin.block_header(UNKNOWN) is None


def test_a_block_comes_as_serialised_and_an_unknown_one_is_refused(node, bitcoin):
    assert bitcoin.block(node.tip).hex() == node.rpc("getblock", node.tip, 0)
    with pytest.raises(NodeRefused):
        bitcoin.block(UNKNOWN)
    with pytest.raises(NodeRefused):
        bitcoin.block_hash(9999)


def test_a_pruned_block_is_unavailable_and_not_unknown(make_node):
    node = make_node(extra_args=["-prune=1"], blocks=600)
    node.rpc("pruneblockchain", 300)
    bitcoin = beside(node)

    lowest = bitcoin.info().prune_height

    assert bitcoin.info().pruned
    assert 1 < lowest <= 301
    assert bitcoin.block(node.block_hash(lowest))
    with pytest.raises(BlockUnavailable, match="pruned"):
        bitcoin.block(node.block_hash(lowest - 1))


def test_waiting_for_a_block_ends_with_the_block_or_with_the_time(node, bitcoin):
    before = bitcoin.tip()
    assert bitcoin.wait_for_new_block(0.1, before.hash) == before

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(bitcoin.wait_for_new_block, 30, before.hash)
        [mined] = node.mine()
        assert waiting.result(10) == BlockRef(111, mined)

    assert bitcoin.wait_for_new_block(30, before.hash) == BlockRef(111, mined), "what came before the call counts"


def test_a_transaction_is_found_in_the_mempool_and_in_its_block(node, bitcoin):
    txid = node.pay(node.new_address(), 1_000_000).split(":")[0]
    raw = bytes.fromhex(node.rpc("getrawtransaction", txid))
    in_mempool = bitcoin.transaction(txid)
    assert (in_mempool.raw, in_mempool.block_hash, in_mempool.in_active_chain) == (raw, None, None)

    [block] = node.mine()

    assert bitcoin.transaction(txid) is None, "no txindex"
    mined = bitcoin.transaction(txid, block)
    assert (mined.raw, mined.block_hash, mined.in_active_chain, mined.confirmations) == (raw, block, True, 1)
    assert bitcoin.transaction(txid, UNKNOWN) is None
    node.reorg(1)
    assert bitcoin.transaction(txid, block).in_active_chain is False


def test_the_mempool_by_txid_and_by_content(node, bitcoin):
    txids = {node.pay(node.new_address(), 100_000).split(":")[0] for _ in range(3)}

    listed, sequence = bitcoin.mempool_txids()

    assert set(listed) == txids
    assert sequence > 3
    contents = bitcoin.raw_transactions([*txids, UNKNOWN])
    assert {txid: raw.hex() for txid, raw in contents.items()} == {
        txid: node.rpc("getrawtransaction", txid) for txid in txids
    }


def test_what_a_confirmed_transaction_spends_is_told_with_its_scripts(node, bitcoin):
    address = node.new_address()
    coin = node.pay(address, 2_000_000)
    node.mine()
    theft = node.spend(coin, node.new_address(wallet="thief"))
    [block] = node.mine()

    [spent] = bitcoin.prevouts(block, theft)

    assert (spent.sats, spent.script) == (2_000_000, script_of(node, address))
    coinbase = node.rpc("getblock", block)["tx"][0]
    assert bitcoin.prevouts(block, coinbase) == ()

    node.rpc("invalidateblock", block)
    [(key, taken)] = bitcoin.coins_spent(block).items()  # of a stale block too
    assert (outpoint_text(key), taken.sats, taken.script) == (coin, spent.sats, spent.script)
    assert taken.height == node.height
    with pytest.raises(NodeRefused):
        bitcoin.coins_spent(UNKNOWN)


def test_a_coin_through_its_life(node, bitcoin):
    address = node.new_address()
    coin = node.pay(address, 3_000_000)
    key, script = parse_outpoint(coin), script_of(node, address)

    assert bitcoin.coin(key, include_mempool=True) == Coin(3_000_000, script, None)
    assert bitcoin.coin(key, include_mempool=False) is None
    node.mine()
    node.mine()
    assert bitcoin.coin(key, include_mempool=False) == Coin(3_000_000, script, 111)
    theft = node.spend(coin, node.new_address(wallet="thief"))
    assert bitcoin.coin(key, include_mempool=True) is None
    assert bitcoin.coin(key, include_mempool=False).height == 111
    assert bitcoin.spent_in_mempool([key, bytes(36)]) == {key: theft}
    node.mine()
    assert bitcoin.coin(key, include_mempool=False) is None
    assert bitcoin.spent_in_mempool([key]) == {}


def test_many_coins_are_asked_in_parts(node, bitcoin):
    rewards = {
        parse_outpoint(f"{node.rpc('getblock', node.block_hash(height))['tx'][0]}:0"): height for height in range(1, 21)
    }
    unknown = [bytes.fromhex(UNKNOWN) + number.to_bytes(4, "little") for number in range(6000)]

    found = bitcoin.coins([*unknown[:500], *rewards], include_mempool=False)

    assert {key: coin.height for key, coin in found.items()} == rewards
    assert bitcoin.spent_in_mempool([*unknown, *rewards]) == {}


def test_an_index_that_no_transaction_can_have_spoils_nothing(node, bitcoin):
    coin = node.pay(node.new_address(), 1_000_000)
    node.mine()
    theft = node.spend(coin, node.new_address())
    impossible = [bytes.fromhex(UNKNOWN) + bytes.fromhex(index) for index in ("ffffffff", "00000080")]

    assert bitcoin.spent_in_mempool([*impossible, parse_outpoint(coin)]) == {parse_outpoint(coin): theft}
    assert bitcoin.coins(impossible, include_mempool=False) == {}


def test_a_transaction_is_tried_sent_and_sent_again(node, bitcoin):
    coin = node.pay(node.new_address(), 1_000_000)
    node.mine()
    raw = bytes.fromhex(node.signed_spend(coin, node.new_address(), feerate=20))
    txid = node.rpc("decoderawtransaction", raw.hex())["txid"]

    [verdict] = bitcoin.test_mempool_accept([raw])
    assert (verdict.txid, verdict.allowed, verdict.reason) == (txid, True, None)
    assert verdict.fee_sats >= 20 * verdict.vsize
    [too_dear] = bitcoin.test_mempool_accept([raw], max_feerate_sats_per_kvb=10_000)
    assert (too_dear.allowed, too_dear.reason) == (False, "max-fee-exceeded")
    with pytest.raises(NodeRefused, match="exceeds maximum"):
        bitcoin.send_raw_transaction(raw, max_feerate_sats_per_kvb=10_000)

    assert bitcoin.send_raw_transaction(raw) == txid
    assert bitcoin.send_raw_transaction(raw) == txid
    assert node.mempool() == {txid}


def test_a_transaction_that_burns_is_sent_only_up_to_the_limit(node, bitcoin):
    coin = node.pay(node.new_address(), 1_000_000)
    node.mine()
    txid, vout = coin.split(":")
    burning = node.rpc("createrawtransaction", [{"txid": txid, "vout": int(vout)}], [{"data": "00"}])
    signed = bytearray.fromhex(node.rpc("signrawtransactionwithwallet", burning, wallet="vault")["hex"])

    with pytest.raises(NodeRefused):
        bitcoin.send_raw_transaction(bytes(signed), max_burn_sats=0)


def test_a_descriptor_gives_the_addresses_of_its_branches(node, bitcoin):
    descriptor = own_descriptor(node)

    [addresses] = bitcoin.derive(descriptor, 0, 4)
    branches = bitcoin.derive(two_branches(bitcoin, descriptor), 0, 4)

    assert addresses == node.rpc("deriveaddresses", descriptor, [0, 4])
    assert branches[0] == addresses
    assert len(branches) == 2
    assert not set(branches[1]) & set(addresses)
    assert bitcoin.derive(descriptor, 3, 3) == [[addresses[3]]]


def test_a_descriptor_without_a_range_gives_its_one_address(node, bitcoin):
    address = node.new_address()
    descriptor = f"addr({address})"

    assert bitcoin.derive(f"{descriptor}#{checksum(bitcoin.rpc, descriptor)}", 0, 19) == [[address]]


def test_a_bad_descriptor_is_refused_with_the_reason(node, bitcoin):
    descriptor = own_descriptor(node)
    bare = descriptor.partition("#")[0]

    with pytest.raises(UsageError, match=f"no checksum.*#{checksum(bitcoin.rpc, bare)}"):
        bitcoin.derive(bare, 0, 4)
    with pytest.raises(UsageError, match="does not match"):
        bitcoin.derive(f"{bare}#00000000", 0, 4)
    with pytest.raises(UsageError, match="cannot read the descriptor"):
        bitcoin.derive("wpkh(", 0, 4)
    with pytest.raises(UsageError, match="no addresses"):
        bitcoin.derive(f"raw(00)#{checksum(bitcoin.rpc, 'raw(00)')}", 0, 4)


def test_a_descriptor_with_a_private_key_is_refused_without_showing_it(node, bitcoin):
    node.new_address()
    private = node.rpc("listdescriptors", True, wallet="vault")["descriptors"][0]["desc"]

    with pytest.raises(UsageError, match="private key") as refusal:
        bitcoin.derive(private, 0, 4)

    assert "tprv" in private
    assert "tprv" not in str(refusal.value)


def test_coins_are_found_by_script_and_by_descriptor(node, bitcoin):
    address = node.new_address()
    coin = node.pay(address, 4_000_000)
    node.mine()
    node.pay(address, 1_000_000)  # not mined, so not in the set

    by_script = bitcoin.scan_utxos([script_of(node, address), b"\x51"])
    by_descriptor = bitcoin.scan_utxos(ranges={own_descriptor(node): 20})

    assert (by_script.height, by_script.hash) == (111, node.tip)
    [found] = by_script.coins
    assert outpoint_text(found.outpoint) == coin
    assert found.coin == Coin(4_000_000, script_of(node, address), 111)
    assert by_descriptor.coins == by_script.coins


def a_long_scan(node: RegtestNode) -> tuple[str, int]:
    """A descriptor and a range whose scripts alone take the node some seconds to make."""
    return own_descriptor(node), 40_000


def test_a_scan_waits_for_the_one_that_somebody_else_runs(node, bitcoin):
    descriptor, last = a_long_scan(node)
    other = threading.Thread(target=node.rpc, args=("scantxoutset", "start", [{"desc": descriptor, "range": last}]))
    other.start()
    wait_until(lambda: node.rpc("scantxoutset", "status"), "the other scan runs")

    found = bitcoin.scan_utxos([b"\x51"])

    assert found.height == 110
    other.join()


def test_an_interrupted_scan_is_ended_on_the_node_too(node, bitcoin):
    descriptor, last = a_long_scan(node)

    def interrupt(percent: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bitcoin.scan_utxos(ranges={descriptor: last}, on_progress=interrupt)

    assert node.rpc("scantxoutset", "status") is None


def test_a_scan_that_somebody_else_ended_has_no_result():
    # A node looks at "abort" every 8192 coins, more than a test makes.
    ended = http_answer("200 OK", b'{"result":{"success":false,"unspents":[]},"error":null,"id":1}')
    with ScriptedServer([[ended]]) as server, pytest.raises(NodeError, match="ended on the node"):
        Bitcoind(Rpc(server.url, UserPassword("bwm", "s3cret"))).scan_utxos([b"\x51"])


def test_blocks_are_found_by_their_filters_spends_too(make_node):
    node = make_node(extra_args=["-blockfilterindex=1"])
    bitcoin = beside(node)
    address = node.new_address()
    coin = node.pay(address, 1_000_000)
    [received] = node.mine()
    node.mine(3)
    node.spend(coin, node.new_address(wallet="thief"))
    [spent] = node.mine()

    assert bitcoin.scan_blocks([script_of(node, address)], 1, node.height) == [received, spent]
    assert bitcoin.block_filter_height() == node.height
    assert bitcoin.scan_blocks([script_of(node, address)], node.height, node.height) == [spent]


def test_a_node_without_filters_says_so(bitcoin):
    assert bitcoin.block_filter_height() is None
    with pytest.raises(UsageError, match="blockfilterindex=1"):
        bitcoin.scan_blocks([b"\x51"], 1, 2)


def test_the_notifiers_that_run_are_listed(node, bitcoin):
    assert sorted(each.topic for each in bitcoin.zmq_notifications()) == sorted(node.topics)
    assert set(bitcoin.zmq_notifications()) == {Notification(each, node.zmq, HIGH_WATER_MARK) for each in node.topics}


def test_the_node_among_its_peers(node, make_node, bitcoin):
    assert (bitcoin.network_info().connections, bitcoin.network_info().active) == (0, True)

    node.connect(make_node("other", blocks=0))

    assert bitcoin.network_info().connections == 1


def test_the_whitelist_that_bwm_suggests_is_enough_for_all_it_asks_and_no_more(make_node):
    lines = user_lines("bwm", "s3cret", "00" * 16, may_broadcast=True)
    node = make_node(extra_args=["-blockfilterindex=1", *(f"-{line}" for line in lines)])
    bitcoin = Bitcoind(Rpc(node.rpc_url, UserPassword("bwm", "s3cret"), timeout_s=30))
    txid = node.pay(node.new_address(), 1_000_000).split(":")[0]
    raw = bitcoin.raw_transactions([txid])[txid]
    reward = node.rpc("getblock", node.tip)["tx"][0]
    descriptor = "addr(mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn)"

    bitcoin.info(), bitcoin.check_network(network("regtest")), bitcoin.network_info(), bitcoin.zmq_notifications()
    bitcoin.block(node.tip), bitcoin.block_header(node.tip), bitcoin.prevouts(node.tip, reward)
    bitcoin.mempool_txids(), bitcoin.spent_in_mempool([bytes(36)]), bitcoin.transaction(txid)
    bitcoin.coin(parse_outpoint(f"{reward}:0"), include_mempool=False)
    bitcoin.derive(f"{descriptor}#{checksum(bitcoin.rpc, descriptor)}", 0, 0)
    bitcoin.scan_utxos([b"\x51"]), bitcoin.scan_blocks([b"\x51"], 1, 2)
    bitcoin.wait_for_new_block(0.01, node.tip), bitcoin.block_hashes(0, 2)
    bitcoin.relay_floor(), bitcoin.estimated_feerate(2), bitcoin.is_signed(raw, {})
    assert bitcoin.test_mempool_accept([raw])[0].reason
    assert bitcoin.send_raw_transaction(raw) == txid

    for forbidden in ("stop", "dumpwallet", "invalidateblock", "getnewaddress", "sendtoaddress"):
        with pytest.raises(NodeError, match="rpcwhitelist"):
            bitcoin.rpc.call(forbidden)
