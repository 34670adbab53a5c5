"""The README's table of the API is what there is."""

import re

import pytest

from bwm.api.v1.operations import OPERATIONS
from bwm.db.tokens import SCOPES
from tests.docs.readme import section

ROW = re.compile(r"^\| (`.+`) \| (.+?) \| .+ \|$", re.MULTILINE)


def routes():
    """The scope of each route that the README has, by method and path."""
    rows = ROW.findall(section("The API"))
    return {route: scope.strip("`") for named, scope in rows for route in re.findall(r"`(.+?)`", named)}


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_an_operation_stands_in_the_table_with_its_scope(operation):
    assert routes()[f"{operation.method} {operation.path}"] == operation.scope


def test_every_scope_is_named_where_tokens_are_made():
    assert [scope for scope in SCOPES if f"`{scope}`" not in section("add-token")] == []
