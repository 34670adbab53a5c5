"""Addresses, the way people write scriptPubKeys. Inside bwm only the script counts.

No message here repeats the address: what somebody watches must not reach a log by way of an error.
"""

from collections.abc import Callable

from bwm.chain.base58 import decode_check, encode_check
from bwm.chain.bech32 import decode_segwit, encode_segwit
from bwm.chain.network import NETWORKS, Network
from bwm.chain.script import ScriptType, script_type, witness_program
from bwm.errors import BadAddress

_SEGWIT_PREFIXES = tuple(f"{one.bech32_hrp}1" for one in NETWORKS.values())


def script_of_address(address: str, network: Network) -> bytes:
    """The scriptPubKey that a payment to this address carries.

    Raises BadAddress with what is wrong: mistyped, cut off, of another network, or no address at all.
    """
    if not address:
        raise BadAddress("the address is empty")
    if any(character.isspace() for character in address):
        raise BadAddress("an address has no spaces or line breaks in it: remove them")
    if address.lower().startswith(_SEGWIT_PREFIXES):
        return _segwit_script(address, network)
    return _base58_script(address, network)


def address_of_script(script: bytes, network: Network) -> str | None:
    """The address of a scriptPubKey; None for what has none, such as OP_RETURN and P2PK."""
    match script_type(script):
        case ScriptType.P2PKH:
            return encode_check(bytes([network.p2pkh_version]) + script[3:23])
        case ScriptType.P2SH:
            return encode_check(bytes([network.p2sh_version]) + script[2:22])
        case ScriptType.NONSTANDARD:
            return None
    program = witness_program(script)
    return encode_segwit(network.bech32_hrp, *program) if program else None


def _segwit_script(address: str, network: Network) -> bytes:
    hrp, version, program = decode_segwit(address)
    if hrp != network.bech32_hrp:
        raise _other_network(network, lambda other: other.bech32_hrp == hrp)
    return bytes([version + 0x50 if version else 0, len(program)]) + program


def _base58_script(address: str, network: Network) -> bytes:
    payload = decode_check(address)
    version, digest = payload[0] if payload else None, payload[1:]
    if len(digest) != 20:
        raise BadAddress("this is no address: something else is written in this encoding (a key, for example)")
    if version == network.p2pkh_version:
        return b"\x76\xa9\x14" + digest + b"\x88\xac"
    if version == network.p2sh_version:
        return b"\xa9\x14" + digest + b"\x87"
    raise _other_network(network, lambda other: version in (other.p2pkh_version, other.p2sh_version))


def _other_network(network: Network, fits: Callable[[Network], bool]) -> BadAddress:
    names = [other.name for other in NETWORKS.values() if fits(other)]
    if not names:
        return BadAddress("this is no bitcoin address: its prefix belongs to no network of bitcoin")
    return BadAddress(f"this is an address of {' or '.join(names)}, but bwm watches {network.name}")
