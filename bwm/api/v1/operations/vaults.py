"""Vaults: seen, added, removed."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from bwm.api.problems import Problem
from bwm.api.v1 import schemas
from bwm.api.v1.operation import NAME, USUAL, Call, Operation, Reply, Surroundings, listing, page
from bwm.api.v1.operations.common import AFTER_NAME, TXID, check_seen, nothing, one_by_name, problems
from bwm.api.v1.shape import Field
from bwm.chain.network import network as network_of
from bwm.daemon.forget_vault import forget_vault
from bwm.daemon.registration import prepare, wish_of
from bwm.db import new_vaults, responses, vaults
from bwm.db.tokens import Holder
from bwm.severity import Severity

_AT_ONCE = 500  # names looked at for a page, of which a token may see few


def seen_names(holder: Holder, after: str) -> Iterator[str]:
    """Those that the token may see, in order, behind a name."""
    while names := vaults.names_after(after, _AT_ONCE):
        yield from (name for name in names if holder.sees(name))
        after = names[-1]


def _list(around: Surroundings, call: Call) -> Reply:
    limit = call.query.get("limit", USUAL)
    names = []
    for name in seen_names(call.holder, call.query.get("after", "")):
        names.append(name)
        if len(names) > limit:
            break
    found = {vault["name"]: vault for vault in vaults.described(names[:limit])}
    items = [found.get(name, {"name": name}) for name in names]
    return Reply(page(items, limit, lambda vault: vault["name"]))


def _add(around: Surroundings, call: Call) -> Reply:
    check_seen(call.holder, call.body["name"])
    wish = wish_of(around.config.final_depth, **call.body)
    if vaults.is_taken(wish.name):
        raise Problem(409, "There is a vault of that name already; nothing was added.")
    with problems():
        prepared = prepare([wish], network_of(around.config.network), around.node, around.config.gap_limit)
        new_vaults.add(around.database, prepared.vaults, around.clock.now(), sees=call.holder.sees)
    return Reply(vaults.described([wish.name])[0], 201)


def _remove(around: Surroundings, call: Call) -> Reply:
    """What the owner armed goes with its vault: that is for the owner alone."""
    name = call.path["name"]
    if not call.holder.sees(name) or not vaults.is_taken(name):
        raise nothing()
    with problems(409), around.database.transaction():
        if any(response.armed for response in responses.of_vault(name)):
            raise Problem(409, "A response of this vault is armed. Remove the vault on bwm's own machine.")
        forget_vault(around.config, around.database, name, call.holder.name, around.clock.now())
    return Reply(None, 204)


_OUTPOINT = TXID + ":[0-9]{1,10}"

_FIELDS = (
    Field("name", "text", NAME.words, required=True, pattern=NAME.pattern, longest=64),
    Field("txids", "texts", "Transactions that must not appear.", pattern=TXID, longest=64),
    Field("outpoints", "texts", "Coins that must not move, as TXID:VOUT.", pattern=_OUTPOINT, longest=75),
    Field("addresses", "texts", "Addresses, with all their coins.", pattern="[A-Za-z0-9]{14,100}", items=100),
    Field("descriptors", "texts", "Whole wallets, public.", pattern=r"[\x21-\x7e]{1,2000}", longest=2000, items=10),
    Field("birthday", "text", "A height or a date: read the chain from there on.", pattern="[0-9-]{1,10}"),
    Field("severity", "text", "How bad a spend is.", choices=tuple(map(str, Severity))),
    Field("final_depth", "whole", "Blocks after which a transaction is final.", least=1, most=10_000),
    Field("tags", "texts", "Words to find it by.", pattern="[A-Za-z0-9._-]{1,64}", items=20),
)

_OF_BRANCH = 2000  # scripts of a descriptor's branch that are looked for
_BRANCHES = re.compile(r"<([^<>]*)>")  # BIP 389


def _triggers_of(body: Mapping[str, Any]) -> int:
    single = sum(len(body.get(name, ())) for name in ("txids", "outpoints", "addresses"))
    return single + _OF_BRANCH * sum(map(_branches, body.get("descriptors", ())))


def _branches(descriptor: str) -> int:
    return max((part.count(";") + 1 for part in _BRANCHES.findall(descriptor)), default=1)


OPERATIONS = (
    listing("list-vaults", "Vaults by name, with their triggers.", _list, schemas.VAULT, AFTER_NAME),
    Operation(
        "add-vault",
        "POST",
        "/v1/vaults",
        "write",
        "Watch transactions, coins, addresses or wallets under one name.",
        _add,
        schemas.VAULT,
        body=_FIELDS,
        success=201,
        is_slow=True,
        cost=_triggers_of,
    ),
    Operation(
        "show-vault",
        "GET",
        "/v1/vaults/{name}",
        "read",
        "One vault.",
        one_by_name(lambda around, name: vaults.described([name])),
        schemas.VAULT,
        parameters=(NAME,),
    ),
    Operation(
        "remove-vault",
        "DELETE",
        "/v1/vaults/{name}",
        "write",
        "Stop watching a vault; its history stays, and everybody is told.",
        _remove,
        {},
        parameters=(NAME,),
        success=204,
        statuses=(409,),
    ),
)
