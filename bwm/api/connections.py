"""Connections that come too many, speak too slowly or never end are closed before they cost anything."""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from bwm.api.limits import LOCAL, caller_at

HEADER_LIMIT_S = 10.0
"""For a request's head to arrive, on a new connection; between two requests uvicorn's own limit holds."""

CONNECTIONS = 400
CONNECTIONS_OF_ONE = 100  # of one address that is not this machine


class GuardedProtocol(H11Protocol):
    """uvicorn's own, with a limit on the time that a head may take and on connections."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        self._head_due = self.loop.call_later(HEADER_LIMIT_S, self._close_if_silent)
        if self._is_too_many():
            transport.close()

    def _is_too_many(self) -> bool:
        if len(self.connections) > CONNECTIONS:
            return True
        who = self._caller()
        if who == LOCAL:
            return False
        others = (one for one in self.connections if isinstance(one, GuardedProtocol))
        count: int = sum(one._caller() == who for one in others)
        return count > CONNECTIONS_OF_ONE

    def _caller(self) -> str:
        return caller_at(self.client[0]) if self.client else LOCAL

    def _close_if_silent(self) -> None:
        """The head is not whole yet. A request that is being answered has one; so has one that waits for the next."""
        is_answering = self.cycle is not None
        if not is_answering and not self.transport.is_closing():
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_due.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """Between two requests the head of the next one gets as much time as the first."""
        super().on_response_complete()
        self._head_due.cancel()
        if not self.transport.is_closing():
            answered = self.cycle
            self._head_due = self.loop.call_later(HEADER_LIMIT_S, self._close_if_same, answered)

    def _close_if_same(self, answered: Any) -> None:
        if self.cycle is answered and not self.transport.is_closing():
            self.transport.close()
