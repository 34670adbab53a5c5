"""Searches in the filters of past blocks, beside a node whose chain and filters move on while one asks."""

import pytest

from bwm.errors import NodeRefused
from bwm.node.scans import scan_blocks

FILTERS = "basic block filter index"


class Enough(Exception):
    """Nobody waits any longer."""


class ForkedNode:
    """Its filters stand on a branch that left the chain, as high as the other. ``hashes``: of its block 9, in turn."""

    def __init__(self, *hashes: str, filtered: frozenset[str]) -> None:
        self._hashes = list(hashes)
        self._filtered = filtered
        self.scans = 0

    def call(self, method, *params, timeout_s=None):
        match method:
            case "getindexinfo":
                return {FILTERS: {"best_block_height": 9}}
            case "getblockhash":
                return self._hashes.pop(0) if len(self._hashes) > 1 else self._hashes[0]
            case "getblockfilter":
                if params[0] not in self._filtered:
                    raise NodeRefused("getblockfilter", -1, "Filter not found.")
                return {"filter": ""}
        self.scans += 1
        return {"completed": True, "relevant_blocks": [f"found by scan {self.scans}"]}


def tired(percent: float) -> None:
    raise Enough


def test_nothing_is_searched_while_the_filters_are_of_another_branch():
    node = ForkedNode("new", filtered=frozenset({"old"}))
    with pytest.raises(Enough):
        scan_blocks(node, [b"\x51"], 1, 9, tired)
    assert node.scans == 0


def test_what_was_searched_while_the_branch_changed_is_searched_again():
    node = ForkedNode("old", "new", filtered=frozenset({"old", "new"}))
    assert scan_blocks(node, [b"\x51"], 1, 9, tired) == ["found by scan 2"]
