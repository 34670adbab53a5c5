"""A process that hears the node's transactions: ``python -m tests.benchmarks.listen bare|bwm URL``.

``bare`` receives and does nothing else, ``bwm`` decides of each whether it touches one of a thousand watched keys. When
its standard input has ended and nothing more comes, it prints what it heard, and when.
"""

import json
import os
import sys
import threading
import time
from collections.abc import Callable

import zmq

from bwm.chain.tx import txid_of
from bwm.daemon.feed_queue import FeedQueue
from bwm.daemon.watchlist import WatchList
from bwm.node.feed import Feed
from bwm.node.frames import FeedMessage, RawTx

_WAIT_MS = 500
_REST_S = 1.0  # so often the daemon's loop looks at what is not urgent
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
    watch_list = WatchList()
    watch_list.follow(os.urandom(36) for _ in range(_WATCHED))

    def is_urgent(message: FeedMessage) -> bool:
        if not isinstance(message, RawTx):
            return True
        may_concern = watch_list.may_concern(message.raw)
        heard.append((time.monotonic(), message.raw))
        return may_concern

    messages = FeedQueue(is_urgent)
    feed = Feed({"rawtx": url}, messages.put)
    feed.start()
    while messages.take(_REST_S) or not is_over():
        pass
    feed.stop()


def main() -> None:
    """Listen until told to end."""
    way, url = sys.argv[1:]
    over = threading.Event()
    heard: Heard = []

    def wait_for_the_end() -> None:
        sys.stdin.read()
        over.set()

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    print("listening", flush=True)
    {"bare": bare, "bwm": deciding}[way](url, heard, over.is_set)
    print(json.dumps([(at, txid_of(raw)) for at, raw in heard]))


if __name__ == "__main__":
    main()
