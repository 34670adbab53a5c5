"""The sections beside ``[[policy]]`` that policies need: the servers they may tell, and who may announce a spend."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from bwm.secret import Secret
from bwm.toml import Table

_SHORTEST_SECRET = 16  # characters
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_PUBLIC_KEY = re.compile(r"0[23][0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class WebhookConfig:
    """A server that policies may tell: its URL, and the secret that signs what it is told."""

    name: str
    url: Secret
    secret: Secret


@dataclass(frozen=True, slots=True)
class AnnouncementsConfig:
    """Who may announce a spend: whoever may run bwm, or only who signs with one of these keys."""

    keys: Mapping[str, str] = field(default_factory=dict)  # compressed public keys in hexadecimal, by name
    must_sign: bool = False


def read_webhooks(top: Table) -> tuple[WebhookConfig, ...]:
    """The ``[[webhook]]`` sections. Raises ConfigError."""
    webhooks: dict[str, WebhookConfig] = {}
    for table in top.tables("webhook"):
        name, url, secret = table.required_text("name"), table.secret("url"), table.secret("secret")
        table.finish()
        if not _NAME.fullmatch(name) or name in webhooks:
            raise table.error("each webhook needs a name of its own, of 1 to 64 letters, digits and . _ -", "name")
        if url is None or not url.reveal().startswith(("https://", "http://")):
            raise table.error("a webhook needs url_file (or url), which begins with https:// or http://")
        if secret is None or len(secret.reveal()) < _SHORTEST_SECRET:
            raise table.error(
                f"a webhook needs secret_file (or secret) of at least {_SHORTEST_SECRET} characters, by which the "
                "receiver knows that bwm sent it. Make one: openssl rand -hex 32"
            )
        webhooks[name] = WebhookConfig(name, url, secret)
    return tuple(webhooks.values())


def read_announcements(table: Table) -> AnnouncementsConfig:
    """The section ``[announcements]``. Raises ConfigError."""
    must_sign, keys = table.flag("must_sign", default=False), table.table("keys")
    signers = {name: keys.required_text(name) for name in keys.content}
    table.finish()
    for name, public_key in signers.items():
        if not _PUBLIC_KEY.fullmatch(public_key):
            raise keys.error(f"{name} is no public key: give 66 hexadecimal digits that begin with 02 or 03", name)
    if must_sign and not signers:
        raise table.error('must_sign needs keys, like keys = { owner = "02…" }', "must_sign")
    return AnnouncementsConfig(signers, must_sign)
