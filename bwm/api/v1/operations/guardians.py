"""Guardians and whether they are locked."""

from bwm.api.v1 import schemas
from bwm.api.v1.operation import NAME, Call, Operation, Reply, Surroundings, listing
from bwm.api.v1.operations.common import AFTER_NAME, nothing, page_by_name
from bwm.db import guardians


def _list(around: Surroundings, call: Call) -> Reply:
    found = guardians.described(around.clock.now())
    return page_by_name(call, [one for one in found if call.holder.sees(one["name"])])


def _show(around: Surroundings, call: Call) -> Reply:
    name = call.path["name"]
    found = [one for one in guardians.described(around.clock.now()) if one["name"] == name]
    if not found or not call.holder.sees(name):
        raise nothing()
    return Reply(found[0])


OPERATIONS = (
    listing("list-guardians", "Guardians with their lock states.", _list, schemas.GUARDIAN, AFTER_NAME),
    Operation(
        "show-guardian",
        "GET",
        "/v1/guardians/{name}",
        "read",
        "One guardian: whether it is locked.",
        _show,
        schemas.GUARDIAN,
        parameters=(NAME,),
    ),
)
