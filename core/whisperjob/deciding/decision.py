"""What a decision is made of, and what it says: plain data, so that tests of decisions are tables."""

from dataclasses import dataclass, field
from datetime import timedelta

from whisperjob.model.manifest import Failure, Manifest
from whisperjob.model.phase import DiarizeStep, Stage, Step
from whisperjob.model.resource import Status
from whisperjob.model.timeline import Timeline
from whisperjob.model.workers import Worker


@dataclass(frozen=True, slots=True)
class Policy:
    """The settings that decisions depend on (model/settings.py says why each is as it is)."""

    retention: timedelta = timedelta(days=7)
    start_deadline: timedelta = timedelta(hours=24)
    run_deadline: timedelta = timedelta(hours=6)
    max_failures: int = 3
    retry_base: timedelta = timedelta(seconds=5)
    retry_cap: timedelta = timedelta(minutes=5)
    stuck_after: timedelta = timedelta(minutes=2)
    import_prefix: str = ""
    diarizes: bool = True
    """Whether there is a diarizer at all."""
    max_diarizations: int | None = None
    """How many may run at a time; None: as many as there is room for."""


@dataclass(frozen=True, slots=True)
class Finished:
    """The attempt's manifest exists and every file it lists is there with its size."""

    manifest: Manifest
    key: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Diarized:
    """The attempt's timeline exists and holds."""

    timeline: Timeline
    key: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The worker left its verdict on the input."""

    failure: Failure


@dataclass(frozen=True, slots=True)
class Unusable:
    """The worker left a result that does not hold: a file missing, a size wrong, JSON that breaks the model."""

    why: str


Result = Finished | Diarized | Refused | Unusable


@dataclass(frozen=True, slots=True)
class Report:
    """The latest progress post of an attempt's worker."""

    attempt: int
    step: Step | DiarizeStep
    percent: float
    duration_seconds: float | None = None
    note: str = ""

    @property
    def stage(self) -> Stage:
        return Stage.DIARIZE if isinstance(self.step, DiarizeStep) else Stage.OPTIMIZE


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything a decision may depend on besides the record itself."""

    workers: tuple[Worker, ...] = ()
    result: Result | None = None
    """Of the active stage's attempt; looked for only when `needs_result` says so."""
    report: Report | None = None
    diarizations_ahead: int = 0
    """Diarizations of other jobs that run, or that go before this one's."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something to tell about the object, after its status was written."""

    reason: str
    message: str
    warning: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do now. At most one of `status`, `launch_attempt` and `delete_record` is set; the rest goes with it."""

    status: Status | None = None
    launch_attempt: int | None = None
    launch_stage: Stage = Stage.OPTIMIZE
    delete_record: bool = False
    stop: tuple[str, ...] = ()
    requeue_after: timedelta | None = None
    events: tuple[Event, ...] = field(default=())


NOTHING = Decision()

AT_ONCE = timedelta(microseconds=1)
