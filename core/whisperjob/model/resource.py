"""The WhisperJob record: what its owner wants (spec) and what came of it (status).

The JSON of these models is the JSON of the Kubernetes resource, field for field; SQLite stores the same.
Unknown fields are ignored when read, so that two versions of the software can share records during an upgrade.
"""

from typing import Annotated, Self

from pydantic import AwareDatetime, Field, StringConstraints

from whisperjob.model.base import DNS_LABEL, Model, Sha256
from whisperjob.model.errors import JobCode
from whisperjob.model.options import (
    MAX_CHANNELS,
    MAX_SAMPLE_RATE,
    MIN_SAMPLE_RATE,
    AudioOptions,
    ChunkSeconds,
    LanguageChoice,
    Multichannel,
    ProfileChoice,
    SpeakerCount,
    TrackChoice,
)
from whisperjob.model.phase import ConditionType, DiarizeStep, Phase, Profile, RawFormat, Step

API_GROUP = "whisperjob.dev"
API_VERSION = f"{API_GROUP}/v1alpha1"
KIND = "WhisperJob"

MAX_FILENAME_LENGTH = 255
MAX_NOTE_LENGTH = 200
"""The longest sentence that a worker may send to the job's owner, in characters."""

RetryId = Annotated[str, StringConstraints(min_length=1, max_length=63)]
Seconds = Annotated[float, Field(ge=0)]


class Source(Model):
    """The uploaded recording, as the API stored it in the object store."""

    key: Annotated[str, StringConstraints(min_length=1, max_length=512)] = Field(description="Its key in the bucket")
    filename: Annotated[str, StringConstraints(max_length=MAX_FILENAME_LENGTH)] = Field(
        default="", description="The client's name for it; shown, and its extension names a headerless format"
    )
    size_bytes: int = Field(ge=1, description="Its size in bytes")
    sha256: Sha256 | None = Field(default=None, description="Its SHA-256, where the uploader computed it")
    content_type: Annotated[str, StringConstraints(max_length=127)] | None = Field(
        default=None, description="The media type the client declared; never trusted"
    )
    raw_format: RawFormat | None = Field(default=None, description="Sample layout of headerless PCM")
    sample_rate: int | None = Field(
        default=None, ge=MIN_SAMPLE_RATE, le=MAX_SAMPLE_RATE, description="Sample rate of headerless PCM, Hz"
    )
    channels: int | None = Field(
        default=None, ge=1, le=MAX_CHANNELS, description="Channels of headerless PCM, interleaved"
    )


class DiarizationRequest(SpeakerCount):
    """Requests a speaker timeline; another `requestId` requests it again."""

    request_id: Annotated[str, StringConstraints(min_length=1, max_length=63)] = Field(description="Names the request")


class Deadlines(Model):
    """How long a job may wait and work; absent means the configured default."""

    start_seconds: int | None = Field(default=None, ge=1, description="From queued to a running worker, seconds")
    run_seconds: int | None = Field(default=None, ge=1, description="One worker's run, seconds")


class Spec(Model):
    """What the owner wants. It is immutable but for `MUTABLE_SPEC_FIELDS`."""

    source: Source
    client_ip: Annotated[str, StringConstraints(max_length=45)] | None = Field(
        default=None, description="The client's address, as far as the settings allow to store it"
    )
    tenant: Annotated[str, StringConstraints(pattern=f"^{DNS_LABEL}$")] = Field(
        default="default", description="The tenant that owns the job; look-ups find only jobs of the caller's tenant"
    )
    profile: ProfileChoice = Profile.FULL
    max_chunk_seconds: ChunkSeconds = None
    track: TrackChoice = None
    language: LanguageChoice = None
    multichannel: Multichannel = False
    priority: int = Field(default=0, ge=-1000, le=1000, description="Higher starts first")
    suspend: bool = Field(default=False, description="Holds the job; its worker is stopped")
    cancel: bool = Field(default=False, description="Ends the job for good")
    diarization: DiarizationRequest | None = None
    ttl_seconds_after_finished: int | None = Field(
        default=None,
        ge=0,
        description="Record and results are deleted this long after the job ended; absent: the default",
    )
    deadlines: Deadlines = Deadlines()
    retry: RetryId | None = Field(
        default=None,
        description="Runs the job again that ended with an error of the service; another value requests it again",
    )

    @property
    def audio_options(self) -> AudioOptions:
        """The owner's choices for the sound, which the record stores in two places."""
        source = self.source
        return AudioOptions.model_construct(
            profile=self.profile,
            max_chunk_seconds=self.max_chunk_seconds,
            track=self.track,
            language=self.language,
            multichannel=self.multichannel,
            raw_format=source.raw_format,
            sample_rate=source.sample_rate,
            channels=source.channels,
        )

    def with_diarization(self, request: DiarizationRequest) -> Self:
        """Returns this spec with another request for a diarization."""
        return self.model_copy(update={"diarization": request})

    def with_retry(self, retry: str) -> Self:
        """Returns this spec with another request to run the job again."""
        return self.model_copy(update={"retry": retry})


