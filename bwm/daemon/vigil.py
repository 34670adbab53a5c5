"""Says that the loop which reads the chain makes no step, be it that the disk or the server of the database hangs.

It works without the database, for nobody can tell what that loop waits for: the other threads may wait for the same.
"""

from collections.abc import Callable

from bwm.daemon.loop import Loop

LOOK_EVERY_S = 5.0
SILENT_S = 110.0  # the owner knows within two minutes that bwm is blind


class Vigil(Loop):
    """Looks whether the loop has turned."""

    def __init__(self, last_turn: Callable[[], float], tell: Callable[[str], object]) -> None:
        """``last_turn``: when it did, on whatever clock: any change will do. ``tell`` may take its time."""
        super().__init__("vigil")
        self._last_turn = last_turn
        self._tell = tell
        self._seen: float | None = None
        self._looks = 0  # since it was seen to turn: they stand still with us when we are stopped

    def _work(self) -> None:
        self._take_turns(self.look, LOOK_EVERY_S)

    def look(self) -> None:
        """Every LOOK_EVERY_S. Tells it once for each time that it hangs."""
        turned = self._last_turn()
        if turned != self._seen:
            self._seen, self._looks = turned, 0
            return
        self._looks += 1
        if self._looks == SILENT_S // LOOK_EVERY_S:
            self._tell(
                f"it has made no step for {SILENT_S:.0f} seconds, and watches nothing meanwhile: its disk, or the "
                "server of its database, does not answer. If it does not go on by itself, start it anew"
            )
