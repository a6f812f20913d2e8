"""What a decision is made of, and what it says: plain data, so that tests of decisions are tables."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from whisperjob.model import defaults
from whisperjob.model.backoff import Backoff
from whisperjob.model.manifest import Manifest, Verdict
from whisperjob.model.phase import STAGE_OF_STEP, AnyStep, Stage
from whisperjob.model.resource import Status
from whisperjob.model.timeline import Timeline
from whisperjob.model.workers import Worker


@dataclass(frozen=True, slots=True)
class Policy:
    """The settings that decisions depend on (model/settings.py says what each is for).

    `diarizes` is False where there is no diarizer at all. `max_diarizations` limits how many run at a time; None means
    as many as there is room for.
    """

    retention: timedelta = defaults.RETENTION
    start_deadline: timedelta = defaults.START_DEADLINE
    run_deadline: timedelta = defaults.RUN_DEADLINE
    max_failures: int = defaults.MAX_FAILURES
    retry: Backoff = defaults.RETRY
    stuck_after: timedelta = defaults.STUCK_AFTER
    import_prefix: str = ""
    diarizes: bool = True
    max_diarizations: int | None = None

    def has_worker_for(self, stage: Stage) -> bool:
        """Whether this installation has a worker that does this stage."""
        match stage:
            case Stage.OPTIMIZE:
                return True
            case Stage.DIARIZE:
                return self.diarizes

    def limit_of(self, stage: Stage) -> int | None:
        """How many attempts at this stage may run at a time; None where the launcher alone decides that."""
        match stage:
            case Stage.OPTIMIZE:
                return None
            case Stage.DIARIZE:
                return self.max_diarizations


@dataclass(frozen=True, slots=True)
class Finished:
    """The manifest of an optimizer's attempt exists, and every file it lists is there with its size."""

    manifest: Manifest
    key: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Diarized:
    """The timeline of a diarizer's attempt exists and is valid."""

    timeline: Timeline
    key: str
    sha256: str


@dataclass(frozen=True, slots=True)
class VerdictGiven:
    """The worker left a verdict: no further attempt can change the answer."""

    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Unusable:
    """The worker left a result that is not valid: a file is missing, a size is wrong, or JSON breaks the model."""

    why: str


Result = Finished | Diarized | VerdictGiven | Unusable


@dataclass(frozen=True, slots=True)
class ProgressReport:
    """The latest progress that the worker of an attempt has reported."""

    attempt: int
    step: AnyStep
    percent: float
    duration_seconds: float | None = None
    note: str = ""

    @property
    def stage(self) -> Stage:
        """The stage that the step belongs to."""
        return STAGE_OF_STEP[self.step]


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything that a decision may depend on besides the record itself.

    `result` is that of the active stage's attempt; it is read only when `needs_result` says so. `ahead` counts the
    attempts of other jobs at the active stage that run already, or that start before this job's. `tenant_ahead` counts
    those of its own tenant, at any stage; `tenant_limit` is how many these may be, None where there is no limit.
    `audio_wait` is how long the tenant has to wait until it may have more sound worked on.

    `ages` says how long ago moments of the job and its workers were, by monotonic time; the age of any other is counted
    by the time of day. For `deletion_held` nothing may be deleted because of its age: the clock may be wrong.
    """

    workers: tuple[Worker, ...] = ()
    result: Result | None = None
    report: ProgressReport | None = None
    ahead: int = 0
    tenant_ahead: int = 0
    tenant_limit: int | None = None
    audio_wait: timedelta = timedelta(0)
    ages: Mapping[datetime, timedelta] = field(default_factory=dict)
    deletion_held: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class Event:
    """A sentence about the job, to be recorded once the status was written."""

    reason: str
    message: str
    warning: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do now. At most one of `status`, `launch_attempt` and `delete_record` is set; the rest accompanies it."""

    status: Status | None = None
    launch_attempt: int | None = None
    launch_stage: Stage = Stage.OPTIMIZE
    delete_record: bool = False
    stop: tuple[str, ...] = ()
    requeue_after: timedelta | None = None
    events: tuple[Event, ...] = ()


NOTHING = Decision()

AT_ONCE = timedelta(microseconds=1)
