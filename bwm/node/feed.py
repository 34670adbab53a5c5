"""The node's ZMQ messages, heard by a thread that does nothing else. A bell: what is true is asked over RPC."""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain

import structlog
import zmq

from bwm.node.frames import FeedMessage
from bwm.node.line import WAIT_MS, Line

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class FeedHealth:
    """How the feed does."""

    alive: bool  # the thread runs
    connected: bool  # to every endpoint
    topics: tuple[str, ...]  # those of the endpoints that are connected
    malformed: int  # dropped since the start because they were no messages of the node
    gaps: int  # holes in the node's numbering since the start


class Feed:
    """Listens to the node's publishers and passes on what they say, in order for each endpoint.

    ``endpoints`` gives for each topic (rawtx, hashblock, rawblock, sequence) where the node publishes it; any
    may be missing. ``publish`` is called in the feed's thread and must return at once. ``on_death`` is called
    when the thread ends without having been told to, with the reason: nothing is heard from then on.
    """

    def __init__(
        self,
        endpoints: Mapping[str, str],
        publish: Callable[[FeedMessage], None],
        on_death: Callable[[BaseException], None] = lambda error: None,
    ) -> None:
        self._publish = publish
        self._on_death = on_death
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="feed", daemon=True)
        self._lines = [
            Line(endpoint, tuple(sorted(topic for topic in endpoints if endpoints[topic] == endpoint)))
            for endpoint in dict.fromkeys(endpoints.values())
        ]

    def start(self) -> None:
        """Begin to listen. It does not fail for want of a publisher: that one may come later.

        Raises ConfigError when an endpoint is no address.
        """
        # A context of its own: whatever stops its sockets stops nobody else's.
        self._context = zmq.Context()
        self._poller = zmq.Poller()
        try:
            for line in self._lines:
                for socket in line.open(self._context):
                    self._poller.register(socket, zmq.POLLIN)
        except BaseException:
            self._context.destroy(linger=0)
            raise
        self._thread.start()

    def stop(self) -> None:
        """End the thread and wait for its end."""
        self._stopping.set()
        if self.alive:
            self._thread.join()

    @property
    def alive(self) -> bool:
        """False before the start, after the stop, and when the thread died."""
        return self._thread.is_alive()

    def health(self) -> FeedHealth:
        """How it does now. From any thread."""
        return FeedHealth(
            alive=self.alive,
            connected=bool(self._lines) and all(line.connected for line in self._lines),
            topics=tuple(sorted(topic for line in self._lines if line.connected for topic in line.topics)),
            malformed=sum(line.malformed for line in self._lines),
            gaps=sum(line.gaps for line in self._lines),
        )

    def _listen(self) -> Iterable[FeedMessage]:
        """What comes next, or nothing for a while."""
        if len(self._lines) == 1 and self._lines[0].connected:
            return self._lines[0].wait()
        self._poller.poll(WAIT_MS)
        return chain.from_iterable(line.read() for line in self._lines)

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                for message in self._listen():
                    self._publish(message)
        except BaseException as error:  # whatever it is, nobody is left to hear the node
            log.exception("feed.died")
            self._on_death(error)
        finally:
            self._context.destroy(linger=0)
