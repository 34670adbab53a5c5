"""Words to the service manager (sd_notify(3)); without one, to nobody."""

import os
import socket
from contextlib import suppress


def notify(words: str) -> None:
    """Send ``READY=1``, ``WATCHDOG=1``, ``STATUS=…`` or ``STOPPING=1`` to $NOTIFY_SOCKET, if there is one.

    A manager that is away or too busy to listen is no reason to fail.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]  # a name without a file: unix(7), abstract sockets
    kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
    with socket.socket(socket.AF_UNIX, kind) as line, suppress(OSError):
        line.sendto(words.encode(), address)
