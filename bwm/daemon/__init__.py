"""All parts joined: what runs beside the node."""

from bwm import logs  # noqa: F401 - first of all, for there structlog is loaded without what it would only waste
