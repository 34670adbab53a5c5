"""Blocks by the node's REST interface: one that is full comes in a sixth of the time that JSON-RPC takes.

REST is on the RPC port, has no password and shows nothing that is secret (doc/REST-interface.md of Bitcoin Core).
It is never needed: whatever goes wrong here, the same is asked by RPC, which says what is wrong.
"""

import threading
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException

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
        body = response.read(_LARGEST_BLOCK + 1)
        if not response.isclosed():
            raise HTTPException("longer than any block")
        self._of_thread.connection = connection
        return body if response.status == HTTPStatus.OK else None
