"""webhook: a server is told of the event, by a body that is signed together with its time.

``X-Bwm-Signature: t=TIME,v1=HMAC``, where HMAC is HMAC-SHA256 over ``TIME.BODY`` in hexadecimal (RFC 2104). Who checks
the time as well cannot be fooled by a message that is played back.
"""

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from bwm.actions.deed import Deed
from bwm.errors import BwmError, ChannelError

NAME = "webhook"
TRIES = 10
_SUCCESS = range(200, 300)

Post = Callable[[str, bytes, Mapping[str, str], float], int]
"""Posts a body with headers to a URL, within so many seconds in any case; the status of the answer, whose body is
nobody's business. Raises ChannelError."""


class WebhookFailed(BwmError):
    """The server was not told, or nobody knows."""


def signature(secret: str, at: int, body: bytes) -> str:
    """The value of X-Bwm-Signature. ``at``: unix seconds."""
    code = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={code}"


def carry_out(deed: Deed, url: str, secret: str, post: Post) -> dict[str, object]:
    """Tell it. Raises WebhookFailed, whose words name the server and never its path, which may be a secret."""
    body = json.dumps(deed.event.as_json()).encode()
    host = urlsplit(url).hostname or ""
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "bwm",
        "X-Bwm-Signature": signature(secret, deed.at, body),
        "X-Bwm-Order": str(deed.order_id),
        "X-Bwm-Attempt": str(deed.attempt),
    }
    try:
        status = post(url, body, headers, float(deed.arguments["timeout_s"]))
    except ChannelError as error:
        raise WebhookFailed(f"{host} was not told: {error}") from None
    if status not in _SUCCESS:
        raise WebhookFailed(f"{host} answered {status}")
    return {"status": status}
