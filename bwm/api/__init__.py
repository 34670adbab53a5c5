"""Callers served over HTTP: RewindBitcoin wallets and, below ``/v1/``, whoever holds a token."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bwm.daemon.run import Daemon, Loop


def loops(daemon: "Daemon") -> "Sequence[Loop]":
    """The server, for a daemon whose configuration wants one. Raises BwmError when its address cannot be had."""
    from bwm.api.app import Health
    from bwm.api.server import ApiServer

    if daemon.config.api is None:
        return ()
    health = Health(daemon.can_see)
    return (ApiServer(daemon.config.api, daemon.database, daemon.clock, health),)
