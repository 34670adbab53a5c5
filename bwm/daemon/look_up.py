"""What the node knows of outpoints and txids that somebody wants to have watched: of one, or of a million."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from bwm.chain.outpoint import outpoint_key, txid_key, txid_text
from bwm.errors import NodeForbidden
from bwm.node.answers import Coin, FoundTransaction
from bwm.node.bitcoind import Bitcoind

_THREADS = 2  # while the node works at one part, we read its answer to another
_PART = 5_000  # between two signs of progress
_FEW = 1_000
_PROBED_OF_FEW, _PROBED_OF_MANY = 8, 2  # outputs that are looked for of a transaction that the node cannot show

_SHALLOW = (
    f"For so many transactions only their first {_PROBED_OF_MANY} outputs were looked for: one that was mined and has "
    "spent these is not found. To look for it in the past: bwm rescan NAME --from HEIGHT"
)

_A = TypeVar("_A")
_B = TypeVar("_B")


@dataclass(frozen=True, slots=True)
class Known:
    """The node's answers. What is in none of them does not exist yet, or is spent to the last coin."""

    coins: Mapping[bytes, Coin]  # unspent ones by outpoint key: of the chain, else of the mempool
    transactions: Mapping[str, FoundTransaction]  # in the mempool, or with txindex in the chain
    heights: Mapping[str, int]  # where other transactions were mined, as an unspent output of theirs tells
    remarks: tuple[str, ...] = ()


def look_up(
    node: Bitcoind, txids: Collection[str], outpoints: Collection[bytes], on_progress: Callable[[float], None]
) -> Known:
    """Ask for all in few calls. ``on_progress`` hears percentages."""
    probed = _PROBED_OF_FEW if len(txids) <= _FEW else _PROBED_OF_MANY
    progress = _Progress(len(outpoints) + probed * len(txids), on_progress)
    coins = _coins(node, list(outpoints), progress)
    missing = [key for key in outpoints if key not in coins]
    makers = {*map(txid_key, txids), *(key[:32] for key in missing)}
    mempool = makers.intersection(map(txid_key, node.mempool_txids()[0])) if makers else set()
    coins |= node.coins([key for key in missing if key[:32] in mempool], include_mempool=True)
    wanted = makers if makers and _may_have_txindex(node) else mempool
    transactions = node.transactions(sorted(map(txid_text, wanted)))
    probes = [outpoint_key(txid, vout) for txid in txids if txid not in transactions for vout in range(probed)]
    heights = {txid_text(key[:32]): coin.height for key, coin in _coins(node, probes, progress).items() if coin.height}
    shallow = len(txids) > _FEW and len(transactions) < len(txids)
    return Known(coins, transactions, heights, (_SHALLOW,) if shallow else ())


def _coins(node: Bitcoind, outpoints: Sequence[bytes], progress: "_Progress") -> dict[bytes, Coin]:
    found: dict[bytes, Coin] = {}
    parts = [outpoints[start : start + _PART] for start in range(0, len(outpoints), _PART)]
    for part in _side_by_side(lambda part: node.coins(part, include_mempool=False), parts):
        found |= part
        progress.step()
    return found


def _side_by_side(ask: Callable[[_A], _B], parts: Sequence[_A]) -> Iterator[_B]:
    if len(parts) < _THREADS:
        yield from map(ask, parts)
        return
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="look-up") as threads:
        yield from threads.map(ask, parts)


def _may_have_txindex(node: Bitcoind) -> bool:
    try:
        return node.has_txindex()
    except NodeForbidden:
        return True  # not allowed to know: ask it for every transaction


class _Progress:
    def __init__(self, total: int, tell: Callable[[float], None]) -> None:
        self._total = max(1, total)
        self._tell = tell
        self._done = 0

    def step(self) -> None:
        self._done += _PART
        self._tell(min(100.0, 100 * self._done / self._total))
