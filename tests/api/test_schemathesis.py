"""Requests made from the documents themselves, by the hundred; in the long run by the thousand."""

import time

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
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


@pytest.fixture(scope="module")
def token(tower):
    return tower.bwm("add-token", "schemathesis", "--scope", "read", "--scope", "write", "--scope", "announce").stdout


def run(tower, described, headers, examples):
    """Ask so many times for each operation; what must hold of every answer is checked."""
    schema = schemathesis.openapi.from_dict(described)
    for result in schema.get_all_operations():
        operation = result.ok()

        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            derandomize=True,
            phases=(Phase.generate,),
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def ask(case):
            where = {"base_url": f"http://127.0.0.1:{tower.port}", "headers": headers, "timeout": 20}
            while (response := case.call(**where)).status_code == 429:
                time.sleep(1)  # the token asks too often
            assert response.status_code != 401
            case.validate_response(response, checks=CHECKS)

        ask()


def test_the_api_answers_as_its_document_says(tower, token):
    run(tower, document(), {"Authorization": f"Bearer {token.strip()}"}, FEW)


def test_the_wallets_routes_never_fail(tower):
    run(tower, REWIND, {}, 3 * FEW)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_five_thousand_requests(tower, token):
    run(tower, document(), {"Authorization": f"Bearer {token.strip()}"}, 200)
    run(tower, REWIND, {}, 800)
