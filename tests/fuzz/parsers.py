"""All that reads bytes which others send, each as a function of bytes: it returns, or raises Damaged, and nothing else.

Each also holds what it read against a second reading of the same bytes.
"""

from collections.abc import Callable, Mapping

from bwm.chain.block import header_of, keys_of_block
from bwm.chain.script import is_unspendable, script_type
from bwm.chain.tx import keys_of_tx, parse_tx, txid_of
from bwm.guardian.grammar import apparent_intent, looks_like_guardian, parse_payload, parse_script
from bwm.node.frames import read_frame

TOPICS = (b"rawtx", b"hashblock", b"sequence", b"rawblock", b"raw\xff")
_NUMBERS = (b"\x00\x00\x00\x01", b"\xff" * 4, b"\x01\x02\x03", b"")


def read_transaction(raw: bytes) -> None:
    tx = parse_tx(raw)
    assert tx.txid == txid_of(raw)
    keys = keys_of_tx(raw)
    assert [*(item.spends for item in tx.inputs), *(out.script for out in tx.outputs)] == keys


def read_block(raw: bytes) -> None:
    header_of(raw)
    keys_of_block(raw)


def read_script(script: bytes) -> None:
    script_type(script)
    is_unspendable(script)
    parse_script(script)
    looks_like_guardian(script)
    apparent_intent(script)


def read_feed(data: bytes) -> None:
    """Three parts of a message, or fewer: the first byte says which topic, what number, and how many."""
    first, body = data[:1] or b"\x00", data[1:]
    number, topic = divmod(first[0], len(TOPICS))
    count, place = divmod(number, len(_NUMBERS))
    parts = [TOPICS[topic], body, _NUMBERS[place]]
    read_frame(parts[: (3, 3, 3, 2, 1, 0)[count % 6]])


PARSERS: Mapping[str, Callable[[bytes], object]] = {
    "transaction": read_transaction,
    "block": read_block,
    "script": read_script,
    "payload": parse_payload,
    "feed": read_feed,
}
