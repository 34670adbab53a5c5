"""A message as programs read it: the same fields in a line of a file and in the body of a webhook."""

from typing import Any

from bwm.channels.channel import Message
from bwm.channels.sending.text import body_of, title_of
from bwm.clock import rfc3339
from bwm.language import Language


def fields_of(message: Message, language: Language) -> dict[str, Any]:
    """The fields, ready for JSON."""
    return {
        "id": message.alert_id,
        "severity": message.severity,
        "vault": message.vault,
        "guardian": message.guardian,
        "kind": message.kind,
        "txid": message.txid,
        "event": message.event,
        "attempt": message.attempt,
        "title": title_of(message),
        "body": body_of(message, language),
        "at": rfc3339(message.at),
        "update": message.update,
        "may_repeat": message.may_repeat,
    }
