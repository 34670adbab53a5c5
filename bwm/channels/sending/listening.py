"""What every HTTP request of Apprise goes through: what it says is heard, and what many of them need is made once."""

import logging
import ssl
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.exceptions import ProtocolError
from urllib3.util.ssl_ import ALPN_PROTOCOLS, create_urllib3_context

from bwm.channels.sending import proxied


class Heard(threading.local):
    """What was heard from Apprise and from the network while this thread sent one message."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self.words: list[str] = []
        self.wait_s: int | None = None
        self.uncertain = False


heard = Heard()


class Listener(logging.Handler):
    """Keeps Apprise's own words for the answer, and from every log."""

    def emit(self, record: logging.LogRecord) -> None:
        heard.words.append(record.getMessage())


class ListeningAdapter(requests.adapters.HTTPAdapter):
    """Hears what Apprise does not pass on, and follows no redirect even if the URL asks for it."""

    def __init__(self) -> None:
        super().__init__(pool_connections=1, pool_maxsize=1)  # for one request; to make room for ten takes longer

    def send(self, *args: Any, **kwargs: Any) -> requests.Response:
        try:
            if proxy := proxied.current():
                kwargs["proxies"] = {"http": proxy, "https": proxy}
            response = super().send(*args, **kwargs)
        except requests.RequestException as error:
            heard.words.append(type(error).__name__)
            heard.uncertain |= _may_have_been_sent(error)
            raise
        response.headers.pop("Location", None)
        if response.status_code in (requests.codes.too_many_requests, requests.codes.unavailable):
            heard.wait_s = _retry_after(response.headers)
        return response

    def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:
        host, others = super().build_connection_pool_key_attributes(request, verify, cert)
        if host["scheme"] == "https" and verify and not cert:
            others["ssl_context"] = _context(_authorities(verify))
        return host, others

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        super().cert_verify(conn, url, verify, cert)
        if urlsplit(url).scheme == "https" and verify and not cert:
            conn.ca_certs = conn.ca_cert_dir = None  # the context knows them, and would read them again


@cache
def _context(authorities: str) -> ssl.SSLContext:
    """What certificates are verified with, shared by all threads: to read the authorities takes some 20 ms.

    ``authorities``: a file or a folder of them.
    """
    context = create_urllib3_context()
    if Path(authorities).is_dir():
        context.load_verify_locations(capath=authorities)
    else:
        context.load_verify_locations(authorities)
    context.set_alpn_protocols(ALPN_PROTOCOLS)
    # Done for each connection again, while another thread may be reading what is then replaced.
    context.set_alpn_protocols = lambda _: None  # type: ignore[method-assign, assignment]
    return context


def _authorities(verify: bool | str) -> str:
    return DEFAULT_CA_BUNDLE_PATH if verify is True else str(verify)


def _may_have_been_sent(error: requests.RequestException) -> bool:
    """Whether the request had left when the answer failed to come."""
    aborted = bool(error.args) and isinstance(error.args[0], ProtocolError)
    return aborted or isinstance(error, requests.ReadTimeout)


def _retry_after(headers: Mapping[str, str]) -> int | None:
    """Seconds to wait, from a number or a date (RFC 9110, 10.2.3); None when there is neither."""
    text = headers.get("Retry-After", "").strip()
    if text.isdecimal():
        return int(text[:9])
    try:
        return max(0, round((parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds()))
    except (TypeError, ValueError):
        return None
