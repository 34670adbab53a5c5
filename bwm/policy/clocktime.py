"""Times of day and week, in a zone of this world."""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from bwm.policy.view import Found, View
from bwm.policy.words import listed

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True)
class TimeOfWeek:
    """It is between two times of the day, on some days. A span over midnight belongs to the day on which it begins."""

    first: int  # minutes after midnight, included
    last: int  # minutes after midnight, not included; less than ``first``: of the day after
    days: tuple[int, ...]  # 0 is Monday
    zone: str  # of the tz database

    def look(self, view: View) -> Found:
        here = datetime.fromtimestamp(view.now, ZoneInfo(self.zone))
        minute, day = here.hour * 60 + here.minute, here.weekday()
        if self.first < self.last:
            truth = self.first <= minute < self.last and day in self.days
        elif minute >= self.first:
            truth = day in self.days
        else:
            truth = minute < self.last and (day - 1) % 7 in self.days
        return Found(truth, f"it is {DAYS[day]} {here:%H:%M} in {self.zone}", {"time": f"{DAYS[day]} {here:%H:%M}"})

    @property
    def words(self) -> str:
        days = "" if len(self.days) == 7 else f" on {listed([DAYS[day] for day in self.days])}"
        return f"it is between {_clock(self.first)} and {_clock(self.last)}{days} in {self.zone}"


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"
