"""bwm, the bitcoin wallet monitor: alarm and first responder beside one's own full node."""

__version__ = "0.1.0"