MUTABLE_SPEC_FIELDS = frozenset({"suspend", "priority", "diarization", "cancel", "retry"})


class Output(Model):
    """Totals of a completed job; the chunk list itself lives in the manifest."""

    manifest_key: str
    manifest_sha256: Sha256
    total_chunks: int = Field(ge=1)
    size_bytes: int = Field(ge=0)


class JobFailure(Model):
    """Why a stage ended in error: a code for programs, a sentence for people."""

    code: JobCode
    message: str


class Condition(Model):
    """A Kubernetes condition; `status` is "True", "False" or "Unknown"."""

    type: ConditionType
    status: Annotated[str, StringConstraints(pattern="^(True|False|Unknown)$")]
    reason: str
    message: str = ""
    last_transition_time: AwareDatetime
    observed_generation: int | None = None


class StageStatus(Model):
    """What the status says of any stage; `whisperjob.model.stages.StageState` is the same for decisions."""

    phase: Phase = Phase.QUEUED
    progress: int = Field(default=0, ge=0, le=100)
    attempt: int = Field(default=0, ge=0, description="Grows with every worker started, whatever ended the last one")
    failure_count: int = Field(
        default=0, ge=0, description="Workers that failed; a restart of the engine is not counted"
    )
    machine_fault_count: int = Field(
        default=0, ge=0, description="Workers that met a fault of the machine; they are no failures, and never too many"
    )
    out_of_memory: bool = Field(
        default=False, description="A worker ran out of memory: later workers get more memory; it is raised only once"
    )
    next_attempt_time: AwareDatetime | None = Field(
        default=None, description="The latest attempt failed; the next starts no earlier than this"
    )
    start_time: AwareDatetime | None = None
    completion_time: AwareDatetime | None = None
    error: JobFailure | None = None


class DiarizationState(StageStatus):
    """The second stage. It may run again on a completed job, once for each request id."""

    request_id: str
    request_time: AwareDatetime | None = Field(default=None, description="When the engine took the request up")
    step: DiarizeStep | None = None
    num_speakers: int | None = None
    total_segments: int | None = None
    result_key: str | None = None
    result_sha256: Sha256 | None = None
    model: str | None = None
    device: str | None = None


class Status(StageStatus):
    """What came of a job so far: the first stage here at the top, the others in an object each.

    The engine is its only writer.
    """

    observed_generation: int | None = None
    retry: RetryId | None = Field(default=None, description="The latest request to run the job again that was taken up")
    step: Step = Step.UPLOADED
    duration_seconds: Seconds | None = Field(
        default=None, description="The decoded length; before that the container's, where it has one"
    )
    output: Output | None = None
    warnings: tuple[str, ...] = Field(default=(), description="Warning codes; the error reference explains them")
    diarization: DiarizationState | None = None
    conditions: tuple[Condition, ...] = ()

    def condition(self, kind: ConditionType) -> Condition | None:
        """Returns the condition of this type, None if there is none."""
        return next((c for c in self.conditions if c.type is kind), None)


class Metadata(Model):
    """The part of a Kubernetes ObjectMeta that the model needs."""

    name: str
    namespace: str
    uid: str
    resource_version: str
    generation: int = 1
    creation_timestamp: AwareDatetime
    deletion_timestamp: AwareDatetime | None = None


class WhisperJob(Model):
    """The record of a job."""

    metadata: Metadata
    spec: Spec
    status: Status = Status()

    @property
    def name(self) -> str:
        """The job's id in the API."""
        return self.metadata.name

    @property
    def uid(self) -> str:
        """The id that no other record ever has, not even a later one of the same name."""
        return self.metadata.uid

    @property
    def version(self) -> str:
        """The resource version, which grows with every write."""
        return self.metadata.resource_version
