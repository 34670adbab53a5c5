"""An owner's signature under a message, as wallets make it ("sign message"): is it by the key that we know?

The format of Bitcoin Core's signmessage and of BIP 137: base64 of 65 bytes, a header and the two halves of an ECDSA
signature over the doubly hashed message. The header says how to recover a public key; ours is known, so it is only
checked to be one.
"""

import base64
import binascii

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from bwm.chain.hashing import sha256d

_MAGIC = b"\x18Bitcoin Signed Message:\n"
_HEADERS = range(27, 43)  # BIP 137: for each kind of address


def is_signed_by(public_key: str, message: str, signature: str) -> bool:
    """``public_key``: 33 bytes in hexadecimal. False for whatever is no signature, too."""
    try:
        raw = base64.b64decode(signature.strip(), validate=True)
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256K1(), bytes.fromhex(public_key))
    except (ValueError, binascii.Error):
        return False
    if len(raw) != 65 or raw[0] not in _HEADERS:
        return False
    text = message.encode()
    length = bytes([len(text)]) if len(text) < 0xFD else b"\xfd" + len(text).to_bytes(2, "little")
    halves = int.from_bytes(raw[1:33], "big"), int.from_bytes(raw[33:], "big")
    try:
        key.verify(encode_dss_signature(*halves), sha256d(_MAGIC + length + text), ec.ECDSA(Prehashed(SHA256())))
    except InvalidSignature:
        return False
    return True
