"""Long searches that the node does for us: in the UTXO set, and in the filters of past blocks.

A node runs one of each kind at a time and answers only at the end. So the search waits on a connection of its
own, while its progress is asked over another.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

import structlog

from bwm.chain.outpoint import outpoint_key
from bwm.errors import NodeError, NodeRefused, UsageError
from bwm.node.answers import Coin, FoundCoin, UtxoScan, sats_of
from bwm.node.rpc import Rpc

log = structlog.get_logger()

OnProgress = Callable[[float], None]

_BLOCK_FILTERS = "basic block filter index"
_ALREADY_RUNNING = "already in progress"  # its code, -8, is also that of any bad parameter
_LONGEST_S = 6 * 3600.0  # on the slowest machine
_POLL_S = 1.0
_MOST_POLLS = 60  # for filters that stand high enough, and on the wrong branch


def scan_utxos(rpc: Rpc, scripts: Iterable[bytes], ranges: Mapping[str, int], on_progress: OnProgress) -> UtxoScan:
    """See ``Bitcoind.scan_utxos``."""
    wanted: list[Any] = [f"raw({script.hex()})" for script in scripts]
    wanted += [{"desc": descriptor, "range": last} for descriptor, last in ranges.items()]
    result = _scan(rpc, "scantxoutset", (wanted,), on_progress)
    return UtxoScan(
        height=result["height"],
        hash=result["bestblock"],
        coins=tuple(_found_coin(each) for each in result["unspents"]),
    )


def block_filter_height(rpc: Rpc) -> int | None:
    """See ``Bitcoind.block_filter_height``."""
    index = rpc.call("getindexinfo", _BLOCK_FILTERS).get(_BLOCK_FILTERS)
    return None if index is None else index["best_block_height"]


def scan_blocks(rpc: Rpc, scripts: Iterable[bytes], first: int, last: int, on_progress: OnProgress) -> list[str]:
    """See ``Bitcoind.scan_blocks``."""
    wanted = [f"raw({script.hex()})" for script in scripts]
    while True:
        end = _filtered_end(rpc, last, on_progress)
        blocks: list[str] = _scan(rpc, "scanblocks", (wanted, first, last), on_progress)["relevant_blocks"]
        if rpc.call("getblockhash", last) == end:
            return blocks


def _filtered_end(rpc: Rpc, last: int, on_progress: OnProgress) -> str:
    """The hash of the active chain's block at ``last``, once there are filters up to it.

    After a reorg the filters stand on the other branch for a while, maybe as high. Where one that is asked for is
    missing, scanblocks passes over thousands of blocks and says nothing of it.
    """
    polls = 0
    while True:
        if (height := block_filter_height(rpc)) is None:
            raise UsageError("the node has no block filters: set blockfilterindex=1 in bitcoin.conf")
        if height >= last:
            end: str = rpc.call("getblockhash", last)
            if _has_filter(rpc, end):
                return end
            if polls >= _MOST_POLLS:
                raise NodeError("the node's block filters are of a branch that left the chain: restart the node")
        on_progress(0.0)
        time.sleep(_POLL_S)
        polls += 1


def _has_filter(rpc: Rpc, block_hash: str) -> bool:
    try:
        rpc.call("getblockfilter", block_hash)
    except NodeRefused:
        return False
    return True


def _scan(rpc: Rpc, method: str, params: tuple[Any, ...], on_progress: OnProgress) -> Any:
    """One whole search; starts it again as long as another one keeps the node from it."""
    told = False
    while True:
        try:
            return _scan_once(rpc, method, params, on_progress)
        except NodeRefused as error:
            if _ALREADY_RUNNING not in error.words:
                raise
        if not told:
            log.info("node.scan_waits", method=method, reason="the node is busy with another one")
            told = True
        on_progress(0.0)
        time.sleep(_POLL_S)


def _scan_once(rpc: Rpc, method: str, params: tuple[Any, ...], on_progress: OnProgress) -> Any:
    with ThreadPoolExecutor(1, thread_name_prefix=method) as search:
        answer = search.submit(rpc.call, method, "start", *params, timeout_s=_LONGEST_S)
        try:
            _follow(rpc, method, answer, on_progress)
        except BaseException:  # an interrupt too: nobody waits for the result any more
            if not answer.done():
                rpc.call(method, "abort")
            raise
        result = answer.result()
    if not (result.get("success") or result.get("completed")):  # the one word here, the other there
        raise NodeError(f"{method} was ended on the node before it was done: start it again")
    return result


def _follow(rpc: Rpc, method: str, answer: "Future[Any]", on_progress: OnProgress) -> None:
    """Tell the progress until the answer is there."""
    while not wait([answer], timeout=_POLL_S).done:
        status = rpc.call(method, "status")
        if status:  # null once the search is over
            on_progress(float(status["progress"]))


def _found_coin(answer: Mapping[str, Any]) -> FoundCoin:
    return FoundCoin(
        outpoint=outpoint_key(answer["txid"], answer["vout"]),
        coin=Coin(
            sats=sats_of(answer["amount"]),
            script=bytes.fromhex(answer["scriptPubKey"]),
            height=answer["height"],
        ),
    )
