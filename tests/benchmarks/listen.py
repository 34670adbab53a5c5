"""A process that hears the node's transactions: ``python -m tests.benchmarks.listen bare|bwm URL``.

``bare`` receives and does nothing else, ``bwm`` decides of each whether it touches one of a thousand watched keys. When
its standard input has ended and nothing more comes, it prints what it heard, and how much of a processor that took.
"""

import json
import os
import queue
import sys
import threading
import time
from collections.abc import Callable

import zmq

from bwm.chain.tx import txid_of
from bwm.node.feed import Feed
from bwm.node.frames import FeedMessage, RawTx
from bwm.watch.index import KeyFilter
from bwm.watch.pool import TxPool

_WAIT_MS = 500
_WATCHED = 1_000

Heard = list[tuple[float, bytes]]  # by the monotonic clock, which all processes share


def bare(url: str, heard: Heard, is_over: Callable[[], bool]) -> None:
    """The least that a subscriber can do."""
    socket = zmq.Context.instance().socket(zmq.SUB)
    socket.setsockopt(zmq.RCVHWM, 0)
    socket.setsockopt(zmq.RCVTIMEO, _WAIT_MS)
    socket.connect(url)
    socket.subscribe(b"rawtx")
    while True:
        try:
            parts = socket.recv_multipart()
        except zmq.Again:
            if is_over():
                return
            continue
        heard.append((time.monotonic(), parts[1]))


def deciding(url: str, heard: Heard, is_over: Callable[[], bool]) -> None:
    """bwm's feed and index, as the daemon joins them."""
    index = KeyFilter(os.urandom(36) for _ in range(_WATCHED))
    messages: queue.SimpleQueue[FeedMessage] = queue.SimpleQueue()
    feed = Feed({"rawtx": url}, messages.put)
    feed.start()
    while True:
        try:
            message = messages.get(timeout=_WAIT_MS / 1000)
        except queue.Empty:
            if is_over():
                feed.stop()
                return
            continue
        if isinstance(message, RawTx):
            index.candidates(TxPool([message.raw]).keys())
            heard.append((time.monotonic(), message.raw))


def main() -> None:
    """Listen until told to end."""
    way, url = sys.argv[1:]
    over = threading.Event()
    heard: Heard = []

    def wait_for_the_end() -> None:
        sys.stdin.read()
        over.set()

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    before = time.process_time()
    print("listening", flush=True)
    {"bare": bare, "bwm": deciding}[way](url, heard, over.is_set)
    used = time.process_time() - before
    print(json.dumps({"cpu_s": used, "heard": [(at, txid_of(raw)) for at, raw in heard]}))


if __name__ == "__main__":
    main()
