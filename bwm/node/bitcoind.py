"""Questions to bitcoind, named by meaning, answered in our types.

Fields differ between brands and versions of the node: one that can be lived without is never insisted on.
All methods raise what ``Rpc.call`` raises.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import islice
from typing import Any, TypeVar

import structlog

from bwm.chain.block import BlockRef
from bwm.chain.network import Network
from bwm.chain.outpoint import outpoint_key, txid_text
from bwm.chain.script import ScriptType, script_type
from bwm.chain.sighash import pushes
from bwm.chain.tx import Input, Output, parse_tx
from bwm.errors import BlockUnavailable, NodeForbidden, NodeRefused, UsageError, WrongNetwork
from bwm.node import descriptors, scans
from bwm.node.answers import (
    Coin,
    FoundTransaction,
    HeaderInfo,
    MempoolRules,
    MempoolVerdict,
    NetworkInfo,
    NodeInfo,
    Notification,
    PackageVerdict,
    UtxoScan,
    sats_of,
)
from bwm.node.rest import Rest
from bwm.node.rpc import Rpc

log = structlog.get_logger()

_T = TypeVar("_T")

# Codes of the node's refusals: src/rpc/protocol.h of Bitcoin Core.
_MISC_ERROR = -1
_NOT_FOUND = -5
_INVALID_PARAMETER = -8

_FIRST_WITH_TRUC = 280_000  # Bitcoin Core, which knows no other setting

_OF_A_SPEND = ("tx", "txid", "vout", "coinbase", "prevout", "value", "height", "scriptPubKey", "hex")

_CALLS_PER_BATCH = 200
_OUTPOINTS_PER_CALL = 5000
_HIGHEST_INDEX = 0x7FFFFFFF
_WHOLE_BLOCK_S = 60.0  # for a block with all that it spends, written out
_WAIT_MARGIN_S = 10.0  # the answer to a waiting call may be this late before the node counts as down


class Bitcoind:
    """The owner's node. Safe to use from any thread."""

    def __init__(self, rpc: Rpc, rest: Rest | None = None, *, insist_on_rest: bool = False) -> None:
        """``rest`` is given up for good when the node turns out to have none, unless that is insisted on."""
        self.rpc = rpc
        self._rest = rest
        self._insists_on_rest = insist_on_rest
        self._waits_from_tip = True  # until the node says otherwise

    # The chain

    def info(self) -> NodeInfo:
        """The node's state in one value."""
        chain = self.rpc.call("getblockchaininfo")
        network = self.rpc.call("getnetworkinfo")
        warnings = chain.get("warnings") or ()
        median_time = chain.get("mediantime", 0)
        return NodeInfo(
            chain=chain["chain"],
            height=chain["blocks"],
            hash=chain["bestblockhash"],
            headers=chain.get("headers", chain["blocks"]),
            initial_block_download=chain.get("initialblockdownload", False),
            pruned=chain.get("pruned", False),
            prune_height=chain.get("pruneheight"),
            median_time=median_time,
            tip_time=chain.get("time", median_time),
            warnings=(warnings,) if isinstance(warnings, str) else tuple(warnings),
            version=network.get("version", 0),
            subversion=network.get("subversion", ""),
        )

    def tip(self) -> BlockRef:
        """The last block of the active chain."""
        chain = self.rpc.call("getblockchaininfo")
        return BlockRef(chain["blocks"], chain["bestblockhash"])

    def block_hash(self, height: int) -> str:
        """The hash of the active chain's block at a height. Raises NodeRefused above the tip."""
        found: str = self.rpc.call("getblockhash", height)
        return found

    def block_hashes(self, first: int, last: int) -> list[str]:
        """The hashes of the active chain's blocks from ``first`` to ``last``. Raises NodeRefused above the tip."""
        answers = self.rpc.batch([("getblockhash", (height,)) for height in range(first, last + 1)])
        for answer in answers:
            if isinstance(answer, NodeRefused):
                raise answer
        return answers

    def block_header(self, block_hash: str) -> HeaderInfo | None:
        """A block's header, a stale one's too; None when the node has never seen the block."""
        header = self._find("getblockheader", block_hash)
        if header is None:
            return None
        return HeaderInfo(
            height=header["height"],
            hash=header["hash"],
            previous=header.get("previousblockhash"),
            confirmations=header["confirmations"],
            time=header["time"],
            median_time=header.get("mediantime", 0),
        )

    def expect_blocks(self, block_hashes: Collection[str]) -> bool:
        """This thread wants these blocks next, and none that it expected besides: the node begins to send them.

        False when it cannot be told, for want of REST.
        """
        if self._rest is None:
            return False
        self._rest.expect(block_hashes)
        return True

    def block(self, block_hash: str) -> bytes:
        """A block as serialised.

        Raises BlockUnavailable when the node knows it but does not hold it, NodeRefused when it is unknown.
        """
        if self._rest and (raw := self._rest.block(block_hash)) is not None:
            return raw
        try:
            raw = self.rpc.call_for_bytes("getblock", block_hash, 0)
        except NodeRefused as error:
            if error.code == _MISC_ERROR:
                raise BlockUnavailable(f"the node does not hold block {block_hash}: {error.words}") from None
            raise
        if self._rest and not self._insists_on_rest:
            log.info("node.without_rest", words="blocks come a little slower; rest=1 in bitcoin.conf mends it")
            self._rest.expect(())
            self._rest = None
        return raw

    def wait_for_new_block(self, timeout_s: float, current_tip: str) -> BlockRef:
        """The tip, as soon as it is another than ``current_tip``, or after ``timeout_s`` whatever it is.

        A node without the second parameter (before Core 30 and Knots 29) may miss a block that comes between
        two of its calls, until the time is over.
        """
        wait_ms = max(1, int(timeout_s * 1000))
        limit_s = timeout_s + _WAIT_MARGIN_S
        if self._waits_from_tip:
            try:
                answer = self.rpc.call("waitfornewblock", wait_ms, current_tip, timeout_s=limit_s)
                return BlockRef(answer["height"], answer["hash"])
            except NodeRefused as error:
                if error.code not in (_MISC_ERROR, _INVALID_PARAMETER):
                    raise
                self._waits_from_tip = False
        tip = self.tip()
        if tip.hash != current_tip:
            return tip
        answer = self.rpc.call("waitfornewblock", wait_ms, timeout_s=limit_s)
        return BlockRef(answer["height"], answer["hash"])

    # Transactions

    def transaction(self, txid: str, block_hash: str | None = None) -> FoundTransaction | None:
        """A transaction of the mempool, or of the named block; None when it is not there.

        Without a block hash a confirmed one is found only by a node with txindex.
        """
        found = self._find("getrawtransaction", txid, 1, *([block_hash] if block_hash else []))
        if found is None:
            return None
        return _found_transaction(found)

    def transactions(self, txids: Iterable[str]) -> dict[str, FoundTransaction]:
        """Many transactions of the mempool, with txindex also of the chain. Those it does not have are left out."""
        found = {}
        for part in _parts(txids, _CALLS_PER_BATCH):
            answers = self.rpc.batch([("getrawtransaction", (txid, 1)) for txid in part])
            for txid, answer in zip(part, answers, strict=True):
                if not _is_not_found(answer):
                    found[txid] = _found_transaction(answer)
        return found

    def has_txindex(self) -> bool:
        """Whether the node finds any transaction of the chain by its id."""
        return bool(self.rpc.call("getindexinfo", "txindex"))

    def raw_transactions(self, txids: Iterable[str]) -> dict[str, bytes]:
        """Many transactions of the mempool, as serialised. Those it does not have are left out."""
        found = {}
        for part in _parts(txids, _CALLS_PER_BATCH):
            answers = self.rpc.batch([("getrawtransaction", (txid, 0)) for txid in part])
            for txid, answer in zip(part, answers, strict=True):
                if not _is_not_found(answer):
                    found[txid] = bytes.fromhex(answer)
        return found

    def prevouts(self, block_hash: str, txid: str) -> tuple[Output, ...]:
        """The outputs that a confirmed transaction spends, in the order of its inputs. Empty for a coinbase.

        Raises BlockUnavailable when the node holds the block's undo data no more.
        """
        inputs = self.rpc.call("getrawtransaction", txid, 2, block_hash)["vin"]
        spent = [each.get("prevout") for each in inputs if "coinbase" not in each]
        if None in spent:
            raise BlockUnavailable(f"the node does not hold what transaction {txid} in {block_hash} spends")
        return tuple(Output(sats_of(each["value"]), bytes.fromhex(each["scriptPubKey"]["hex"])) for each in spent)

    def coins_spent(self, block_hash: str) -> dict[bytes, Coin]:
        """The coins that a block spends, a stale one too, by outpoint key.

        Raises BlockUnavailable when the node does not hold the block or its undo data, NodeRefused when it is unknown.
        """
        try:
            block = self.rpc.call_for_part("getblock", block_hash, 3, keep=_spends_of, timeout_s=_WHOLE_BLOCK_S)
        except NodeRefused as error:
            if error.code == _MISC_ERROR:
                raise BlockUnavailable(f"the node does not hold block {block_hash}: {error.words}") from None
            raise
        spends = [each for tx in block["tx"] for each in tx["vin"] if "coinbase" not in each]
        if any("prevout" not in each for each in spends):
            raise BlockUnavailable(f"the node does not hold what block {block_hash} spends")
        return {outpoint_key(each["txid"], each["vout"]): _spent_coin(each["prevout"]) for each in spends}

    def mempool_txids(self) -> tuple[list[str], int]:
        """The mempool's txids, and the number in the ``sequence`` topic that they are the state before.

        Messages with that number or a later one are still to be applied; earlier ones are in.
        """
        mempool = self.rpc.call("getrawmempool", False, True)
        return mempool["txids"], mempool["mempool_sequence"]

    def mempool_is_loaded(self) -> bool:
        """False while a node that was just started still reads its mempool from disk, and lets us know it."""
        try:
            return bool(self.rpc.call("getmempoolinfo").get("loaded", True))
        except NodeForbidden:
            return True

    def test_mempool_accept(
        self, transactions: Sequence[bytes], max_feerate_sats_per_kvb: int = 0
    ) -> list[MempoolVerdict]:
        """What the mempool would say to up to 25 transactions, each child after its parents.

        A transaction above the feerate is not allowed; 0 means no limit.
        """
        verdicts = self.rpc.call(
            "testmempoolaccept", [raw.hex() for raw in transactions], _btc(max_feerate_sats_per_kvb)
        )
        return [_verdict(each) for each in verdicts]

    def send_raw_transaction(self, raw: bytes, max_feerate_sats_per_kvb: int = 0, max_burn_sats: int = 0) -> str:
        """Hand a transaction to the mempool and so to the network. Returns its txid, also if already there.

        ``max_feerate_sats_per_kvb`` 0 means no limit; ``max_burn_sats`` is how much an output that nobody can
        spend may hold. Raises NodeRefused, whose code alone does not tell whether the transaction is lost.
        """
        txid: str = self.rpc.call("sendrawtransaction", raw.hex(), _btc(max_feerate_sats_per_kvb), _btc(max_burn_sats))
        return txid

    def relay_floor(self) -> int:
        """The feerate (sat/kvB) below which the mempool takes nothing now: it rises when that is full."""
        mempool = self.rpc.call("getmempoolinfo")
        return sats_of(max(mempool["mempoolminfee"], mempool.get("minrelaytxfee", 0)))

    def submit_package(
        self, parent: bytes, child: bytes, max_feerate_sats_per_kvb: int = 0, max_burn_sats: int = 0
    ) -> PackageVerdict:
        """Hand over a parent with the child that pays for it (Core 28). Limits as for ``send_raw_transaction``."""
        limits = (_btc(max_feerate_sats_per_kvb), _btc(max_burn_sats))
        answer = self.rpc.call("submitpackage", [parent.hex(), child.hex()], *limits)
        if answer.get("package_msg") == "success":
            return PackageVerdict(True, None)
        errors = [each["error"] for each in answer.get("tx-results", {}).values() if each.get("error")]
        meant = [words for words in errors if words != "package-not-validated"] or [str(answer.get("package_msg"))]
        return PackageVerdict(False, "; ".join(dict.fromkeys(meant)))

    def mempool_rules(self) -> MempoolRules:
        """What the mempool asks of transactions now."""
        mempool = self.rpc.call("getmempoolinfo")
        floor = sats_of(max(mempool["mempoolminfee"], mempool.get("minrelaytxfee", 0)))
        if "truc_policy" in mempool:  # Knots
            return MempoolRules(floor, mempool["truc_policy"] == "enforce")
        return MempoolRules(floor, self.network_info().version >= _FIRST_WITH_TRUC)

    def finalize_psbt(self, psbt: str) -> tuple[bytes, dict[bytes, Output]]:
        """The signed transaction that a PSBT holds, and the coins that it names. Raises UsageError when it is not
        signed by all, NodeRefused when it is no PSBT.

        A named coin is as true as who made the PSBT; signatures that hold for it prove no more than that.
        """
        answer = self.rpc.call("finalizepsbt", psbt)
        if not answer["complete"]:
            raise UsageError("the PSBT is not signed completely: let every signer sign it first")
        inputs, coins = self.rpc.call("decodepsbt", psbt), {}
        for spent, shown in zip(inputs["tx"]["vin"], inputs["inputs"], strict=True):
            key = outpoint_key(spent["txid"], spent["vout"])
            if "non_witness_utxo" in shown:
                coins[key] = _output(shown["non_witness_utxo"]["vout"][spent["vout"]])
            elif "witness_utxo" in shown:
                coins[key] = Output(
                    sats_of(shown["witness_utxo"]["amount"]),
                    bytes.fromhex(shown["witness_utxo"]["scriptPubKey"]["hex"]),
                )
        return bytes.fromhex(answer["hex"]), coins

    def estimated_feerate(self, within_blocks: int) -> int | None:
        """The feerate (sat/kvB) with which a transaction is likely mined so soon; None when the node cannot tell."""
        answer = self.rpc.call("estimatesmartfee", within_blocks, "economical")
        return sats_of(answer["feerate"]) if "feerate" in answer else None

    def is_signed(self, raw: bytes, coins: Mapping[bytes, Output]) -> bool:
        """Whether every input that spends one of these coins, by outpoint key, is validly signed.

        The transaction need not be in the mempool, nor the coins in the chain any more.
        """
        shown = {item.spends: item for item in parse_tx(raw).inputs}
        known = [
            {"txid": txid, "vout": vout, "scriptPubKey": output.script.hex(), "amount": _btc(output.sats)}
            | _scripts_shown(output.script, shown.get(key))
            for key, output in coins.items()
            for txid, vout in [_txid_and_index(key)]
        ]
        try:
            answer = self.rpc.call("signrawtransactionwithkey", raw.hex(), [], known)  # without a key it only checks
        except NodeRefused:
            return False
        unsigned = {(each["txid"], each["vout"]) for each in answer.get("errors", ())}
        return unsigned.isdisjoint(_txid_and_index(key) for key in coins)

    # Coins

    def coin(self, outpoint: bytes, include_mempool: bool) -> Coin | None:
        """An unspent output by outpoint key; None when it is spent or does not exist. See ``coins``."""
        return self.coins([outpoint], include_mempool).get(outpoint)

    def coins(self, outpoints: Iterable[bytes], include_mempool: bool) -> dict[bytes, Coin]:
        """The unspent among many outputs, by outpoint key.

        With the mempool, outputs made there count as coins and those spent there do not. Without, everything
        is as the chain has it.
        """
        found = {}
        heights: dict[str, int] = {}  # of the tips the answers speak of: all the same, but for a new block
        for part in _parts(outpoints, _CALLS_PER_BATCH):
            answers = self.rpc.batch([("gettxout", (*_txid_and_index(key), include_mempool)) for key in part])
            for key, answer in zip(part, answers, strict=True):
                if isinstance(answer, NodeRefused):
                    raise answer
                if answer is not None:
                    found[key] = self._coin(answer, heights)
        return found

    def spent_in_mempool(self, outpoints: Iterable[bytes]) -> dict[bytes, str]:
        """Of many outputs, by outpoint key, those that a transaction of the mempool spends: its txid."""
        spenders = {}
        # The node takes no index above a signed 32-bit number, and one such would spoil the whole call. No
        # transaction has so many outputs.
        possible = (key for key in outpoints if _txid_and_index(key)[1] <= _HIGHEST_INDEX)
        for part in _parts(possible, _OUTPOINTS_PER_CALL):
            by_text = {_txid_and_index(key): key for key in part}
            asked = [{"txid": txid, "vout": index} for txid, index in by_text]
            for each in self.rpc.call("gettxspendingprevout", asked):
                # A node with txospenderindex (Core 31) also tells of confirmed spends, with their block.
                if "spendingtxid" in each and "blockhash" not in each:
                    spenders[by_text[each["txid"], each["vout"]]] = each["spendingtxid"]
        return spenders

    # Scripts and descriptors

    def derive(self, descriptor: str, first: int, last: int) -> list[list[str]]:
        """The addresses of a descriptor at the indexes ``first`` to ``last``, one list a branch.

        ``<0;1>`` gives two branches; without ``*`` each has its one address. Raises UsageError for what is no
        descriptor, has no checksum or a wrong one, holds private keys, or has no addresses.
        """
        return descriptors.derive(self.rpc, descriptor, first, last)

    def scan_utxos(
        self,
        scripts: Iterable[bytes] = (),
        ranges: Mapping[str, int] | None = None,
        on_progress: Callable[[float], None] = lambda percent: None,
    ) -> UtxoScan:
        """The confirmed coins of scripts, and of descriptors up to an index (``ranges``). Takes minutes.

        ``on_progress`` hears the percentage about once a second. If it raises, or the wait is interrupted,
        the node's scan is ended too. When another is running, which may be anybody's, it is waited for.
        """
        return scans.scan_utxos(self.rpc, scripts, ranges or {}, on_progress)

    def block_filter_height(self) -> int | None:
        """Up to which height the node has compact block filters (BIP 158); None when it makes none."""
        return scans.block_filter_height(self.rpc)

    def scan_blocks(
        self,
        scripts: Iterable[bytes],
        first: int,
        last: int,
        on_progress: Callable[[float], None] = lambda percent: None,
    ) -> list[str]:
        """Hashes of the blocks from ``first`` to ``last`` that may touch the scripts, spends too.

        None is missing; a few may be there for nothing (BIP 158). Waits until the node's filters reach
        ``last``. Raises UsageError when it makes none. Else as ``scan_utxos``.
        """
        return scans.scan_blocks(self.rpc, scripts, first, last, on_progress)

    # The node among others

    def check_network(self, network: Network) -> None:
        """Raises WrongNetwork unless the node's chain and its first block are those of the network."""
        chain, genesis = self.rpc.call("getblockchaininfo")["chain"], self.block_hash(0)
        if (chain, genesis) != (network.chain, network.genesis):
            raise WrongNetwork(
                f"bwm watches {network.name} (first block {network.genesis}), but the node at {self.rpc.url} is on "
                f"{chain} (first block {genesis}): correct network, or rpc under [node], in the configuration"
            )

    def zmq_notifications(self) -> list[Notification]:
        """The notifiers that run now. One that failed, or whose port was taken at start, is missing."""
        return [
            Notification(each["type"].removeprefix("pub"), each["address"], each.get("hwm", 0))
            for each in self.rpc.call("getzmqnotifications")
        ]

    def network_info(self) -> NetworkInfo:
        """The node among its peers."""
        network = self.rpc.call("getnetworkinfo")
        return NetworkInfo(
            version=network.get("version", 0),
            subversion=network.get("subversion", ""),
            active=network.get("networkactive", True),
            connections=network.get("connections", 0),
            relays=network.get("localrelay", True),
        )

    def _find(self, method: str, *params: Any) -> Any:
        """The result, or None for what the node does not know."""
        try:
            return self.rpc.call(method, *params)
        except NodeRefused as error:
            if error.code == _NOT_FOUND:
                return None
            raise

    def _coin(self, answer: Mapping[str, Any], heights: dict[str, int]) -> Coin:
        """An answer of ``gettxout``, which counts confirmations from a tip that it names by hash."""
        height = None
        if answer["confirmations"] > 0:
            tip = answer["bestblock"]
            if tip not in heights:
                heights[tip] = self.rpc.call("getblockheader", tip)["height"]
            height = heights[tip] - answer["confirmations"] + 1
        return Coin(
            sats=sats_of(answer["value"]),
            script=bytes.fromhex(answer["scriptPubKey"]["hex"]),
            height=height,
        )


