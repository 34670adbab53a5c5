"""What is found of a response is written down so that a kill at any point leaves nothing unseen."""

from types import SimpleNamespace
from typing import Any

import pytest

from bwm.chain.block import BlockRef
from bwm.daemon import follow_response
from bwm.daemon.follow_response import ResponseFollower
from bwm.daemon.search_blocks import Spender
from bwm.response.broadcast import Look

BEGIN, HOLDS_IT = BlockRef(100, "a" * 64), BlockRef(101, "b" * 64)


class Book:
    """Notes in which order it is written to."""

    def __init__(self) -> None:
        self.written: list[Look | BlockRef] = []

    def move(self, scene: Any, look: Look, *words: str, **facts: Any) -> Any:
        self.written.append(look)
        return scene

    def put_scanned(self, scene: Any, block: BlockRef) -> Any:
        self.written.append(block)
        return scene


@pytest.mark.parametrize(("position", "look"), [(0, Look.IN_BLOCK), (None, Look.RIVAL_IN_BLOCK)])
def test_what_a_block_holds_is_noted_before_the_block_counts_as_searched(monkeypatch, position, look):
    monkeypatch.setattr(follow_response, "still_shared", lambda node, at: at)
    monkeypatch.setattr(follow_response, "search", lambda *asked: (Spender("c" * 64, HOLDS_IT), HOLDS_IT))
    book: Any = Book()
    following = SimpleNamespace(broadcast=SimpleNamespace(block=None), scanned=BEGIN)
    scene: Any = SimpleNamespace(following=following, coins=frozenset(), tip=HOLDS_IT, place_of=lambda txid: position)

    ResponseFollower(None, book).look_at_chain(scene)  # type: ignore[arg-type]  # the node is not asked for itself

    assert book.written == [look, HOLDS_IT]
