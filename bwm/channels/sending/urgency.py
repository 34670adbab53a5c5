"""How each service is told that a message is urgent, by parameters of its Apprise URL.

Services that know no urgency, such as Telegram, Signal, Matrix and mail, are not listed.
"""

from collections.abc import Mapping
from urllib.parse import parse_qsl, urlencode, urlsplit

Parameters = Mapping[str, str]

HIGH: Mapping[str, Parameters] = {
    "bark": {"level": "timeSensitive"},
    "gotify": {"priority": "high"},
    "ilert": {"priority": "high"},
    "join": {"priority": "high"},
    "ntfy": {"priority": "high"},
    "opsgenie": {"priority": "high"},
    "pagerduty": {"severity": "error"},
    "pover": {"priority": "1"},
    "prowl": {"priority": "high"},
    "psafer": {"priority": "1"},
}

HIGHEST: Mapping[str, Parameters] = {
    **HIGH,
    "bark": {"level": "critical"},
    "gotify": {"priority": "emergency"},
    "join": {"priority": "emergency"},
    "ntfy": {"priority": "max"},
    "opsgenie": {"priority": "emergency"},
    "pagerduty": {"severity": "critical"},
    "pover": {"priority": "2", "interval": "30", "expire": "10800"},  # rings every 30 s for three hours
    "prowl": {"priority": "emergency"},
    "psafer": {"priority": "2"},
}

BY_SEVERITY: Mapping[str, Mapping[str, Parameters]] = {
    "high": HIGH,
    "critical": HIGHEST,
    "emergency": HIGHEST,
}


def with_urgency(url: str, schema: str, severity: str) -> str:
    """The URL with what its service needs to treat the message as urgent; what the operator set stays.

    ``schema`` names the service; that of a secure variant (``ntfys``) will do.
    """
    by_service = BY_SEVERITY.get(severity, {})
    wanted = by_service.get(schema) or by_service.get(schema.removesuffix("s"), {})
    given = dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))
    added = urlencode({name: value for name, value in wanted.items() if name not in given})
    return f"{url}{'&' if '?' in url else '?'}{added}" if added else url
