"""A machine's two clocks, which a test sets: the time of day, and the monotonic time that no jump changes."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from support.builders import T0
from whisperjob.engine.watched_clock import WatchedClock


@dataclass
class Clocks:
    """Both stand still until `pass_time` or `jump` is called."""

    wall: datetime = T0
    monotonic: float = 1000.0
    watched: WatchedClock = field(init=False)

    def __post_init__(self) -> None:
        self.watched = WatchedClock(lambda: self.wall, lambda: self.monotonic)

    def pass_time(self, time_span: timedelta) -> None:
        """Lets time pass: both clocks go on."""
        self.wall += time_span
        self.monotonic += time_span.total_seconds()

    def jump(self, time_span: timedelta) -> None:
        """Sets the time of day: no time passes."""
        self.wall += time_span

    def restart(self, off: timedelta = timedelta(seconds=1)) -> None:
        """Ends the process, and starts another after this time: the new one knows nothing of the old one's clock."""
        self.pass_time(off)
        self.monotonic += 12_345
        self.__post_init__()
