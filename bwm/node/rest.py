"""Blocks by the node's REST interface: one that is full comes in a sixth of the time that JSON-RPC takes.

REST is on the RPC port, has no password and shows nothing that is secret (doc/REST-interface.md of Bitcoin Core).
It is never needed: whatever goes wrong here, the same is asked by RPC, which says what is wrong.
"""

import re
import threading
from collections.abc import Collection
from contextlib import suppress
from socket import MSG_PEEK, MSG_WAITALL, SO_RCVTIMEO, SO_SNDTIMEO, SOL_SOCKET, create_connection
from struct import pack

_LARGEST_HEAD = 4_096  # bytes; the node's has some hundred
_LARGEST_BLOCK = 4_000_000  # bytes (BIP 141)
_HEAD_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]{1,9})\r\n", re.IGNORECASE)


class Rest:
    """The REST interface of one node. Safe to use from any thread: each keeps connections of its own."""

    def __init__(self, host: str, port: int, timeout_s: float = 10.0) -> None:
        self._host = host
        self._port = port
        self._timeout_s = timeout_s
        self._lines = _Lines()

    def expect(self, block_hashes: Collection[str]) -> None:
        """This thread wants these blocks next, and none that it expected besides.

        The node is asked for each at once, on a connection of its own, and sends them while this thread does something
        else: they wait in the system's buffers and in the node's, some megabytes.
        """
        lines = self._lines
        for block_hash in lines.asked.keys() - set(block_hashes):
            lines.asked.pop(block_hash).close()
        for block_hash in block_hashes:
            if block_hash not in lines.asked:
                with suppress(OSError):  # whoever wants the block asks again
                    lines.asked[block_hash] = self._asked(block_hash)
        if not block_hashes:
            lines.close_idle(but=1)

    def block(self, block_hash: str) -> bytes | None:
        """A block as serialised; None when it cannot be had this way."""
        lines = self._lines
        asked = lines.asked.pop(block_hash) if block_hash in lines.asked else None
        with suppress(OSError):  # the node closes idle connections, and all when it stops
            block = self._received(asked or self._asked(block_hash))
            if block is not None:
                return block
        lines.close_idle()
        with suppress(OSError):  # once more, for one that it was too busy to take early
            return self._received(self._asked(block_hash))
        return None

    def _asked(self, block_hash: str) -> "_Line":
        """A connection on which the node was asked for a block. Raises OSError."""
        idle = self._lines.idle
        line = idle.pop() if idle else _Line(self._host, self._port, self._timeout_s)
        try:
            line.ask(block_hash)
        except OSError:
            line.close()
            raise
        return line

    def _received(self, line: "_Line") -> bytes | None:
        try:
            block = line.answer()
        except OSError:
            line.close()
            raise
        if block is None:
            line.close()
        else:
            self._lines.idle.append(line)
        return block


class _Lines(threading.local):
    """The connections of one thread."""

    def __init__(self) -> None:
        self.asked: dict[str, _Line] = {}  # by the hash of the block that the node was asked for
        self.idle: list[_Line] = []

    def close_idle(self, but: int = 0) -> None:
        """Close those that nothing was asked on, ``but`` so many."""
        while len(self.idle) > but:
            self.idle.pop().close()


class _Line:
    """One connection, for one question at a time. All methods raise OSError, also when the answer is cut short."""

    def __init__(self, host: str, port: int, timeout_s: float) -> None:
        self._host = f"[{host}]" if ":" in host else host
        self._socket = create_connection((host, port), timeout_s)
        limit = pack("ll", int(timeout_s), int(timeout_s % 1 * 1_000_000))
        for option in (SO_RCVTIMEO, SO_SNDTIMEO):
            self._socket.setsockopt(SOL_SOCKET, option, limit)
        self._socket.settimeout(None)  # one of Python's own would make it wait for every piece

    def close(self) -> None:
        self._socket.close()

    def ask(self, block_hash: str) -> None:
        request = f"GET /rest/block/{block_hash}.bin HTTP/1.1\r\nHost: {self._host}\r\n\r\n"
        self._socket.sendall(request.encode())

    def answer(self) -> bytes | None:
        """The block; None when the node has something else to say, after which the connection is of no use."""
        head = self._head()
        length = _LENGTH.search(head)
        if not head.startswith(b"HTTP/1.1 200 ") or length is None:
            return None
        size = int(length[1])
        if size > _LARGEST_BLOCK:
            raise ConnectionError("longer than any block")
        return self._exactly(size)

    def _head(self) -> bytes:
        """The answer's head, and not a byte of what follows."""
        seen = self._socket.recv(_LARGEST_HEAD, MSG_PEEK)
        while (end := seen.find(_HEAD_END)) < 0:
            before = len(seen)  # one byte more is to come before it is worth another look
            if before == _LARGEST_HEAD or len(self._socket.recv(before + 1, MSG_PEEK | MSG_WAITALL)) <= before:
                raise ConnectionError("no answer of a node")
            seen = self._socket.recv(_LARGEST_HEAD, MSG_PEEK)
        return self._exactly(end + len(_HEAD_END))

    def _exactly(self, size: int) -> bytes:
        """So many bytes, in one system call and one piece: a block is not copied once more."""
        part = self._socket.recv(size, MSG_WAITALL)
        if len(part) < size:
            raise ConnectionError("the answer was cut short")
        return part
