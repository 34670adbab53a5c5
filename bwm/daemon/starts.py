"""How often bwm had to begin anew: what ends it each time, be it a fault of its own or the system, tells nobody."""

import json
from contextlib import suppress
from pathlib import Path

NAME = "starts.json"

_WITHIN_S = 3600
_TOO_OFTEN = 5  # in that time: once may be a power cut, and twice its return


class Starts:
    """Of the daemon of one state directory, in a file of its own: the database may be what ends it."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / NAME

    def note(self, now: int) -> str | None:
        """It starts now (unix seconds). What is to be told when it does so too often, or None. Never raises."""
        lately = [*(at for at in self._read() if 0 <= now - at < _WITHIN_S), now][-_TOO_OFTEN:]
        self._write(lately)
        if len(lately) < _TOO_OFTEN:
            return None
        return (
            f"within {(now - lately[0]) // 60 + 1} minutes it was started {len(lately)} times, for each time something "
            "ended it. What happens in between is found late, and maybe not told. Look at its log (journalctl -u bwm) "
            "and run `bwm doctor`"
        )

    def forget(self) -> None:
        """It ends because it was told to, or has said itself why it ends."""
        self._write([])

    def _read(self) -> list[int]:
        try:
            return [int(at) for at in json.loads(self._path.read_text())]
        except (OSError, ValueError, TypeError):
            return []

    def _write(self, starts: list[int]) -> None:
        part = self._path.with_name(f"{NAME}.part")
        with suppress(OSError):  # whoever writes the journal says that the disk takes nothing
            part.touch(mode=0o600)
            part.write_text(json.dumps(starts))
            part.replace(self._path)
