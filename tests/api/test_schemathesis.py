"""Requests made from the documents themselves, by the hundred; in the long run by the thousand."""

import itertools
import time

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from bwm.api.v1.openapi import document

TEXT = {"type": "string"}

_BODY = {
    "register": {
        "type": "object",
        "properties": {
            "pushToken": TEXT,
            "walletUUID": TEXT,
            "walletName": TEXT,
            "watchtowerId": TEXT,
            "locale": {"type": ["string", "null"]},
            "vaults": {
                "type": "array",
                "maxItems": 5,
                "items": {
                    "type": "object",
                    "properties": {
                        "vaultId": TEXT,
                        "vaultNumber": {"type": "integer"},
                        "triggerTxIds": {"type": "array", "items": {"type": "string", "pattern": "^[0-9a-f]{64}$"}},
                    },
                    "required": ["vaultId", "vaultNumber", "triggerTxIds"],
                },
            },
        },
        "required": ["pushToken", "walletUUID", "walletName", "watchtowerId", "vaults"],
    },
    "ack": {"type": "object", "properties": {"pushToken": TEXT, "vaultId": TEXT}, "required": ["pushToken", "vaultId"]},
    "notifications": {"type": "object", "properties": {"pushToken": TEXT}, "required": ["pushToken"]},
}

REWIND = {
    "openapi": "3.1.0",
    "info": {"title": "the wallet's routes", "version": "1"},
    "paths": {
        f"/regtest/watchtower/{what}": {
            "post": {
                "operationId": what,
                "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
                "responses": {str(status): {"description": "-"} for status in (200, 400, 403, 404, 413, 415, 429)},
            }
        }
        for what, schema in _BODY.items()
    },
}

CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance, status_code_conformance]

FEW = 6  # requests of each operation


TOKENS = 8  # each may ask so often only


@pytest.fixture(scope="module")
def tokens(tower):
    """The headers that callers of bwm's own API come with, one after the other."""
    names = ("read", "write", "announce", "respond", "check-in")
    scopes = [option for scope in names for option in ("--scope", scope)]
    made = [tower.bwm("add-token", f"schemathesis-{number}", *scopes).stdout.strip() for number in range(TOKENS)]
    return itertools.cycle([{"Authorization": f"Bearer {token}"} for token in made])


NOBODY = itertools.repeat({})


def is_too_fast(response):
    """Whether the token asks too often; one that had too much watched is answered so for hours."""
    return response.status_code == 429 and int(response.headers["retry-after"][0]) <= 2


def run(tower, described, callers, examples, number=0):
    """Ask so many times for each operation; what must hold of every answer is checked. How often was asked.

    ``number``: another one makes other requests. An operation that takes nothing is asked only once or twice.
    """
    asked = 0
    schema = schemathesis.openapi.from_dict(described)
    for result in schema.get_all_operations():
        operation = result.ok()

        @seed(number)
        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            phases=(Phase.generate,),
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def ask(case):
            nonlocal asked
            where = {"base_url": f"http://127.0.0.1:{tower.port}", "timeout": 20}
            while is_too_fast(response := case.call(**where, headers=next(callers))):
                time.sleep(1 / TOKENS)
            assert response.status_code != 401
            case.validate_response(response, checks=CHECKS)
            asked += 1

        ask()
    return asked


def test_the_api_answers_as_its_document_says(tower, tokens):
    assert run(tower, document(), tokens, FEW) > FEW


def test_the_wallets_routes_never_fail(tower):
    assert run(tower, REWIND, NOBODY, 3 * FEW) > 2 * FEW


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_five_thousand_requests(tower, tokens):
    """Of each of the two documents 2,500 and more that were answered as they should."""
    for described, callers in ((document(), tokens), (REWIND, NOBODY)):
        asked = 0
        for number in itertools.count(1):
            asked += run(tower, described, callers, 100, number)
            if asked >= 2500:
                break
        print(f"{described['info']['title']}: {asked} requests")
