"""How fast bwm searches a block, beside python-bitcoinlib; and what its watch list costs."""

import os
import random
import sqlite3
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

from bitcoin.core import CBlock, CTransaction

from bwm.chain.hashing import sha256d
from bwm.watch.index import KeyFilter
from bwm.watch.pool import BlockPool
from tests.benchmarks import memory, shapes
from tests.benchmarks.race import Speed, race
from tests.benchmarks.report import Row, geometric_mean

FEW, MANY, VERY_MANY = 1_000, 1_000_000, 10_000_000
PLANTED = 60  # keys of the block itself that the watch list holds when answers are compared
LIBRARY = "python-bitcoinlib"
READ, WITH_TXIDS, AT_A_MILLION = "block, 1k items", "block with txids, 1k items", "block, 1M items"
HASHING = "hashlib alone"


def random_outpoints(count: int) -> Iterator[bytes]:
    """Coins that nobody has."""
    return (os.urandom(36) for _ in range(count))


def random_keys(count: int) -> Iterator[bytes]:
    """Keys that no block holds: by turns the outpoint of a coin, and a script as a wallet of today has them (BIP 141).

    So many owners watch both, and it matters: scripts of a length that nobody watches are passed over at once.
    """
    return (os.urandom(36) if number % 2 else b"\x00\x14" + os.urandom(20) for number in range(count))


def scan(raw: bytes, index: KeyFilter) -> list[bytes]:
    """What the daemon does with every block."""
    return BlockPool(raw, txids=False).candidates(index)


def scan_with_txids(raw: bytes, index: KeyFilter) -> list[bytes]:
    """The same while a txid is watched."""
    return BlockPool(raw, txids=True).candidates(index)


def keys_by_library(tx: CTransaction) -> list[bytes]:
    """All keys of a transaction that python-bitcoinlib parsed."""
    spends = [one.prevout.hash + one.prevout.n.to_bytes(4, "little") for one in tx.vin]
    return [tx.GetTxid(), *spends, *(one.scriptPubKey for one in tx.vout)]


def scan_by_library(raw: bytes, watched: Collection[bytes]) -> list[str]:
    """The same job with the library's objects: the txids of all that touch a watched key."""
    txs = CBlock.deserialize(raw).vtx
    return [tx.GetTxid()[::-1].hex() for tx in txs if any(key in watched for key in keys_by_library(tx))]


def same_answers(raw: bytes, foreign: KeyFilter) -> bool:
    """True if bwm finds the transactions that the library finds, for random keys of the block; ``foreign`` grows."""
    pool = BlockPool(raw, txids=True)
    watched = set(random.sample(sorted(set(pool.keys())), k=PLANTED))
    foreign.add(watched)
    confirmed = watched.intersection(pool.candidates(foreign))
    return [tx.txid for tx in pool.touching(confirmed)] == scan_by_library(raw, watched)


def race_block(raw: bytes, few: KeyFilter, many: KeyFilter, rounds: int) -> dict[str, Speed]:
    """One block, all ways; and what hashing its transactions takes, which no way with txids can avoid."""
    watched = set(random_keys(FEW))
    stripped = [
        CTransaction(tx.vin, tx.vout, tx.nLockTime, tx.nVersion).serialize() for tx in CBlock.deserialize(raw).vtx
    ]
    return race(
        {
            LIBRARY: partial(scan_by_library, raw, watched),
            READ: partial(scan, raw, few),
            WITH_TXIDS: partial(scan_with_txids, raw, few),
            AT_A_MILLION: partial(scan, raw, many),
            HASHING: lambda: [sha256d(one) for one in stripped],  # the least that txids can cost
        },
        rounds,
    )


