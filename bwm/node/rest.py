"""Blocks by the node's REST interface: one that is full comes in a sixth of the time that JSON-RPC takes.

REST is on the RPC port, has no password and shows nothing that is secret (doc/REST-interface.md of Bitcoin Core).
It is never needed: whatever goes wrong here, the same is asked by RPC, which says what is wrong.
"""

import threading
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse
from socket import MSG_WAITALL, SO_RCVTIMEO, SOL_SOCKET
from struct import pack

_SMALL = 50_000  # bytes: not worth the trouble
_LARGEST_BLOCK = 4_000_000  # bytes (BIP 141)


class Rest:
    """The REST interface of one node. Safe to use from any thread: each keeps a connection of its own."""

    def __init__(self, host: str, port: int, timeout_s: float = 10.0) -> None:
        self._host = host
        self._port = port
        self._timeout_s = timeout_s
        self._of_thread = threading.local()

    def block(self, block_hash: str) -> bytes | None:
        """A block as serialised; None when it cannot be had this way."""
        kept: HTTPConnection | None = self._of_thread.__dict__.pop("connection", None)
        if kept is not None:
            try:
                return self._ask(kept, block_hash)
            except (OSError, HTTPException):
                kept.close()  # the node closes idle connections, and all when it stops
        connection = HTTPConnection(self._host, self._port, timeout=self._timeout_s)
        try:
            return self._ask(connection, block_hash)
        except (OSError, HTTPException):
            connection.close()
            return None

    def _ask(self, connection: HTTPConnection, block_hash: str) -> bytes | None:
        connection.request("GET", f"/rest/block/{block_hash}.bin")
        response = connection.getresponse()
        body = self._body(connection, response)
        if not response.isclosed():
            raise HTTPException("longer than any block")
        self._of_thread.connection = connection
        return body if response.status == HTTPStatus.OK else None

    def _body(self, connection: HTTPConnection, response: HTTPResponse) -> bytes:
        """The answer's content, a block's in one system call: whoever searches the block before keeps the processor.

        Piece by piece this thread would wait for the interpreter, which the other one holds, before each of them.
        """
        size, socket = response.length, connection.sock
        if socket is None or size is None or not _SMALL < size <= _LARGEST_BLOCK:
            return response.read(_LARGEST_BLOCK + 1)
        begin = response.read1(size)  # what came with the head
        seconds, microseconds = int(self._timeout_s), int(self._timeout_s % 1 * 1_000_000)
        socket.setsockopt(SOL_SOCKET, SO_RCVTIMEO, pack("ll", seconds, microseconds))
        socket.settimeout(None)  # one of Python's own would make it wait for every piece
        rest = socket.recv(size - len(begin), MSG_WAITALL)
        socket.settimeout(self._timeout_s)
        if len(begin) + len(rest) < size:
            raise HTTPException("the answer was cut short")
        response.length = 0
        response.read()  # nothing is left: it is closed, and the connection kept
        return begin + rest
