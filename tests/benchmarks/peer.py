"""The PyPI package bitcoinwatcher, which watches addresses by ZMQ as well: what it does with a transaction.

It pins versions that do not go together with ours, so it lives in a virtual environment of its own, made when needed.
What it asks its node for every transaction is left out, so it is faster here than in life.
"""

import json
import subprocess
import sys
import venv
from pathlib import Path
from statistics import median

from bwm.chain.block import keys_of_block, transaction_bytes
from bwm.watch.index import KeyFilter
from bwm.watch.pool import TxPool
from tests.benchmarks.race import race
from tests.benchmarks.report import Row
from tests.benchmarks.scan import FEW, random_keys

PEER = "bitcoinwatcher==2.18"
_NEEDS = "fastecdsa<4"  # it says so nowhere, and does not start with a newer one
_HOME = Path(__file__).parents[2] / ".bench"
_TRANSACTIONS = 200

_PROGRAM = """
import json, logging, sys, time
logging.disable(logging.CRITICAL)
from bitcoinlib.transactions import Transaction
from bitcoin.address_listener.address_listener import AbstractAddressListener
class Listener(AbstractAddressListener):
    def consume(self, *args, **named): pass
listener = Listener({f"bcrt1q{n:038d}" for n in range(1000)})
raws, rounds = [bytes.fromhex(line) for line in sys.stdin.read().split()], int(sys.argv[1])
times = []
for _ in range(rounds):
    began = time.perf_counter()
    for raw in raws:
        tx = Transaction.parse(raw, strict=False)
        listener.filter_address_tx_data(listener.default_tx_extractor.extract(tx))
    times.append(time.perf_counter() - began)
print(json.dumps(times))
"""


def rows(raw: bytes, rounds: int) -> list[Row]:
    """Transactions of a block, one by one, as a feed brings them."""
    block = keys_of_block(raw)
    step = max(1, len(block.starts) // _TRANSACTIONS)
    raws = [transaction_bytes(raw, block, number) for number in range(1, len(block.starts), step)]
    index = KeyFilter(random_keys(FEW))
    times = json.loads(_ask("\n".join(one.hex() for one in raws), rounds))
    ours = race({"bwm": lambda: [index.candidates(TxPool([one]).keys()) for one in raws]}, rounds)["bwm"]
    middle = ours.median_seconds
    note = f"{ours.seconds / len(raws) * 1e6:.1f} µs, {PEER} {min(times) / len(raws) * 1e6:.0f} µs"
    case = "a transaction of the feed, 1k items"
    return [Row("times bitcoinwatcher", case, min(times) / ours.seconds, 1, True, median(times) / middle, note)]


def _ask(raws: str, rounds: int) -> str:
    python = _HOME / "bin" / "python"
    if not (_HOME / "made").exists():
        venv.create(_HOME, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "-qq", "--disable-pip-version-check", PEER, _NEEDS], check=True)
        (_HOME / "made").touch()
    command = [python, "-c", _PROGRAM, str(rounds)]
    done = subprocess.run(command, input=raws, stdout=subprocess.PIPE, stderr=sys.stderr, text=True, check=True)
    return done.stdout.splitlines()[-1]