def speed_rows(speeds: dict[str, dict[str, Speed]]) -> list[Row]:
    """How many times faster than the library: on every block, and on the geometric mean."""
    rows = []
    for way, target, mean_target in (READ, 28, 34), (WITH_TXIDS, 16, 20), (AT_A_MILLION, 22, 22):
        what, own = f"times {LIBRARY}, {way}", [ways[way] for ways in speeds.values()]
        for name, ways in speeds.items():
            note = _time(ways[way]) + (f", hashlib {_time(ways[HASHING])} of it" if way == WITH_TXIDS else "")
            rows.append(Row(what, name, ways[way].ratio, target, median_value=ways[way].median_ratio, note=note))
        ratios = geometric_mean([one.ratio for one in own]), geometric_mean([one.median_ratio for one in own])
        rows.append(Row(what, "geometric mean", ratios[0], mean_target, median_value=ratios[1]))
    for name, ways in speeds.items():
        growth = ways[AT_A_MILLION].seconds / ways[READ].seconds
        rows.append(Row("growth, block at 1M items to 1k", name, growth, 1.6, at_least=False))
    return rows


def memory_rows() -> list[Row]:
    """Bytes a key, and the whole process; each case in a process of its own."""
    sizes = {count: memory.measure(count) for count in (FEW, MANY, VERY_MANY)}
    rows = [
        Row("bytes an item in the index", f"{count:,} items", (after - before) / count, 8, at_least=False)
        for count, (before, after) in sizes.items()
        if count > FEW
    ]
    whole = sizes[MANY][1] / sizes[FEW][1]
    note = f"{sizes[FEW][1] / 1e6:.0f} MB to {sizes[MANY][1] / 1e6:.0f} MB"
    return [*rows, Row("memory of the process", "1M items to 1k", whole, 1.3, at_least=False, note=note)]


def database_rows(rounds: int) -> list[Row]:
    """Loading the watch list, beside reading its rows; adding a vault, beside committing its rows."""
    with tempfile.TemporaryDirectory() as folder, closing(sqlite3.connect(Path(folder) / "watches.sqlite")) as database:
        database.executescript("PRAGMA journal_mode = wal; PRAGMA synchronous = full; CREATE TABLE watch (key BLOB)")

        def commit(keys: Iterable[bytes]) -> None:
            with database:
                database.executemany("INSERT INTO watch VALUES (?)", ((key,) for key in keys))

        def rows() -> Iterator[bytes]:
            return (key for (key,) in database.execute("SELECT key FROM watch"))

        def add_vault(index: KeyFilter | None) -> None:
            keys = list(random_keys(10))
            commit(keys)
            if index is not None:
                index.add(keys)

        commit(random_keys(MANY))
        index = KeyFilter(rows())
        loading = race({"read": database_reader(database), "load": lambda: KeyFilter(rows())}, rounds)["load"]
        adding = race({"commit": _often(partial(add_vault, None)), "add": _often(partial(add_vault, index))}, rounds)[
            "add"
        ]
    return [
        Row(
            "loading the index", "to reading its rows, 1M items", 1 / loading.ratio, 4, False, 1 / loading.median_ratio
        ),
        Row("adding a vault of 10", "to committing its rows", 1 / adding.ratio, 1.3, False, 1 / adding.median_ratio),
    ]


def database_reader(database: sqlite3.Connection) -> Callable[[], int]:
    """Reads every row and does nothing with it."""
    return lambda: sum(1 for _ in database.execute("SELECT key FROM watch"))


def _often(work: Callable[[], object]) -> Callable[[], None]:
    """The work a hundred times over: once is too short to time."""

    def repeated() -> None:
        for _ in range(100):
            work()

    return repeated


def _time(speed: Speed) -> str:
    return f"{speed.seconds * 1000:.1f} ms" + (" (noisy)" if speed.is_noisy else "")


def read_blocks(folder: Path | None) -> dict[str, bytes]:
    """Blocks by name: those of the folder, or two made ones."""
    if folder is None:
        return {"busy (made)": shapes.busy(), "lean (made)": shapes.lean()}
    return {path.stem: path.read_bytes() for path in sorted(folder.glob("*.raw"))}


def rows(blocks: dict[str, bytes], rounds: int) -> list[Row]:
    """Everything about the search of blocks."""
    few, many = KeyFilter(random_keys(FEW)), KeyFilter(random_keys(MANY))
    speeds = {name: race_block(raw, few, many, rounds) for name, raw in blocks.items()}
    agreed = sum(same_answers(raw, index) for raw in blocks.values() for index in (few, many))
    answers = Row("same answers as python-bitcoinlib", "blocks, at 1k and at 1M items", agreed, 2 * len(blocks))
    return [*speed_rows(speeds), answers]
