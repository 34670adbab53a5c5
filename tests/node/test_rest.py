"""Blocks by REST: from a real node, also ahead of the time; and from what answers in every other way."""

import socket
import threading
import time
from contextlib import contextmanager, suppress

import pytest

from bwm.node.rest import Rest
from regtest.node import RegtestNode
from tests.servers.scripted import http_answer

A, B = "aa" * 32, "bb" * 32
WHOLE = b"a block" * 100_000
HEAD = http_answer("200 OK", WHOLE).removesuffix(WHOLE)


@pytest.fixture
def node(make_node) -> RegtestNode:
    return make_node(extra_args=["-rest=1"])


def test_blocks_come_as_the_node_has_them_however_they_were_expected(node):
    hashes = node.mine(6)
    blocks = [bytes.fromhex(node.rpc("getblock", each, 0)) for each in hashes]
    rest = Rest("127.0.0.1", node.rpc_port)

    rest.expect(hashes[:3])
    assert [rest.block(each) for each in (hashes[1], hashes[5], hashes[0])] == [blocks[1], blocks[5], blocks[0]]
    rest.expect(hashes[3:5])  # and the third no more
    assert [rest.block(each) for each in hashes[2:5]] == blocks[2:5]
    rest.expect(hashes)
    rest.expect(())
    assert [rest.block(each) for each in hashes] == blocks

    rest.expect(hashes)
    node.restart()
    assert [rest.block(each) for each in hashes] == blocks
    assert rest.block(A) is None
    assert rest.block(hashes[0]) == blocks[0]


@contextmanager
def answering(*connections):
    """A server that gives each connection its answers: bytes in pieces, with a moment between them. Its Rest."""
    asked = []

    def serve(line, pieces):
        with line, suppress(OSError):
            asked.append(line.recv(1000))
            for piece in pieces:
                line.sendall(piece)
                time.sleep(0.02)

    def accept():
        with suppress(OSError):
            for pieces in connections:
                line, _ = listener.accept()
                threading.Thread(target=serve, args=(line, pieces), daemon=True).start()
        listener.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        threading.Thread(target=accept, daemon=True).start()
        yield Rest("127.0.0.1", port, timeout_s=0.2), asked


@pytest.mark.parametrize(
    "pieces",
    [
        [HEAD + WHOLE],
        [HEAD[:1], HEAD[1:40], HEAD[40:] + WHOLE],
        [HEAD[:-1], HEAD[-1:], WHOLE[:1], WHOLE[1:70_000], WHOLE[70_000:]],
        [HEAD.replace(b"Content-Length: ", b"content-length:") + WHOLE],
    ],
)
def test_an_answer_may_come_in_pieces(pieces):
    with answering(pieces) as (rest, asked):
        rest.expect([A])
        assert rest.block(A) == WHOLE
    assert asked[0].startswith(f"GET /rest/block/{A}.bin HTTP/1.1\r\n".encode())


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        [b""],
        [HEAD],
        [HEAD + WHOLE[:-1]],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 4000001\r\n\r\n"],
        [b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 30 + b"\r\n\r\n"],
        [b"HTTP/1.1 200 OK\r\n\r\n" + WHOLE],
        [http_answer("503 Service Unavailable", b"Work queue depth exceeded")],
        [b"x" * 5000],
        [b"\r\n\r\n"],
    ],
)
def test_after_a_wrong_answer_it_is_asked_once_more_and_no_further(wrong):
    with answering(wrong, [HEAD + WHOLE]) as (rest, _):
        assert rest.block(A) == WHOLE
    with answering(wrong, wrong, [HEAD + WHOLE]) as (rest, asked):
        rest.expect([A])
        assert rest.block(A) is None
        assert len(asked) == 2


def test_a_node_that_is_silent_is_waited_for_so_long_and_no_longer():
    with answering([HEAD[:30]] + [b""] * 50, [b""] * 50) as (rest, _):
        began = time.monotonic()
        assert rest.block(A) is None
        assert time.monotonic() - began < 5


def test_who_is_not_there_has_no_block():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    rest = Rest("127.0.0.1", port)
    rest.expect([A, B])
    assert rest.block(A) is None
