"""How much an alert matters, from the least to the most."""

from enum import StrEnum


class Severity(StrEnum):
    """Ordered: ``Severity.HIGH.rank > Severity.INFO.rank``."""

    INFO = "info"
    WARNING = "warning"
    HIGH = "high"
    CRITICAL = "critical"
    EMERGENCY = "emergency"

    @property
    def rank(self) -> int:
        """0 for info to 4 for emergency."""
        return list(Severity).index(self)
