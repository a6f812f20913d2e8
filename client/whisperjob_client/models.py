"""The answers of the service, parsed. Unknown fields are retained, because a newer service may have more."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

JobState = Literal["queued", "processing", "completed", "error"]


def _alias(field: str) -> str:
    return to_camel(field).replace("Mb", "MB") if field.endswith("_mb") else to_camel(field)


class Answer(BaseModel):
    """An answer has names in snake_case here and in camelCase on the wire.

    `to_json` returns the wire's form, with unknown fields.
    """

    model_config = ConfigDict(
        alias_generator=_alias,
        populate_by_name=True,
        frozen=True,
        extra="allow",
        defer_build=True,  # until the first answer: commands that need no server import this too
    )

    def to_json(self, *, indent: int | None = None) -> str:
        return self.model_dump_json(by_alias=True, exclude_unset=True, indent=indent)


class Health(Answer):
    """`diarization` says whether there is a diarizer; an older service does not know."""

    status: str
    ffmpeg: bool
    diarization: bool | None = None


class TopClient(Answer):
    ip: str
    requests: int


class Stats(Answer):
    total_jobs: int
    queued: int
    processing: int
    completed: int
    errored: int
    top_clients: tuple[TopClient, ...] = ()


class RequestWarning(Answer):
    """What was odd about a request that was served nevertheless: this client may be newer than the service."""

    code: str
    message: str


class Accepted(Answer):
    job_id: str
    status: JobState
    message: str = ""
    status_url: str = ""
    warnings: tuple[RequestWarning, ...] = ()


class Chunk(Answer):
    """One MP3. `start_seconds` and `duration_seconds` are its exact place in the whole optimised audio.

    It is `silent` if nothing can be heard in it.
    """

    index: int
    filename: str
    size_mb: Annotated[float, Field(alias="sizeMB")]
    download_url: str
    start_seconds: float
    duration_seconds: float
    sha256: str
    silent: bool = False
    channel: int | None = None
    """Of a multichannel job alone: whose sound it is. The chunks of each channel are the whole recording."""


class Track(Answer):
    """One audio track of the recording; `index` begins at 0, and `reason` says why it was not used."""

    index: int
    codec: str = ""
    language: str | None = None
    title: str | None = None
    channels: int = 0
    default: bool = False
    used: bool = True
    reason: str | None = None


class Job(Answer):
    """A job as its owner sees it; it has `chunks` once it is completed, `error` and `error_code` once it failed."""

    job_id: str
    status: JobState
    step: str | None = None
    progress: int | None = None
    original_filename: str = ""
    original_size_mb: Annotated[float, Field(alias="originalSizeMB")] = 0.0
    duration: float | None = None
    created_at: str = ""
    warnings: tuple[str, ...] = ()
    error: str | None = None
    error_code: str | None = None
    output_size_mb: Annotated[float | None, Field(alias="outputSizeMB")] = None
    total_chunks: int | None = None
    chunks: tuple[Chunk, ...] = ()
    tracks: tuple[Track, ...] = ()

    @property
    def ended(self) -> bool:
        """It is True once the job is completed or has failed."""
        return self.status in ("completed", "error")


class JobPage(Answer):
    jobs: tuple[Job, ...]
    next_cursor: str | None = None


class Trim(Answer):
    """A job's first seconds. `trimmed` is False where the audio was short enough; `chunks` are the files either way."""

    job_id: str
    trimmed: bool
    message: str = ""
    max_seconds: float | None = None
    original_duration: float | None = None
    duration: float | None = None
    output_size_mb: Annotated[float | None, Field(alias="outputSizeMB")] = None
    total_chunks: int = 0
    chunks: tuple[Chunk, ...] = ()
    warnings: tuple[RequestWarning, ...] = ()


class DiarizationStarted(Answer):
    job_id: str
    status: str
    message: str = ""
    warnings: tuple[RequestWarning, ...] = ()


class Turn(Answer):
    start: float
    end: float
    speaker: str


class SpeakerTotal(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow")

    id: str
    total_seconds: float


class DiarizationResult(BaseModel):
    """Who speaks when. `segments` may overlap; `exclusive` ones, where the service has them, never do."""

    model_config = ConfigDict(frozen=True, extra="allow")

    segments: tuple[Turn, ...] = ()
    exclusive: tuple[Turn, ...] | None = None
    speakers: tuple[SpeakerTotal, ...] = ()
    num_speakers: int = 0
    total_segments: int = 0
    model: str | None = None
    device: str | None = None
    notes: tuple[str, ...] = ()
    """Sentences about how it went, for example about a fallback."""


class Diarization(Answer):
    job_id: str
    status: Literal["running", "completed", "error"]
    started_at: str | None = None
    progress: int | None = None
    waiting_for: str | None = None
    result: DiarizationResult | None = None
    error: str | None = None
    error_code: str | None = None
