"""The time by which an attempt must have done its work."""

import time

from whisperjob.model.errors import InputError, JobCode


class Deadline:
    """A moment, `seconds` after this object was made, by which the whole run must be over."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._at = time.monotonic() + seconds

    @property
    def left_seconds(self) -> float:
        """The time that is left; negative after the deadline."""
        return self._at - time.monotonic()

    def to_error(self) -> InputError:
        """Returns the verdict (run_deadline) on a recording that takes longer."""
        return InputError(JobCode.RUN_DEADLINE, f"The work was not done within {self._seconds:.0f} seconds.")
