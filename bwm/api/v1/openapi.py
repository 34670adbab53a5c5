"""The OpenAPI 3.1 document, made from the operations themselves."""

from typing import Any

from bwm import __version__
from bwm.api.v1.operation import Operation
from bwm.api.v1.operations import OPERATIONS
from bwm.api.v1.schemas import PROBLEM
from bwm.api.v1.shape import Field, schema_of

_ANY = (400, 401, 403, 404, 413, 415, 429, 500, 503)
_OF_A_KEY = (409, 422)  # an Idempotency-Key in use, or of another request


def document() -> dict[str, Any]:
    """All of it."""
    paths: dict[str, Any] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _described(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "bwm",
            "version": __version__,
            "summary": "The bitcoin wallet monitor beside your own node.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {"Problem": PROBLEM},
            "responses": {
                "Problem": {
                    "description": "It was not done; why (RFC 9457).",
                    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
                }
            },
        },
    }


def _described(operation: Operation) -> dict[str, Any]:
    success: dict[str, Any] = {"description": operation.summary}
    if operation.answer:
        success["content"] = {"application/json": {"schema": dict(operation.answer)}}
    problems = sorted({*_ANY, *operation.statuses, *(_OF_A_KEY if operation.body is not None else ())})
    found: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "description": f"Needs a token with the scope `{operation.scope}`.",
        "responses": {
            str(operation.success): success,
            **{str(status): {"$ref": "#/components/responses/Problem"} for status in problems},
        },
    }
    parameters = [_parameter(field, "path") for field in operation.parameters]
    parameters += [_parameter(field, "query") for field in operation.query]
    if operation.body is not None:
        found["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schema_of(operation.body)}},
        }
        key = {"type": "string", "pattern": "^[!-~]{1,128}$"}
        parameters.append({"name": "Idempotency-Key", "in": "header", "required": False, "schema": key})
    if parameters:
        found["parameters"] = parameters
    return found


def _parameter(field: Field, place: str) -> dict[str, Any]:
    return {
        "name": field.name,
        "in": place,
        "required": place == "path",
        "description": field.words,
        "schema": field.schema(),
    }
