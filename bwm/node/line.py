"""The connection to one publisher of the node."""

import time
from collections.abc import Iterator
from struct import unpack

import structlog
import zmq

from bwm.errors import ConfigError, Damaged
from bwm.node.frames import Connected, Disconnected, FeedMessage, Gap, follows, read_frame

log = structlog.get_logger()

_LARGEST_MESSAGE = 5_000_000  # bytes; a block has at most 4,000,000 (BIP 141)
_MESSAGES_A_TURN = 1000  # before the monitor is looked at again
_COMPLAIN_EVERY_S = 60.0
_LOOK_EVERY_S = 10.0  # at the monitor, while messages come: who hears them is connected
WAIT_MS = 500
"""How long one may wait for messages before there is something else to look at."""

_OPTIONS = {
    zmq.RCVHWM: 0,  # nothing is dropped on our side
    zmq.LINGER: 0,
    zmq.RCVTIMEO: WAIT_MS,
    zmq.IPV6: 1,  # without it an IPv6 endpoint stays silent; IPv4 works as before
    zmq.HEARTBEAT_IVL: 5000,  # milliseconds; a frozen node or a cut cable shows by heartbeats alone
    zmq.HEARTBEAT_TIMEOUT: 15000,
    zmq.HEARTBEAT_TTL: 20000,
    zmq.RECONNECT_IVL: 200,
    zmq.RECONNECT_IVL_MAX: 5000,
    zmq.MAXMSGSIZE: _LARGEST_MESSAGE,
}


class Line:
    """One endpoint and the topics that are heard there.

    It has a socket of its own, because the node numbers each topic at each address, and a message does not
    say where it came from: if two addresses publish the same topic, one socket would mix their numbers.
    """

    def __init__(self, endpoint: str, topics: tuple[str, ...]) -> None:
        self.endpoint = endpoint
        self.topics = topics
        self.connected = False
        self.malformed = 0
        self.gaps = 0
        self._look_at = 0.0  # when the monitor is due
        self._counters: dict[str, int] = {}  # the last of each topic on the present connection
        self._complain_at = 0.0

    def open(self, context: "zmq.Context[zmq.Socket[bytes]]") -> "tuple[zmq.Socket[bytes], zmq.Socket[bytes]]":
        """Subscribe and begin to connect. Returns the sockets to be polled; read() reads both.

        Raises ConfigError when the endpoint is no address. That nobody answers there is no error.
        """
        self._socket = context.socket(zmq.SUB)
        for option, value in _OPTIONS.items():
            self._socket.setsockopt(option, value)
        for topic in self.topics:
            self._socket.setsockopt(zmq.SUBSCRIBE, topic.encode())
        # An unread monitor stops every socket of the context after some thousand events. These two are rare,
        # and are read in the same loop as the messages.
        self._monitor = self._socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED)
        try:
            self._socket.connect(self.endpoint)
        except zmq.ZMQError as error:
            raise ConfigError(
                f"{self.endpoint} is no address of a feed ({error}): write it like tcp://127.0.0.1:28332"
            ) from None
        return self._socket, self._monitor

    def read(self) -> Iterator[FeedMessage]:
        """What has arrived. Never waits.

        The monitor comes first: a new connection counts from anew, and its event is there before its messages.
        """
        yield from self._read_monitor()
        for _ in range(_MESSAGES_A_TURN):
            try:
                parts = _receive(self._socket, zmq.DONTWAIT)
            except zmq.Again:
                return
            yield from self._read_parts(parts)

    def wait(self) -> list[FeedMessage]:
        """What arrives next; nothing when nothing came for half a second.

        For who has only this line, while it is connected: to wait for two sockets at once, and to ask whether there is
        more, costs as much as all else that a message makes. A line that breaks is noticed when nothing comes any more,
        or when the numbering of what comes breaks.
        """
        try:
            parts = _receive(self._socket)
        except zmq.Again:
            return list(self._read_monitor())
        if time.monotonic() < self._look_at:
            return self._read_parts(parts)
        return [*self._read_monitor(), *self._read_parts(parts)]

    def _read_monitor(self) -> Iterator[FeedMessage]:
        self._look_at = time.monotonic() + _LOOK_EVERY_S
        while _has_come(self._monitor):
            event, _ = unpack("=hi", self._monitor.recv_multipart()[0])  # zmq_socket_monitor(3)
            if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                self._counters.clear()
                self.connected = True
                log.info("feed.connected", endpoint=self.endpoint, topics=self.topics)
                yield Connected(self.endpoint)
            elif event == zmq.EVENT_DISCONNECTED and self.connected:
                self.connected = False
                log.warning("feed.disconnected", endpoint=self.endpoint)
                yield Disconnected(self.endpoint)

    def _read_parts(self, parts: list[bytes]) -> list[FeedMessage]:
        try:
            topic, counter, message = read_frame(parts, self.topics)
        except Damaged as error:
            self._drop(error)
            _skip_rest(self._socket)
            return []
        messages = [] if follows(counter, self._counters.get(topic)) else self._read_break(topic, counter)
        self._counters[topic] = counter
        messages.append(message)
        return messages

    def _read_break(self, topic: str, counter: int) -> list[FeedMessage]:
        """Why a message does not follow on the one before: a new connection counts from anew, or some were lost."""
        messages: list[FeedMessage] = list(self._read_monitor())
        if not follows(counter, self._counters.get(topic)):
            self.gaps += 1
            messages.append(Gap(topic))
        return messages

    def _drop(self, error: Damaged) -> None:
        """Count what is no message of the node; say so now and then."""
        self.malformed += 1
        if time.monotonic() >= self._complain_at:
            self._complain_at = time.monotonic() + _COMPLAIN_EVERY_S
            log.warning("feed.malformed", endpoint=self.endpoint, reason=str(error), so_far=self.malformed)


def _receive(socket: "zmq.Socket[bytes]", flags: int = 0) -> list[bytes]:
    """What should be the three parts of the next message. Raises zmq.Again when none comes.

    A quarter of the work of ``socket.recv_multipart()``, which asks after each part whether another follows. Of a
    message with fewer parts, parts of the next one are taken; of one with more, some are left: see ``_skip_rest``.
    """
    name = socket.recv(flags)
    try:
        return [name, socket.recv(), socket.recv()]
    except zmq.Again:  # it had fewer parts, and no other message has come
        return [name]


def _skip_rest(socket: "zmq.Socket[bytes]") -> None:
    """After what was no message of the node: have the next part that is received be the first of a message."""
    while socket.getsockopt(zmq.RCVMORE):
        socket.recv()


def _has_come(socket: "zmq.Socket[bytes]") -> bool:
    """Whether there is a message to be read. A tenth of the work of ``socket.poll(0)``."""
    return bool(int(socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN)
