"""What the daemon and a worker process say to each other: one request, one answer, each one JSON packet.

Every request has a line of its own, on which it lies already when the worker is given the other end of it. So the
kernel itself keeps account of what was begun: a worker that goes away with the request unread resets the line, and
one that had read it closes it (unix(7)).
"""

import socket
from typing import Literal, TypedDict

MAX_PACKET = 65536

TAKE = b"."
"""What hands a worker the line of a request."""


class Request(TypedDict):
    """``send``: tell it. ``check``: only say whether the URL could be used."""

    order: Literal["send", "check"]
    url: str
    severity: str
    alert: str  # its id: what has the same one belongs together
    proxy: str  # socks5h://host:port, or nothing: what it must go through
    title: str
    body: str


class Answer(TypedDict):
    """How it went; ``words`` are for the operator and hold no part of the URL."""

    result: Literal["done", "later", "uncertain", "refused"]
    words: str
    wait_s: int | None  # how long the receiver asked us to wait


def packet_pair() -> tuple[socket.socket, socket.socket]:
    """Two ends of a local line that keeps packets apart and tells each end when the other is gone."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
