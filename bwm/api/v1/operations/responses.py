"""Responses: how ready they are; added, removed. Never their transactions, and never armed or sent from here."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import structlog

from bwm.api.bodies import LARGE
from bwm.api.problems import Problem
from bwm.api.v1 import schemas
from bwm.api.v1.operation import NAME, Call, Operation, Reply, Surroundings, listing
from bwm.api.v1.operations.common import nothing, page_by_name, problems
from bwm.api.v1.shape import Field
from bwm.daemon import keep_response
from bwm.daemon.keep_response import KeyMissing, Text, Wish
from bwm.db import responses, vaults
from bwm.db.responses import StoredResponse
from bwm.errors import NodeRefused, UsageError

log = structlog.get_logger()

_OF_VAULT = 50  # responses that a vault may have when one more is added from here
_STEPS = 100  # transactions of one


def _list(around: Surroundings, call: Call) -> Reply:
    return page_by_name(call, responses.described(one for one in responses.every() if call.holder.sees(one.vault)))


def _show(around: Surroundings, call: Call) -> Reply:
    return Reply(responses.described([_found(call)])[0])


def _found(call: Call) -> StoredResponse:
    """The response that the path names. Raises Problem 404."""
    vault, name = call.path["vault"], call.path["name"]
    if call.holder.sees(vault):
        for response in responses.of_vault(vault):
            if response.name == f"{vault}/{name}":
                return response
    raise nothing()


def _add(around: Surroundings, call: Call) -> Reply:
    body, vault = call.body, call.body["vault"]
    if not call.holder.sees(vault) or not vaults.is_taken(vault):
        raise nothing()
    whole = f"{vault}/{body['name']}"
    kept = [response.name for response in responses.of_vault(vault)]
    if whole in kept:
        raise Problem(409, "The vault has a response of that name already; nothing was added.")
    if len(kept) >= _OF_VAULT:
        raise Problem(409, f"The vault has {len(kept)} responses already; nothing was added. Remove one first.")
    with problems():
        added, notes = _kept(around, _wish(body))
    log.info("api.response_added", response=whole, token=call.holder.name)
    return Reply(responses.described([added])[0] | {"notes": notes}, 201)


def _wish(body: Mapping[str, Any]) -> Wish:
    steps, children, parents = (
        [Text(f"{word} {number}", text) for number, text in enumerate(body.get(name, ()), 1)]
        for word, name in (("transaction", "transactions"), ("child", "children"), ("parent", "parents"))
    )
    if not steps:
        raise UsageError("transactions must hold at least one.")
    lock = keep_response.deadline(body.get("delay"), body.get("until"))
    return Wish(body["vault"], body["name"], steps, children, parents, lock, body.get("budget_sats"))


def _kept(around: Surroundings, wish: Wish) -> tuple[StoredResponse, list[str]]:
    try:
        return keep_response.keep(around.config, around.database, around.node, wish, around.clock.now())
    except KeyMissing as error:  # its words name a response, perhaps another's
        log.error("api.key_missing", error=str(error))
        raise Problem(503, "bwm cannot seal a response now. Its operator sees why in the log.") from None
    except NodeRefused:
        raise UsageError("The node cannot read one of the transactions; nothing was added.") from None


def _remove(around: Surroundings, call: Call) -> Reply:
    """What the owner armed is taken away by the owner alone."""
    whole = _found(call).name
    with problems(409):
        keep_response.forget(around.config, around.database, whole, around.clock.now(), token=call.holder.name)
    log.info("api.response_removed", response=whole, token=call.holder.name)
    return Reply(None, 204)


def _cost(body: Mapping[str, Any]) -> int:
    """Each transaction is judged again and again, and takes room: the largest body nearly uses an allowance up."""
    texts = [text for name in ("transactions", "children", "parents") for text in body.get(name, ())]
    return sum(100 + len(text) // 100 for text in texts)


_TX = "[0-9A-Za-z+/=]{20,}"
_LONGEST_TX = 2_000_000  # characters: what nodes relay is at most 800,000, and a PSBT holds more than that

_VAULT = Field("vault", "text", "The vault that it moves to safety.", pattern=NAME.pattern, longest=64)
_NAME = Field("name", "text", "The name of the response within its vault.", pattern=NAME.pattern, longest=64)
_AFTER = Field(
    "after",
    "text",
    "Those behind this name: `next` of the page before.",
    pattern=f"{NAME.pattern}/{NAME.pattern}",
)

_FIELDS = (
    replace(_VAULT, required=True),
    replace(_NAME, required=True),
    Field(
        "transactions",
        "texts",
        "The ladder: signed transactions in hexadecimal, or PSBTs in base64, of the same coins, each with another fee.",
        required=True,
        pattern=_TX,
        longest=_LONGEST_TX,
        items=_STEPS,
    ),
    Field(
        "children",
        "texts",
        "The child that pays for the transaction of the same place.",
        pattern=_TX,
        longest=_LONGEST_TX,
        items=_STEPS,
    ),
    Field(
        "parents",
        "texts",
        "The trigger's transaction, to check against; it is not kept.",
        pattern=_TX,
        longest=_LONGEST_TX,
        items=_STEPS,
    ),
    Field("delay", "text", "How long the thief must wait: blocks (144) or a duration (2d).", pattern="[0-9dhms]{1,20}"),
    Field("until", "text", "Until when the thief must wait: a height or a date.", pattern="[0-9TZ:+-]{1,30}"),
    Field("budget_sats", "whole", "Never pay a higher fee than this, in sat.", least=1, most=21_000_000 * 100_000_000),
)

_PATH = "/v1/responses/{vault}/{name}"

OPERATIONS = (
    listing(
        "list-responses",
        "What was signed in advance and whether it would work; never the transactions.",
        _list,
        schemas.RESPONSE,
        _AFTER,
    ),
    Operation(
        "add-response",
        "POST",
        "/v1/responses",
        "respond",
        "Keep transactions, signed in advance, that move a vault to safety. They are checked, sealed, never shown, and "
        "not armed: that is done on bwm's own machine.",
        _add,
        schemas.KEPT_RESPONSE,
        body=_FIELDS,
        success=201,
        is_slow=True,
        cost=_cost,
        largest_body=LARGE,
    ),
    Operation(
        "show-response",
        "GET",
        _PATH,
        "read",
        "One response and whether it would work; never its transactions.",
        _show,
        schemas.RESPONSE,
        parameters=(_VAULT, _NAME),
    ),
    Operation(
        "remove-response",
        "DELETE",
        _PATH,
        "respond",
        "Forget a response that is not armed.",
        _remove,
        {},
        parameters=(_VAULT, _NAME),
        success=204,
        statuses=(409,),
    ),
)
