"""What the operator is told about the devices of wallets."""

from bwm.event import Event, fact_key
from bwm.severity import Severity

RETIRED = "channel.device_retired"


def retired(vault: str, remaining: int, network: str, now: int) -> tuple[Event, Severity]:
    """The push service knows a device of this vault no more; so many others are left."""
    left = f"{remaining} other device(s) of it can be told" if remaining else "nobody is told by push of it any more"
    reason = (
        "a telephone that registered the vault is not known to the push service any more: the app was removed, or it "
        f"has a new token. {left[0].upper()}{left[1:]}"
    )
    event = Event(
        key=fact_key(network, RETIRED, vault, remaining, now),
        kind=RETIRED,
        at=now,
        network=network,
        reason=reason,
        vault=vault,
        detail={"remaining": remaining, "case": f"device/{vault}/{now}"},
    )
    return event, Severity.INFO if remaining else Severity.HIGH
