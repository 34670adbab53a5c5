"""Spends that the owner says will come."""

from bwm.api.problems import Problem
from bwm.api.v1 import schemas
from bwm.api.v1.numbers import numbers_of
from bwm.api.v1.operation import NAME, USUAL, Call, Operation, Reply, Surroundings, listing, page
from bwm.api.v1.operations.common import AFTER_NUMBER, nothing
from bwm.api.v1.shape import Field
from bwm.chain.network import network as network_of
from bwm.daemon.announcing import SHORTEST_S, USUAL_FEE, USUAL_S, announced, drafted
from bwm.db import announcements, vaults
from bwm.errors import UsageError
from bwm.policy.announced_text import LONGEST_S, read_text

_NUMBERED = "announcements"
_COST = 100  # triggers: everybody is told of each, also of one that is refused


def _list(around: Surroundings, call: Call) -> Reply:
    limit, numbers = call.query.get("limit", USUAL), numbers_of(around, call.holder, _NUMBERED)
    found = announcements.described()
    after = numbers.true(call.query.get("after", 0), latest=found[-1]["id"] if found else 0)
    seen = [one for one in found if one["id"] > after and call.holder.sees(one["vault"])]
    items = [one | {"id": numbers.shown(one["id"])} for one in seen[: limit + 1]]
    return Reply(page(items, limit, lambda one: one["id"]))


def _announce(around: Surroundings, call: Call) -> Reply:
    """In the fields, or as the text that ``bwm announce --print-message`` prints, with its signature."""
    network, now, body = network_of(around.config.network), around.clock.now(), call.body
    try:
        if "message" in body:
            said = read_text(body["message"], network)
        else:
            fee, within_s = body.get("max_fee", USUAL_FEE), body.get("within_s", USUAL_S)
            vault, txid, places = body.get("vault", ""), body.get("txid"), body.get("to", ())
            said = drafted(vault, txid, places, fee, within_s, network, now)
        if not call.holder.sees(said.announcement.vault) or not vaults.is_taken(said.announcement.vault):
            raise nothing()
        number = announced(around.config, around.database, said, body.get("signature"), now)
    except UsageError as error:
        raise Problem(400, str(error)) from None
    shown = numbers_of(around, call.holder, _NUMBERED).shown(number)
    return Reply({"id": shown, "vault": said.announcement.vault}, 201)


_PLACE = "[A-Za-z0-9]{14,100}:[0-9]{1,16}"

_FIELDS = (
    Field("vault", "text", "Whose coins will be spent.", pattern=NAME.pattern, longest=64),
    Field("txid", "text", "The transaction that will come.", pattern="[0-9a-f]{64}", longest=64),
    Field("to", "texts", "Where it pays and how much at most: ADDRESS:SATS.", pattern=_PLACE, items=100),
    Field("max_fee", "whole", "The most that it may cost, in sat.", most=21_000_000 * 100_000_000),
    Field("within_s", "whole", "Seconds for which it holds.", least=SHORTEST_S, most=LONGEST_S),
    Field("message", "text", "The text that was signed, in place of the fields before.", longest=8000),
    Field("signature", "text", "Its signature.", longest=1000),
)

OPERATIONS = (
    listing(
        "list-announcements",
        "Spends that the owner said will come, and what became of them.",
        _list,
        schemas.ANNOUNCEMENT,
        AFTER_NUMBER,
    ),
    Operation(
        "announce",
        "POST",
        "/v1/announcements",
        "announce",
        "Say that a spend will come: by its txid, or by where it pays; signed where the configuration wants that.",
        _announce,
        schemas.ANNOUNCED,
        body=_FIELDS,
        success=201,
        cost=lambda body: _COST,
    ),
)
