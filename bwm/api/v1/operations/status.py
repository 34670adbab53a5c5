"""How bwm does."""

from bwm import __version__
from bwm.api.v1 import schemas
from bwm.api.v1.operation import Call, Operation, Reply, Surroundings
from bwm.api.v1.operations.alerts import seen_alerts
from bwm.api.v1.operations.vaults import seen_names
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
            "open_alerts": sum(1 for _ in seen_alerts(call.holder, alerts.listed(alerts.OPEN, hidden=False))),
        }
    )


OPERATIONS = (Operation("status", "GET", "/v1/status", "read", "How bwm does.", _status, schemas.STATUS),)
