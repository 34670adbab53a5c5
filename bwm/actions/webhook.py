"""webhook: a server is told of the event, by a body that is signed together with its time.

``X-Bwm-Signature: t=TIME,v1=HMAC``, where HMAC is HMAC-SHA256 over ``TIME.BODY`` in hexadecimal (RFC 2104). Who checks
the time as well cannot be fooled by a message that is played back.
"""

import hashlib
import hmac
import http.client
import json
import socket
import ssl
import threading
from contextlib import closing, suppress
from urllib.parse import urlsplit

from bwm.actions.deed import Deed
from bwm.errors import BwmError

NAME = "webhook"
TRIES = 10
_SUCCESS = range(200, 300)


class WebhookFailed(BwmError):
    """The server was not told, or nobody knows."""


def signature(secret: str, at: int, body: bytes) -> str:
    """The value of X-Bwm-Signature. ``at``: unix seconds."""
    code = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={code}"


def carry_out(deed: Deed, url: str, secret: str) -> dict[str, object]:
    """Tell it. Raises WebhookFailed, whose words name the server and never its path, which may be a secret."""
    body = json.dumps(deed.event.as_json()).encode()
    parts = urlsplit(url)
    host = parts.hostname or ""
    timeout_s = float(deed.arguments["timeout_s"])
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "bwm",
        "X-Bwm-Signature": signature(secret, deed.at, body),
        "X-Bwm-Order": str(deed.order_id),
        "X-Bwm-Attempt": str(deed.attempt),
    }
    try:
        connection = kind(host, parts.port, timeout=timeout_s)
        with closing(connection):
            connection.connect()
            deadline = threading.Timer(timeout_s, _hang_up, [connection.sock])  # who answers a byte a second, too
            deadline.start()
            try:
                path = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
                connection.request("POST", path, body, headers)
                status = connection.getresponse().status
            finally:
                deadline.cancel()
    except (OSError, http.client.HTTPException, ValueError, ssl.SSLError) as error:
        words = getattr(error, "strerror", None) or type(error).__name__
        raise WebhookFailed(f"{host} was not told: {words}") from None
    if status not in _SUCCESS:
        raise WebhookFailed(f"{host} answered {status}")
    return {"status": status}


def _hang_up(line: socket.socket) -> None:
    with suppress(OSError):
        line.shutdown(socket.SHUT_RDWR)