def _found_transaction(answer: Mapping[str, Any]) -> FoundTransaction:
    return FoundTransaction(
        raw=bytes.fromhex(answer["hex"]),
        block_hash=answer.get("blockhash"),
        in_active_chain=answer.get("in_active_chain"),
        confirmations=answer.get("confirmations", 0),
    )


def _is_not_found(answer: Any) -> bool:
    """Whether a batch's answer is the refusal of an unknown thing. Raises any other refusal."""
    if isinstance(answer, NodeRefused):
        if answer.code != _NOT_FOUND:
            raise answer
        return True
    return False


def _scripts_shown(script: bytes, item: Input | None) -> dict[str, str]:
    """The scripts behind a coin's hash, which the node insists on being told, as its spend shows them."""
    kind = script_type(script)
    shown: dict[str, str] = {}
    if item and kind is ScriptType.P2SH and (pushed := pushes(item.script_sig)):
        shown["redeemScript"] = pushed[-1].hex()
        kind = script_type(pushed[-1])
    if item and kind is ScriptType.P2WSH and item.witness:
        shown["witnessScript"] = item.witness[-1].hex()
    return shown


def _spends_of(each: dict[str, Any]) -> dict[str, Any]:
    """Of an object in the node's account of a block, what tells which coins are spent: a tenth of it."""
    if "n" in each:  # an output that the block makes
        return {}
    wanted = ("vin",) if "vin" in each else _OF_A_SPEND
    return {name: each[name] for name in wanted if name in each}


