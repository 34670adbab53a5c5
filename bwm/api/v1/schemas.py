"""JSON Schemas of what is answered: the shapes that the command line prints with --json."""

from typing import Any


def _object(required: dict[str, Any], **optional: Any) -> dict[str, Any]:
    return {"type": "object", "properties": required | optional, "required": list(required)}


def _with(shape: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The same object with more members."""
    return _object(shape["properties"] | more)


def _or_null(shape: dict[str, Any]) -> dict[str, Any]:
    return shape | {"type": ["object", "null"]}


TEXT = {"type": "string"}
WHOLE = {"type": "integer"}
TIME = {"type": "string", "format": "date-time"}
TEXT_OR_NULL = {"type": ["string", "null"]}
WHOLE_OR_NULL = {"type": ["integer", "null"]}
TEXTS = {"type": "array", "items": TEXT}

TRIGGER = _object({"kind": TEXT, "key": TEXT, "status": TEXT, "txid": TEXT_OR_NULL})

VAULT = _object(
    {
        "name": TEXT,
        "tags": TEXTS,
        "severity": TEXT,
        "birthday": WHOLE_OR_NULL,
        "final_depth": WHOLE,
        "covered_from": WHOLE_OR_NULL,
        "triggers": {"type": "array", "items": TRIGGER},
    }
)

EVENT = _object(
    {
        "seq": WHOLE,
        "key": TEXT,
        "kind": TEXT,
        "at": TIME,
        "network": TEXT,
        "vault": TEXT_OR_NULL,
        "guardian": TEXT_OR_NULL,
        "trigger": {"type": ["object", "null"]},
        "txid": TEXT_OR_NULL,
        "block": {"type": ["object", "null"]},
        "sats": WHOLE_OR_NULL,
        "detail": {"type": "object"},
        "reason": TEXT,
    }
)

ALERT = _object(
    {
        "id": TEXT,
        "event": WHOLE,
        "kind": TEXT,
        "vault": TEXT_OR_NULL,
        "guardian": TEXT_OR_NULL,
        "severity": TEXT,
        "title": TEXT,
        "body": TEXT,
        "state": {"enum": ["open", "acknowledged", "resolved"]},
        "created_at": TIME,
        "acknowledged_at": TEXT_OR_NULL,
        "acknowledged_by": TEXT_OR_NULL,
    }
)

GUARDIAN = _object(
    {
        "name": TEXT,
        "address": TEXT,
        "state": {"enum": ["uninstantiated", "unlocked", "locked"]},
        "nonce": WHOLE_OR_NULL,
        "reason": TEXT,
    }
)

ANNOUNCEMENT = _object(
    {
        "id": WHOLE,
        "vault": TEXT,
        "txid": TEXT_OR_NULL,
        "to": {"type": "array", "items": _object({"address": TEXT, "sats": WHOLE})},
        "max_fee": WHOLE,
        "begins_at": TIME,
        "ends_at": TIME,
        "state": TEXT,
        "met_by": TEXT_OR_NULL,
        "signed_by": TEXT_OR_NULL,
    }
)

ANNOUNCED = _object({"id": WHOLE, "vault": TEXT})

WATCHED_GUARDIAN = _with(GUARDIAN, remarks=TEXTS)

LOCK = _object(
    {
        "name": TEXT,
        "guardian": TEXT,
        "nonce": WHOLE,
        "outpoint": TEXT,
        "feerate": {"type": "number"},
        "verdict": TEXT,
        "reason": TEXT,
        "checked_at": TIME,
    }
)

RESPONSE = _object(
    {
        "name": TEXT,
        "vault": TEXT,
        "armed": {"type": "boolean"},
        "verdict": TEXT,
        "reason": TEXT,
        "checked_at": TIME,
        "deadline": TEXT_OR_NULL,
        "budget_sats": WHOLE_OR_NULL,
        "value_sats": WHOLE_OR_NULL,
        "steps": {
            "type": "array",
            "items": _object(
                {
                    "txid": TEXT,
                    "feerate": {"type": ["number", "null"]},
                    "fee_sats": WHOLE_OR_NULL,
                    "sighash": TEXTS,
                    "child_txid": TEXT_OR_NULL,
                }
            ),
        },
    }
)

KEPT_RESPONSE = _with(RESPONSE, notes=TEXTS)

ACKNOWLEDGED = _object({"result": {"enum": ["acknowledged", "already", "graver"]}, "alert": TEXT_OR_NULL})

CHECK_IN = _object(
    {
        "last": TEXT_OR_NULL,
        "due_at": TEXT_OR_NULL,
        "missed_at": TEXT_OR_NULL,
        "stage": {"enum": ["fine", "due", "overdue", "missed"]},
        "overdue": {"type": "boolean"},
    }
)

STATUS = _object(
    {
        "network": TEXT,
        "version": TEXT,
        "up": {"type": "boolean"},
        "height": WHOLE_OR_NULL,
        "vaults": WHOLE,
        "open_alerts": WHOLE,
        "check_in": _or_null(CHECK_IN),
    }
)

PROBLEM = _object({"type": TEXT, "title": TEXT, "status": WHOLE, "detail": TEXT})
"""RFC 9457."""
