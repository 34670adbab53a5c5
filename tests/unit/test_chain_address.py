"""Addresses: the vectors of BIP 173 and BIP 350, every network, and words for whoever mistypes one."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwm.chain.address import address_of_script, script_of_address
from bwm.chain.base58 import decode_check, encode_check
from bwm.chain.bech32 import decode_segwit
from bwm.chain.network import NETWORKS, Network, network
from bwm.errors import BadAddress

MAIN, TEST, REGTEST = network("main"), network("test"), network("regtest")
PUBLISHED_KEY_HASH = bytes.fromhex("751e76e8199196d454941c45d1b3a323f1433bd6")

VALID_SEGWIT = [  # BIP 350
    ("BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4", "0014751e76e8199196d454941c45d1b3a323f1433bd6"),
    (
        "tb1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3q0sl5k7",
        "00201863143c14c5166804bd19203356da136c985678cd4d27a1b8c6329604903262",
    ),
    (
        "bc1pw508d6qejxtdg4y5r3zarvary0c5xw7kw508d6qejxtdg4y5r3zarvary0c5xw7kt5nd6y",
        "5128751e76e8199196d454941c45d1b3a323f1433bd6751e76e8199196d454941c45d1b3a323f1433bd6",
    ),
    ("BC1SW50QGDZ25J", "6002751e"),
    ("bc1zw508d6qejxtdg4y5r3zarvaryvaxxpcs", "5210751e76e8199196d454941c45d1b3a323"),
    (
        "tb1qqqqqp399et2xygdj5xreqhjjvcmzhxw4aywxecjdzew6hylgvsesrxh6hy",
        "0020000000c4a5cad46221b2a187905e5266362b99d5e91c6ce24d165dab93e86433",
    ),
    (
        "tb1pqqqqp399et2xygdj5xreqhjjvcmzhxw4aywxecjdzew6hylgvsesf3hn0c",
        "5120000000c4a5cad46221b2a187905e5266362b99d5e91c6ce24d165dab93e86433",
    ),
    (
        "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
        "512079be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
    ),
    ("bc1pfeessrawgf", "51024e73"),  # pay to anchor
]

INVALID_SEGWIT = [  # BIP 350, and what the message must speak of
    ("tc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq5zuyut", "not an address"),
    ("bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqh2y7hd", "wrong kind"),
    ("tb1z0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqglt7rf", "wrong kind"),
    ("BC1S0XLXVLHEMJA6C4DQV22UAPCTQUPFHLXM9H8Z3K2E72Q4K9HCZ7VQ54WELL", "wrong kind"),
    ("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kemeawh", "wrong kind"),
    ("tb1q0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq24jc47", "wrong kind"),
    ("bc1p38j9r5y49hruaue7wxjce0updqjuyyx0kh56v8s25huc6995vvpql3jow4", "a character that no segwit address"),
    ("BC130XLXVLHEMJA6C4DQV22UAPCTQUPFHLXM9H8Z3K2E72Q4K9HCZ7VQ7ZWS8R", "witness version 17"),
    ("bc1pw5dgrnzv", "cannot have 1 bytes"),
    ("bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7v8n0nx0muaewav253zgeav", "cannot have 41 bytes"),
    ("BC1QR508D6QEJXTDG4Y5R3ZARVARYV98GJ9P", "cannot have 16 bytes"),
    ("tb1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq47Zagq", "upper and lower case"),
    ("bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7v07qwwzcrf", "not properly made"),
    ("tb1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vpggkg4j", "not properly made"),
    ("bc1gmk9yu", "holds nothing"),
]

VALID_BECH32_OF_NO_ADDRESS = [  # BIP 173 and BIP 350: sound strings, but not one a witness program
    "A12UEL5L",
    "an83characterlonghumanreadablepartthatcontainsthenumber1andtheexcludedcharactersbio1tt5tgs",
    "abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw",
    "11qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqc8247j",
    "split1checkupstagehandshakeupstreamerranterredcaperred2y9e3w",
    "?1ezyfcl",
    "A1LQFN3A",
    "an83characterlonghumanreadablepartthatcontainsthetheexcludedcharactersbioandnumber11sg7hg6",
    "abcdef1l7aum6echk45nj3s0wdvt2fg8x9yrzpqzd3ryx",
    "11llllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllludsr8",
    "split1checkupstagehandshakeupstreamerranterredcaperredlc445v",
    "?1v759aa",
]

INVALID_BECH32 = [  # BIP 173 and BIP 350
    ("\x201nwldj5", "prefix"),
    ("\x7f1axkwrx", "prefix"),
    ("\x801eym55h", "prefix"),
    ("an84characterslonghumanreadablepartthatcontainsthenumber1andtheexcludedcharactersbio1569pvx", "at most 90"),
    ("pzry9x0s0muk", "prefix"),
    ("1pzry9x0s0muk", "prefix"),
    ("x1b4n0q5v", "a character"),
    ("li1dgmt3", "cut off"),
    ("de1lg7wt\xff", "a character"),
    ("A1G7SGD8", "checksum .* wrong"),
    ("10a06t8", "prefix"),
    ("1qzzfhee", "prefix"),
    ("\x201xj0phk", "prefix"),
    ("\x7f1g6xzxy", "prefix"),
    ("\x801vctc34", "prefix"),
    ("an84characterslonghumanreadablepartthatcontainsthetheexcludedcharactersbioandnumber11d6pts4", "at most 90"),
    ("qyrz8wqd2c9m", "prefix"),
    ("1qyrz8wqd2c9m", "prefix"),
    ("y1b0jsk6g", "a character"),
    ("lt1igcx5c0", "a character"),
    ("in1muywd", "cut off"),
    ("mm1crxm3i", "a character"),
    ("au1s5cgom", "a character"),
    ("M1VUXWEZ", "checksum .* wrong"),
    ("16plkw9", "prefix"),
    ("1p2gdwpf", "prefix"),
]

BASE58 = [
    (MAIN, "1BgGZ9tcN4rm9KBzDn7KprQz87SZ26SAMH", b"\x76\xa9\x14" + PUBLISHED_KEY_HASH + b"\x88\xac"),
    (TEST, "mrCDrCybB6J1vRfbwM5hemdJz73FwDBC8r", b"\x76\xa9\x14" + PUBLISHED_KEY_HASH + b"\x88\xac"),
    (
        MAIN,
        "3P14159f73E4gFr7JterCCQh9QjiTjiZrG",  # BIP 13's kind of address
        bytes.fromhex("a914e9c3dd0c07aac76179ebc76a6c78d4d67c6c160a87"),
    ),
]


def _network_of(segwit_address: str) -> Network:
    return MAIN if segwit_address.lower().startswith("bc") else TEST


@pytest.mark.parametrize(("address", "script"), VALID_SEGWIT)
def test_valid_segwit_addresses_are_read_and_written(address: str, script: str):
    where = _network_of(address)
    assert script_of_address(address, where).hex() == script
    assert address_of_script(bytes.fromhex(script), where) == address.lower()


@pytest.mark.parametrize(("address", "words"), INVALID_SEGWIT)
def test_invalid_segwit_addresses_are_told_what_is_wrong(address: str, words: str):
    with pytest.raises(BadAddress, match=words):
        script_of_address(address, _network_of(address))


@pytest.mark.parametrize("text", VALID_BECH32_OF_NO_ADDRESS)
def test_sound_bech32_that_is_no_witness_program_is_refused_for_that(text: str):
    with pytest.raises(BadAddress, match=r"holds nothing|witness|kind|properly"):
        decode_segwit(text)


@pytest.mark.parametrize(("text", "words"), INVALID_BECH32)
def test_unsound_bech32_is_refused(text: str, words: str):
    with pytest.raises(BadAddress, match=words):
        decode_segwit(text)


@pytest.mark.parametrize(("where", "address", "script"), BASE58)
def test_base58_addresses_are_read_and_written(where: Network, address: str, script: bytes):
    assert script_of_address(address, where) == script
    assert address_of_script(script, where) == address


programs = (
    st.builds(lambda n, p: bytes([n, len(p)]) + p, st.integers(0x51, 0x60), st.binary(min_size=2, max_size=40))
    | st.binary(min_size=20, max_size=20).map(lambda p: b"\x00\x14" + p)
    | st.binary(min_size=32, max_size=32).map(lambda p: b"\x00\x20" + p)
    | st.binary(min_size=20, max_size=20).map(lambda h: b"\x76\xa9\x14" + h + b"\x88\xac")
    | st.binary(min_size=20, max_size=20).map(lambda h: b"\xa9\x14" + h + b"\x87")
)
any_network = st.sampled_from(list(NETWORKS.values()))


@given(programs, any_network)
def test_every_script_that_has_an_address_survives_being_written_and_read(script: bytes, where: Network):
    address = address_of_script(script, where)
    assert address is not None
    assert script_of_address(address, where) == script


@given(programs, any_network, st.data())
def test_one_mistyped_character_is_always_noticed(script: bytes, where: Network, data):
    address = address_of_script(script, where)
    assert address is not None
    place = data.draw(st.integers(0, len(address) - 1))
    other = data.draw(st.characters(min_codepoint=33, max_codepoint=126).filter(lambda c: c != address[place]))
    with pytest.raises(BadAddress):
        script_of_address(address[:place] + other + address[place + 1 :], where)


@given(programs, any_network, any_network)
def test_an_address_of_another_network_is_refused_by_name(script: bytes, home: Network, where: Network):
    address = address_of_script(script, home)
    assert address is not None
    if address == address_of_script(script, where):  # these two write it alike
        assert script_of_address(address, where) == script
        return
    with pytest.raises(BadAddress, match=f"{home.name}.*bwm watches {where.name}") as caught:
        script_of_address(address, where)
    assert address not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("", "empty"),
        (" bc1pfeessrawgf", "spaces"),
        ("bc1pfeessrawgf\n", "line breaks"),
        ("bc1", "cut off"),
        ("1BgGZ9tcN4rm9KBzDn7KprQz87SZ26SAMh", "checksum .* wrong"),
        ("1BgGZ9tcN4rm9KBzDn7KprQz87SZ26SAM", "checksum .* wrong"),
        ("0BgGZ9tcN4rm9KBzDn7KprQz87SZ26SAMH", "these characters"),
        ("1", "checksum .* wrong"),
        ("1" * 10_000, "these characters"),
        (encode_check(bytes([128]) + bytes(33)), "a key, for example"),
        (encode_check(b""), "something else"),
        (encode_check(bytes([48]) + bytes(20)), "no network of bitcoin"),
        ("lnbc1pvjluez", "these characters"),
        ("satoshi@example.org", "these characters"),
    ],
)
def test_what_is_no_address_is_told_why(address: str, words: str):
    with pytest.raises(BadAddress, match=words):
        script_of_address(address, MAIN)


@given(st.text() | st.text(st.characters(max_codepoint=127)).map(lambda tail: "bc1" + tail), any_network)
def test_any_text_is_an_address_or_refused_as_one(text: str, where: Network):
    with suppress(BadAddress):
        script_of_address(text, where)


@given(st.binary(max_size=60))
def test_base58check_survives_being_written_and_read(payload: bytes):
    assert decode_check(encode_check(payload)) == payload


@pytest.mark.parametrize(
    "script",
    [
        b"",
        b"\x6a\x04data",
        b"\x21\x02" + bytes(32) + b"\xac",
        b"\x41\x04" + bytes(64) + b"\xac",
        b"\x00\x15" + bytes(21),
        b"\x51",
        b"\x61\x20" + bytes(32),
    ],
)
def test_what_has_no_address_gets_none(script: bytes):
    assert address_of_script(script, REGTEST) is None


@given(st.binary(max_size=60), any_network)
def test_any_script_has_no_address_or_one_that_leads_back(script: bytes, where: Network):
    address = address_of_script(script, where)
    assert address is None or script_of_address(address, where) == script
