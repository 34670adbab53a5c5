"""Blocks of the active chain in order, fetched ahead while the earlier ones are searched."""

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain

from bwm.chain.block import BlockRef
from bwm.node.bitcoind import Bitcoind

AHEAD = 3
"""Blocks of at most 4 MB that are under way besides the one in hand. With 0 each is asked for when it is wanted."""

_HASHES_AT_ONCE = 200


def blocks(node: Bitcoind, first: int, tip: BlockRef) -> Generator[tuple[str, bytes]]:
    """The blocks from height ``first`` to ``tip``, each with the hash that was asked for.

    Raises what ``node.block`` raises, in its turn. Close the iterator when no more are wanted.
    """
    hashes = _hashes(node, first, tip)
    if first == tip.height or not AHEAD:
        yield from ((block_hash, node.block(block_hash)) for block_hash in hashes)
        return
    under_way: deque[str] = deque()
    yield from _announced(node, hashes, under_way)
    yield from _by_thread(node, chain(under_way, hashes))


def _announced(node: Bitcoind, hashes: Iterator[str], under_way: deque[str]) -> Iterator[tuple[str, bytes]]:
    """The node hears early what will be wanted, and sends it meanwhile. Ends early when it cannot be told.

    A thread of our own would have to share the interpreter with whoever searches the blocks.
    """
    try:
        while True:
            while len(under_way) <= AHEAD and (block_hash := next(hashes, None)):
                under_way.append(block_hash)
            if not under_way or not node.expect_blocks(under_way):
                return
            raw = node.block(under_way[0])
            yield under_way.popleft(), raw
    finally:
        node.expect_blocks(())


def _by_thread(node: Bitcoind, hashes: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    with ThreadPoolExecutor(1, thread_name_prefix="fetch") as thread:
        under_way: deque[tuple[str, Future[bytes]]] = deque()
        try:
            for block_hash in hashes:
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
