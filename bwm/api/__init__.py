"""Callers served over HTTP: RewindBitcoin wallets and, below ``/v1/``, whoever holds a token."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bwm.daemon.loop import Loop
    from bwm.daemon.run import Daemon


def loops(daemon: "Daemon") -> "Sequence[Loop]":
    """The server, for a daemon whose configuration wants one. Raises BwmError when its address cannot be had."""
    from bwm.api.server import ApiServer
    from bwm.api.v1.operation import Surroundings

    if daemon.config.api is None:
        return ()
    around = Surroundings(daemon.config, daemon.database, daemon.clock, daemon.node, daemon.can_see)
    return (ApiServer(daemon.config.api, around),)
