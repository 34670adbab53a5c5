"""A process that reads the blocks above the cursor in one way, and prints how long that took (seconds).

    python -m tests.benchmarks.reader WAY CONFIG STATE FIRST [COMPILED]

The daemon's way also says how many triggers it found, and how much memory it grew by (bytes).
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from bitcoin.core import CBlock
from bitcoinrpc.authproxy import AuthServiceProxy

from bwm.channels import open_channel
from bwm.clock import SystemClock
from bwm.config import Config, load
from bwm.daemon import fetch
from bwm.daemon.connect import connect
from bwm.daemon.run import Daemon
from bwm.db.database import Database
from bwm.db.schema import Event
from tests.benchmarks import compiled
from tests.benchmarks.memory import resident_bytes
from tests.benchmarks.scan import KeyFilter, keys_by_library, random_keys, scan

_FEW = 1_000
_LIBRARY_BLOCKS = 8  # of the slow way; each is like the others

Result = dict[str, float]


def fetching(config: Config, state: Path, first: int) -> Result:
    """The blocks are fetched, by the code that the daemon fetches them with, and thrown away."""
    node = connect(config)
    began = time.perf_counter()
    blocks = sum(1 for _ in fetch.blocks(node, first, node.tip()))
    return {"seconds": time.perf_counter() - began, "blocks": blocks}


def apart(config: Config, state: Path, first: int) -> Result:
    """Each block is fetched, then searched; the two never at the same time, and nothing else is done."""
    node, index = connect(config), KeyFilter(random_keys(_FEW))
    fetched = searched = 0.0
    hashes = node.block_hashes(first, node.tip().height)
    for block_hash in hashes:
        began = time.perf_counter()
        raw = node.block(block_hash)
        between = time.perf_counter()
        scan(raw, index)
        fetched += between - began
        searched += time.perf_counter() - between
    return {"seconds": fetched + searched, "fetching": fetched, "blocks": len(hashes)}


def by_library(config: Config, state: Path, first: int) -> Result:
    """python-bitcoinrpc and python-bitcoinlib: for some blocks, from which the time for all follows."""
    user, password = (config.node.cookie_file or Path()).read_text().split(":")
    place = urlsplit(config.node.rpc or "").netloc
    watched = set(random_keys(_FEW))
    node = connect(config)
    hashes = node.block_hashes(first, node.tip().height)
    proxy = AuthServiceProxy(f"http://{user}:{password}@{place}")
    some = hashes[:_LIBRARY_BLOCKS]
    began = time.perf_counter()
    for block_hash in some:
        block = CBlock.deserialize(bytes.fromhex(proxy.getblock(block_hash, 0)))
        for tx in block.vtx:
            watched.intersection(keys_by_library(tx))
    return {"seconds": (time.perf_counter() - began) * len(hashes) / len(some), "blocks": len(hashes)}


def daemon(config: Config, state: Path, first: int) -> Result:
    """What the daemon does: blocks fetched ahead, searched, and each committed with what was found in it."""
    database = Database(f"sqlite:///{state / 'bwm.sqlite'}", config.network)
    channels = [open_channel(settings) for settings in config.channels]
    with database.connection():
        node = connect(config)
        parts = Daemon(config, database, SystemClock(), node, channels)
        parts.ingest.begin()
        chain = parts.ingest._parts.chain
        parts.ingest.take_up_newcomers()
        before, began = resident_bytes(), time.perf_counter()
        at = chain.advance(parts.ingest._breathe)  # between two blocks, as the loop has it
        seconds = time.perf_counter() - began
        found = Event.select().where(Event.kind == "trigger.confirmed").count()
        return {
            "seconds": seconds,
            "blocks": at.height - first + 1,
            "found": found,
            "memory": resident_bytes() - before,
        }


WAYS: dict[str, Callable[[Config, Path, int], Result]] = {
    "fetching": fetching,
    "apart": apart,
    "library": by_library,
    "daemon": daemon,
}


def main() -> None:
    """One way, once."""
    way, config, state, first, *rest = sys.argv[1:]
    if rest:
        compiled.use(Path(rest[0]))
    print(json.dumps(WAYS[way](load(Path(config)), Path(state), int(first))))


if __name__ == "__main__":
    main()
