"""hook: a program of the owner's is run, and reads the event on its standard input."""

import json

from bwm.actions.deed import Deed
from bwm.actions.program import Program, run

NAME = "hook"
TRIES = 3


def carry_out(deed: Deed) -> dict[str, object]:
    """Run it. Raises ProgramFailed. A hook may run twice for one order: BWM_ORDER is the same then."""
    arguments = deed.arguments
    program = Program(arguments["argv"], int(arguments["timeout_s"]), arguments.get("run_as"))
    told = json.dumps(deed.event.as_json()) + "\n"
    said = run(program, told.encode(), {"BWM_ORDER": str(deed.order_id), "BWM_ATTEMPT": str(deed.attempt)})
    return {"bytes": len(said)}
