"""One HTTP connection to the node's RPC port."""

from http import HTTPStatus
from http.client import HTTPConnection, HTTPResponse
from typing import Any

from bwm.errors import NodeBusy, NodeForbidden, NodeUnauthorized


class RpcConnection(HTTPConnection):
    """A connection that carries its own credentials, and turns the node's refusals by status into our errors.

    python-bitcoinrpc takes user and password from its URL without unquoting them, so that some passwords
    cannot be passed, and keeps the status of an answer to itself. Both are mended here.
    """

    def __init__(self, host: str, port: int, authorization: str) -> None:
        super().__init__(host, port)
        self._authorization = authorization

    def limit(self, seconds: float) -> None:
        """How long the node may take to accept, to read and to answer; for this and all further requests."""
        self.timeout = seconds
        if self.sock is not None:
            self.sock.settimeout(seconds)

    def putheader(self, header: str | bytes, *values: Any) -> None:
        """Write our credentials in the place of those that the library made from its URL."""
        if header == "Authorization":
            values = (self._authorization,)
        super().putheader(header, *values)

    def getresponse(self) -> HTTPResponse:
        """The answer. Raises NodeUnauthorized, NodeForbidden or NodeBusy for a refusal without words."""
        response = super().getresponse()
        if response.status == HTTPStatus.UNAUTHORIZED:
            raise NodeUnauthorized(
                "the node refused the credentials (HTTP 401): check the cookie's path, or user and password"
            )
        if response.status == HTTPStatus.FORBIDDEN:
            raise NodeForbidden(
                "the node forbids this (HTTP 403): add the call to rpcwhitelist, or the address to rpcallowip"
            )
        if response.status == HTTPStatus.SERVICE_UNAVAILABLE:
            raise NodeBusy("the node has too many requests waiting, or is stopping (HTTP 503)")
        return response
