"""Questions to bwm's own API, and what every answer no looks like."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

from tests.api.wallet import Answer

Call = Callable[..., Answer]


def vault_name(prefix: str = "v") -> str:
    """A name that nothing has yet."""
    return f"{prefix}-{uuid4().hex[:12]}"


def assert_problem(answer: Answer, status: int) -> None:
    """It was not done, and is said so as RFC 9457 has it."""
    assert answer.status == status, answer.body
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["status"] == status
    assert set(answer.json) == {"type", "title", "status", "detail"}
    assert "x-request-id" in answer.headers


def pages(call: Call, path: str, **options: Any) -> list[Any]:
    """Everything of a list, a thing at a time."""
    found, after = [], None
    while True:
        page = call("GET", f"{path}?limit=1{f'&after={after}' if after else ''}", **options).json
        found += page["items"]
        after = page["next"]
        if after is None:
            return found
