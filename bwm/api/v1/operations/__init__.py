"""Everything that can be asked for below ``/v1/``, a file for each thing. What a token may not learn of is as if it
were not there."""

from bwm.api.v1.operations import alerts, announcements, check_in, events, guardians, locks, responses, status, vaults

OPERATIONS = (
    *status.OPERATIONS,
    *vaults.OPERATIONS,
    *guardians.OPERATIONS,
    *locks.OPERATIONS,
    *announcements.OPERATIONS,
    *responses.OPERATIONS,
    *events.OPERATIONS,
    *alerts.OPERATIONS,
    *check_in.OPERATIONS,
)
"""In the order in which the document has them."""
