"""Blocks of the active chain in order, fetched ahead while the earlier ones are searched."""

from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from bwm.chain.block import BlockRef
from bwm.node.bitcoind import Bitcoind

AHEAD = 3
"""Blocks of at most 4 MB that wait in memory, fetched by a thread of their own. With 0 there is no such thread."""

_HASHES_AT_ONCE = 200


def blocks(node: Bitcoind, first: int, tip: BlockRef) -> Generator[tuple[str, bytes]]:
    """The blocks from height ``first`` to ``tip``, each with the hash that was asked for.

    Raises what ``node.block`` raises, in its turn. Close the iterator when no more are wanted.
    """
    if first == tip.height or not AHEAD:
        yield from ((block_hash, node.block(block_hash)) for block_hash in _hashes(node, first, tip))
        return
    with ThreadPoolExecutor(1, thread_name_prefix="fetch") as thread:
        under_way: deque[tuple[str, Future[bytes]]] = deque()
        try:
            for block_hash in _hashes(node, first, tip):
                under_way.append((block_hash, thread.submit(node.block, block_hash)))
                if len(under_way) > AHEAD:
                    yield _next(under_way)
            while under_way:
                yield _next(under_way)
        finally:
            thread.shutdown(cancel_futures=True)


def _next(under_way: deque[tuple[str, Future[bytes]]]) -> tuple[str, bytes]:
    block_hash, raw = under_way.popleft()
    return block_hash, raw.result()


def _hashes(node: Bitcoind, first: int, tip: BlockRef) -> Iterator[str]:
    for start in range(first, tip.height, _HASHES_AT_ONCE):
        yield from node.block_hashes(start, min(start + _HASHES_AT_ONCE, tip.height) - 1)
    yield tip.hash