def _spent_coin(prevout: Mapping[str, Any]) -> Coin:
    script = bytes.fromhex(prevout["scriptPubKey"]["hex"])
    return Coin(sats_of(prevout["value"]), script, prevout["height"])


def _output(answer: Mapping[str, Any]) -> Output:
    return Output(sats_of(answer["value"]), bytes.fromhex(answer["scriptPubKey"]["hex"]))


def _parts(items: Iterable[_T], size: int) -> Iterator[list[_T]]:
    """The items in lists of at most ``size``."""
    rest = iter(items)
    while part := list(islice(rest, size)):
        yield part


def _txid_and_index(outpoint: bytes) -> tuple[str, int]:
    return txid_text(outpoint[:32]), int.from_bytes(outpoint[32:], "little")


def _btc(sats: int) -> str:
    """An amount as the node takes it, exact."""
    return f"{Decimal(sats).scaleb(-8):f}"


def _verdict(answer: Mapping[str, Any]) -> MempoolVerdict:
    allowed = answer.get("allowed", False)
    return MempoolVerdict(
        txid=answer["txid"],
        allowed=allowed,
        reason=None if allowed else answer.get("reject-reason") or answer.get("package-error") or "not said",
        vsize=answer.get("vsize"),
        fee_sats=sats_of(answer["fees"]["base"]) if "fees" in answer else None,
    )
