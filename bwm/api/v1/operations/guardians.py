"""Guardians: whether they are locked; added, removed."""

from typing import Any

from bwm.api.problems import Problem
from bwm.api.v1 import schemas
from bwm.api.v1.operation import NAME, Call, Operation, Reply, Surroundings, listing
from bwm.api.v1.operations.common import AFTER_NAME, check_seen, nothing, one_by_name, page_by_name, problems
from bwm.api.v1.shape import Field
from bwm.daemon import keep_guardian
from bwm.daemon.register_guardian import Wish
from bwm.db import guardians, vaults

_COST = 100  # triggers: the node searches all its unspent coins for one guardian
_LONGEST_DELAY_S = 365 * 86_400

_MANNER = ("unlock_confirmations", "unlock_delay_s", "accept_locked", "accept_high_nonce", "assume_locked")


def _list(around: Surroundings, call: Call) -> Reply:
    found = guardians.described(around.clock.now())
    return page_by_name(call, [one for one in found if call.holder.sees(one["name"])])


def _of_name(around: Surroundings, name: str) -> list[dict[str, Any]]:
    return guardians.described(around.clock.now(), name) if guardians.is_taken(name) else []


def _add(around: Surroundings, call: Call) -> Reply:
    body, holder = call.body, call.holder
    name, names, tags = body["name"], body.get("vaults", ()), body.get("tags", ())
    check_seen(holder, name)
    if tags and not holder.sees_all:
        raise Problem(403, "A tag reaches vaults of everybody: only a token for all names may give tags.")
    if not all(holder.sees(vault) and vaults.is_taken(vault) for vault in names):
        raise nothing()
    if guardians.is_taken(name):
        raise Problem(409, "There is a guardian of that name already; nothing was added.")
    wish = Wish(name, body["address"], **{key: body[key] for key in _MANNER if key in body})
    now = around.clock.now()
    with problems():
        prepared = keep_guardian.keep(
            around.config, around.database, around.node, wish, (names, tags), now, sees=holder.sees
        )
    return Reply(guardians.described(around.clock.now(), name)[0] | {"remarks": list(prepared.remarks)}, 201)


def _remove(around: Surroundings, call: Call) -> Reply:
    name = call.path["name"]
    if not call.holder.sees(name) or not guardians.is_taken(name):
        raise nothing()
    with problems(409):
        keep_guardian.forget(around.config, around.database, name, around.clock.now())
    return Reply(None, 204)


_ADDRESS = "[A-Za-z0-9]{14,100}"

_FIELDS = (
    Field("name", "text", NAME.words, required=True, pattern=NAME.pattern, longest=64),
    Field("address", "text", "The Guardian Address.", required=True, pattern=_ADDRESS, longest=100),
    Field("vaults", "texts", "Vaults that it protects, by name.", pattern=NAME.pattern, longest=64),
    Field("tags", "texts", "It protects vaults with these tags.", pattern="[A-Za-z0-9._-]{1,64}", items=20),
    Field("unlock_confirmations", "whole", "How deep an unlock must be to count; 6 if nothing is said.", most=1000),
    Field("unlock_delay_s", "whole", "Seconds that an unlock must have been mined, besides.", most=_LONGEST_DELAY_S),
    Field("accept_locked", "flag", "Also take one that is locked, and begin with that."),
    Field("accept_high_nonce", "flag", "Also take one with a nonce above 65535."),
    Field("assume_locked", "flag", "Begin locked, as its history cannot be read."),
)

OPERATIONS = (
    listing("list-guardians", "Guardians with their lock states.", _list, schemas.GUARDIAN, AFTER_NAME),
    Operation(
        "add-guardian",
        "POST",
        "/v1/guardians",
        "write",
        "Watch a Guardian Address for locks and unlocks. The node looks for its signals, which may take minutes.",
        _add,
        schemas.WATCHED_GUARDIAN,
        body=_FIELDS,
        success=201,
        is_slow=True,
        cost=lambda body: _COST,
    ),
    Operation(
        "show-guardian",
        "GET",
        "/v1/guardians/{name}",
        "read",
        "One guardian: whether it is locked.",
        one_by_name(_of_name),
        schemas.GUARDIAN,
        parameters=(NAME,),
    ),
    Operation(
        "remove-guardian",
        "DELETE",
        "/v1/guardians/{name}",
        "write",
        "Stop watching a guardian that is not locked; its history stays, and everybody is told.",
        _remove,
        {},
        parameters=(NAME,),
        success=204,
        statuses=(409,),
    ),
)
