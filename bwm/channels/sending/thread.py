"""How each service is told that a message belongs to an earlier one, by parameters of its Apprise URL.

Services that cannot put messages together get the mark in the text, and are not listed.
"""

from urllib.parse import quote

MAIL = ("mailto", "mailtos")


def with_thread(url: str, schema: str, alert_id: str) -> str:
    """The URL with what puts every message of one alert into one thread.

    A mail refers to a first one that was never sent (RFC 5322, 3.6.4): mail programs put together what has the same
    reference, and no message has to wait until the id of another is known.
    """
    if schema not in MAIL or not alert_id:
        return url
    reference = quote(f"<{alert_id}@bwm.invalid>", safe="")
    return f"{url}{'&' if '?' in url else '?'}+References={reference}&+In-Reply-To={reference}"
