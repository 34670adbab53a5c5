"""The types of scriptPubKeys."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwm.chain.script import ScriptType, is_unspendable, script_type, witness_program

COMPRESSED = b"\x02" + bytes(32)
UNCOMPRESSED = b"\x04" + bytes(64)


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (b"\x21" + COMPRESSED + b"\xac", ScriptType.P2PK),
        (b"\x41" + UNCOMPRESSED + b"\xac", ScriptType.P2PK),
        (b"\x21" + UNCOMPRESSED[:33] + b"\xac", ScriptType.NONSTANDARD),
        (b"\x76\xa9\x14" + bytes(20) + b"\x88\xac", ScriptType.P2PKH),
        (b"\x76\xa9\x14" + bytes(20) + b"\x88\xad", ScriptType.NONSTANDARD),
        (b"\xa9\x14" + bytes(20) + b"\x87", ScriptType.P2SH),
        (b"\xa9\x14" + bytes(20) + b"\x88", ScriptType.NONSTANDARD),
        (b"\x00\x14" + bytes(20), ScriptType.P2WPKH),
        (b"\x00\x20" + bytes(32), ScriptType.P2WSH),
        (b"\x00\x15" + bytes(21), ScriptType.NONSTANDARD),
        (b"\x51\x20" + bytes(32), ScriptType.P2TR),
        (b"\x51\x02\x4e\x73", ScriptType.P2A),
        (b"\x51\x02\x4e\x74", ScriptType.WITNESS_UNKNOWN),
        (b"\x52\x20" + bytes(32), ScriptType.WITNESS_UNKNOWN),
        (b"\x60\x28" + bytes(40), ScriptType.WITNESS_UNKNOWN),
        (b"\x60\x29" + bytes(41), ScriptType.NONSTANDARD),
        (b"\x61\x20" + bytes(32), ScriptType.NONSTANDARD),
        (b"\x6a", ScriptType.OP_RETURN),
        (b"\x6a\x4c", ScriptType.OP_RETURN),  # a push cut off: still data that nobody can spend
        (b"\x51\x21" + COMPRESSED + b"\x51\xae", ScriptType.NONSTANDARD),
        (b"", ScriptType.NONSTANDARD),
        (b"\x51", ScriptType.NONSTANDARD),
    ],
)
def test_each_shape_has_its_type(script: bytes, expected: ScriptType):
    assert script_type(script) is expected


@given(st.binary(max_size=100))
def test_every_script_has_a_type(script: bytes):
    assert script_type(script) in ScriptType


@given(st.sampled_from([0, *range(0x51, 0x61)]), st.binary(min_size=2, max_size=40))
def test_a_witness_program_is_read_with_its_version(opcode: int, program: bytes):
    version = opcode - 0x50 if opcode else 0
    assert witness_program(bytes([opcode, len(program)]) + program) == (version, program)


def test_what_can_never_be_spent():
    assert is_unspendable(b"\x6a")
    assert is_unspendable(bytes(10_001))
    assert not is_unspendable(bytes(10_000))
    assert not is_unspendable(b"\x51\x6a")
