"""How bwm does."""

from typing import Any

from bwm import __version__
from bwm.api.v1 import schemas
from bwm.api.v1.operation import Call, Operation, Reply, Surroundings
from bwm.api.v1.operations.alerts import seen_ids
from bwm.api.v1.operations.vaults import seen_names
from bwm.daemon.checking_in import standing_of
from bwm.db import alerts, cursor, vaults


def _status(around: Surroundings, call: Call) -> Reply:
    at = cursor.at()
    return Reply(
        {
            "network": around.config.network,
            "version": __version__,
            "up": around.is_up(),
            "height": at.height if at else None,
            "vaults": vaults.count() if call.holder.sees_all else sum(1 for _ in seen_names(call.holder, "")),
            "open_alerts": sum(1 for _ in seen_ids(call.holder, None, alerts.OPEN)),
            "check_in": _check_in(around, call),
        }
    )


def _check_in(around: Surroundings, call: Call) -> dict[str, Any] | None:
    """How the owner's sign of life stands: none of the business of a token that is for some vaults."""
    wanted = around.config.check_in
    return standing_of(wanted, around.clock.now()) if wanted and call.holder.sees_all else None


OPERATIONS = (Operation("status", "GET", "/v1/status", "read", "How bwm does.", _status, schemas.STATUS),)
