"""Responses and their readiness, never the transactions."""

from bwm.api.v1 import schemas
from bwm.api.v1.operation import Call, Reply, Surroundings, listing
from bwm.api.v1.operations.common import AFTER_NAME, page_by_name
from bwm.db import responses


def _list(around: Surroundings, call: Call) -> Reply:
    return page_by_name(call, responses.described(one for one in responses.every() if call.holder.sees(one.vault)))


OPERATIONS = (
    listing(
        "list-responses",
        "What was signed in advance and whether it would work; never the transactions.",
        _list,
        schemas.RESPONSE,
        AFTER_NAME,
    ),
)
