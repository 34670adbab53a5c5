"""Bitcoin's double SHA-256."""

from hashlib import sha256


def sha256d(data: bytes) -> bytes:
    """SHA-256 of the SHA-256: what txids, block hashes and Base58Check checksums are made of."""
    return sha256(sha256(data).digest()).digest()
