"""The owner's sign of life. By POST only: links are followed by robots, too."""

from bwm.api.problems import Problem
from bwm.api.v1 import schemas
from bwm.api.v1.operation import Call, Operation, Reply, Surroundings
from bwm.daemon.checking_in import checked_in
from bwm.errors import UsageError


def _check_in(around: Surroundings, call: Call) -> Reply:
    try:
        standing = checked_in(around.config, around.database, f"token {call.holder.name}", around.clock.now())
    except UsageError as error:
        raise Problem(409, str(error)) from None
    return Reply(standing)


OPERATIONS = (
    Operation(
        "check-in",
        "POST",
        "/v1/check-in",
        "check-in",
        "Say that the owner is well. It takes no body, and to say it twice does no harm.",
        _check_in,
        schemas.CHECK_IN,
        statuses=(409,),
    ),
)
