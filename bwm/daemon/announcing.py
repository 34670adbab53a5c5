"""An announcement written down, whoever brings it: the command line or the API."""

import secrets
from collections.abc import Iterable

from bwm.chain.network import Network
from bwm.config import Config
from bwm.daemon.owner_signature import is_signed_by
from bwm.daemon.policy_desk import PolicyDesk, judged
from bwm.daemon.targets import targets_of
from bwm.db import announcements
from bwm.db.commit import commit
from bwm.db.database import Database
from bwm.errors import UsageError
from bwm.plan_policies import plan_announcement
from bwm.policy.announced_text import LONGEST_S, Said, destination_of, refuse_odd, text_of
from bwm.policy.announcement import Announcement

USUAL_FEE = 100_000
"""The most that a spend may cost if nothing is said (sat): a few inputs at a few hundred sat/vB."""

USUAL_S, SHORTEST_S = 7200, 60
"""Seconds for which an announcement holds."""

_OF_VAULT = 500
"""Announcements of one vault that may say something about its next spend: each spend is compared with all of them."""


def drafted(
    vault: str, txid: str | None, places: Iterable[str], max_fee: int, within_s: int, network: Network, now: int
) -> Said:
    """What somebody says will come, from now on. ``places``: each as ADDRESS:SATS. Raises UsageError."""
    destinations = tuple(destination_of(place, network) for place in places)
    one = Announcement(0, vault, now, now + within_s, txid, destinations, max_fee)
    said = Said(one, secrets.token_hex(16))
    refuse_odd(said)
    return said


def announced(config: Config, database: Database, said: Said, signature: str | None, now: int) -> int:
    """The number of the announcement. Raises UsageError where it is over, made before, or not signed as it must be."""
    one = said.announcement
    signer = _signer(config, database, said, signature, now)
    if one.ends_at <= now:
        raise UsageError("This announcement is over; nothing was announced. Have bwm write a new one.")
    if one.begins_at > now + LONGEST_S:
        raise UsageError("This announcement begins too late; nothing was announced. Have bwm write it nearer its time.")
    with database.transaction():
        if announcements.count_lately(one.vault, now) >= _OF_VAULT:
            raise UsageError(
                f"Vault {one.vault!r} has {_OF_VAULT} announcements within 30 days, and each spend is compared with "
                "all of them; nothing was announced."
            )
        number = announcements.add(said.announcement, said.nonce, signer, now)
        made = plan_announcement(said.announcement, number, "announcement.made", signer, config.network, now)
        desk = PolicyDesk(config.policies, config.network)
        commit(database, judged(desk, database, made, now), targets_of(config), now)
    return number


def _signer(config: Config, database: Database, said: Said, signature: str | None, now: int) -> str | None:
    """Whose key signed it. Raises UsageError, and has it told, where a signature is wrong or missing."""
    text = text_of(said, config.network)
    keys = config.announcements.keys
    if signature is not None:
        for name, public_key in keys.items():
            if is_signed_by(public_key, text, signature):
                return name
    elif not config.announcements.must_sign:
        return None
    one = said.announcement
    refused = plan_announcement(one, 0, "announcement.refused", said.nonce, config.network, now)
    commit(database, refused, targets_of(config), now)
    wrong = "is by none of the keys in [announcements]" if signature is not None else "is missing"
    raise UsageError(
        f"The owner's signature {wrong}; nothing was announced, and everybody is told. See --print-message."
    )
