"""The API's requests and responses. This JSON is the public interface. Every model has an example for OpenAPI."""

from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from whisperjob.model.errors import JobCode
from whisperjob.model.manifest import TrackReason
from whisperjob.model.options import MAX_SPEAKERS, require_ordered_bounds
from whisperjob.model.phase import Step
from whisperjob_api.errors import HttpCode
from whisperjob_api.number_text import to_number

JobState = Literal["queued", "processing", "completed", "error"]

_ID = "a1b2c3d4-e5f6-4890-abcd-ef1234567890"
_CHUNK = {
    "index": 0,
    "filename": "output.mp3",
    "sizeMB": 15.2,
    "downloadUrl": f"/job/{_ID}/download/output.mp3",
    "startSeconds": 0.0,
    "durationSeconds": 1986.5,
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
}
_TRIMMED_CHUNK = {
    **_CHUNK,
    "filename": "trimmed.mp3",
    "sizeMB": 2.3,
    "downloadUrl": f"/job/{_ID}/download/trimmed.mp3",
    "durationSeconds": 300.0,
}
_TRACK = {
    "index": 0,
    "codec": "aac",
    "language": "eng",
    "title": None,
    "channels": 2,
    "default": True,
    "used": True,
    "reason": None,
}
_SUMMARY = {
    "jobId": _ID,
    "status": "completed",
    "step": "done",
    "progress": 100,
    "originalFilename": "recording.mp4",
    "originalSizeMB": 45.2,
    "duration": 1986.5,
    "createdAt": "2026-02-12T10:00:00.000Z",
    "warnings": [],
    "outputSizeMB": 15.2,
    "totalChunks": 1,
}


def _alias(field: str) -> str:
    return to_camel(field).replace("Mb", "MB") if field.endswith("_mb") else to_camel(field)


def _examples(*examples: dict[str, Any]) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": list(examples)})


class Schema(BaseModel):
    """camelCase in JSON, snake_case in Python.

    The names are part of the interface, and so is whether a field without a value is null or left out.
    """

    model_config = ConfigDict(alias_generator=_alias, populate_by_name=True, frozen=True)


class ErrorBody(Schema):
    error: str = Field(description="What went wrong, for a person")
    code: HttpCode = Field(description="What went wrong, for a program")

    model_config = _examples({"error": "There is no job with this id.", "code": "not_found"})


class RequestWarningCode(StrEnum):
    """What was odd about a request that was served nevertheless: stable, for programs."""

    UNKNOWN_FIELD = "unknown_field"
    UNKNOWN_OPTION = "unknown_option"


class RequestWarning(Schema):
    code: RequestWarningCode = Field(description="What was odd about the request, for a program")
    message: str = Field(description="The same, for a person")

    model_config = _examples(
        {"code": "unknown_field", "message": "The field `profil` is unknown and was ignored; did you mean `profile`?"}
    )


RequestWarnings = Annotated[
    list[RequestWarning],
    Field(
        exclude_if=lambda warnings: not warnings,
        description="What was odd about the request; absent if nothing was. The header `Warning` says the same",
    ),
]
"""`unknown_names` fills it in."""


class Health(Schema):
    status: Literal["ok"] = "ok"
    ffmpeg: bool = Field(description="Whether recordings can be worked on")
    diarization: bool = Field(description="Whether there is a diarizer")

    model_config = _examples({"status": "ok", "ffmpeg": True, "diarization": True})


class Alive(Schema):
    status: Literal["ok"] = "ok"

    model_config = _examples({"status": "ok"})


class TopClient(Schema):
    ip: str
    requests: int = Field(description="Jobs this client submitted that still exist")


class Stats(Schema):
    total_jobs: int
    queued: int
    processing: int
    completed: int
    errored: int
    top_clients: list[TopClient] = Field(description="Most requests first")
    warnings: RequestWarnings = []

    model_config = _examples(
        {
            "totalJobs": 42,
            "queued": 0,
            "processing": 1,
            "completed": 38,
            "errored": 3,
            "topClients": [{"ip": "192.0.2.4", "requests": 25}, {"ip": "198.51.100.8", "requests": 17}],
        }
    )


class Accepted(Schema):
    job_id: str
    status: JobState = Field(description="`queued`; for a repeated Idempotency-Key, the job's current state")
    message: str = "File uploaded, optimization started"
    status_url: str
    warnings: RequestWarnings = []

    model_config = _examples(
        {
            "jobId": _ID,
            "status": "queued",
            "message": "File uploaded, optimization started",
            "statusUrl": f"/job/{_ID}",
        }
    )


class Chunk(Schema):
    index: int
    filename: str
    size_mb: float = Field(description="In units of 1,048,576 bytes, one decimal")
    download_url: str
    start_seconds: float = Field(description="Where it starts in the undivided audio")
    duration_seconds: float = Field(description="Its exact length")
    sha256: str
    silent: bool | None = Field(default=None, description="`true` if nothing can be heard in it; else absent")
    channel: int | None = Field(default=None, description="Of a multichannel job alone: whose sound it is")

    model_config = _examples(_CHUNK)


class Track(Schema):
    """One audio track of the recording."""

    index: int = Field(description="Among the audio tracks; the first is 0")
    codec: str
    language: str | None = Field(description="As the file names it; null where it does not")
    title: str | None
    channels: int
    default: bool = Field(description="Whether the file marks it as the default")
    used: bool
    reason: TrackReason | None = Field(description="Why it was not used")

    model_config = _examples(_TRACK)


class JobSummary(Schema):
    """A job without its chunks. A failed job has no `step` and `progress`, one that is not completed has no totals."""

    job_id: str
    status: JobState
    step: Step | None = None
    progress: int | None = Field(default=None, ge=0, le=100)
    waiting_for: str | None = Field(default=None, description="Why no worker runs yet, where that is known")
    original_filename: str
    original_size_mb: float
    duration: float | None = Field(
        description="Decoded length in seconds; before that the container's, null where it has none"
    )
    created_at: str = Field(description="ISO 8601, milliseconds, UTC")
    warnings: list[str]
    error: str | None = Field(default=None, description="Why the job failed, for a person")
    error_code: JobCode | None = Field(default=None, description="Why the job failed, for a program")
    output_size_mb: float | None = Field(default=None, alias="outputSizeMB")
    total_chunks: int | None = None

    model_config = _examples(_SUMMARY)


class JobView(JobSummary):
    """A job; completed ones list their chunks, and the audio tracks of their recording."""

    chunks: list[Chunk] | None = None
    tracks: list[Track] | None = None

    model_config = _examples(
        {
            **{k: v for k, v in _SUMMARY.items() if k not in ("outputSizeMB", "totalChunks")},
            "status": "processing",
            "step": "enhancing",
            "progress": 40,
        },
        {**_SUMMARY, "chunks": [_CHUNK], "tracks": [_TRACK]},
        {
            **{k: v for k, v in _SUMMARY.items() if k not in ("outputSizeMB", "totalChunks", "step", "progress")},
            "status": "error",
            "duration": None,
            "error": "The file has no audio track.",
            "errorCode": "no_audio",
        },
    )


class JobPage(Schema):
    jobs: list[JobSummary] = Field(description="Newest first")
    next_cursor: str | None = Field(description="Give it as `cursor` to get the next page; null on the last")
    warnings: RequestWarnings = []

    model_config = _examples({"jobs": [_SUMMARY], "nextCursor": None})


class TrimRequest(Schema):
    job_id: str = Field(description="A completed job")
    max_seconds: Annotated[
        float,
        Field(strict=True, gt=0, description="Longest result, in seconds"),
        BeforeValidator(to_number),
        AfterValidator(to_number),  # the answer repeats a whole number as one
    ]

    model_config = _examples({"jobId": _ID, "maxSeconds": 300}) | ConfigDict(allow_inf_nan=False)


class Trimmed(Schema):
    job_id: str
    trimmed: Literal[True] = True
    max_seconds: int | float
    original_duration: float
    output_size_mb: float = Field(alias="outputSizeMB")
    total_chunks: int
    chunks: list[Chunk]
    warnings: RequestWarnings = []

    model_config = _examples(
        {
            "jobId": _ID,
            "trimmed": True,
            "maxSeconds": 300,
            "originalDuration": 1986.5,
            "outputSizeMB": 2.3,
            "totalChunks": 1,
            "chunks": [_TRIMMED_CHUNK],
        }
    )


class NotTrimmed(Schema):
    job_id: str
    trimmed: Literal[False] = False
    message: str = "Audio is already within the limit"
    duration: float
    total_chunks: int
    chunks: list[Chunk]
    warnings: RequestWarnings = []

    model_config = _examples(
        {
            "jobId": _ID,
            "trimmed": False,
            "message": "Audio is already within the limit",
            "duration": 1986.5,
            "totalChunks": 1,
            "chunks": [_CHUNK],
        }
    )


SpeakerNumber = Annotated[Annotated[int, Field(strict=True, ge=0, le=MAX_SPEAKERS)] | None, BeforeValidator(to_number)]
"""A field of the model's `SpeakerCount` as JSON has it: a whole number, where 0 and "" stand for an absent field."""


class DiarizeRequest(Schema):
    job_id: str = Field(description="A completed job")
    num_speakers: SpeakerNumber = Field(default=None, description="Exactly this many; 0 or absent: find out")
    min_speakers: SpeakerNumber = Field(default=None, description="At least this many")
    max_speakers: SpeakerNumber = Field(default=None, description="At most this many")

    model_config = _examples({"jobId": _ID, "numSpeakers": 3})

    @model_validator(mode="after")
    def _bounds_fit(self) -> Self:
        require_ordered_bounds(self.min_speakers, self.max_speakers)
        low, high = self.min_speakers or 1, self.max_speakers or MAX_SPEAKERS
        if self.num_speakers and not low <= self.num_speakers <= high:
            raise ValueError("numSpeakers must lie between minSpeakers and maxSpeakers")
        return self


class DiarizeStarted(Schema):
    job_id: str
    status: Literal["running"] = "running"
    message: str = "Diarization started"
    warnings: RequestWarnings = []

    model_config = _examples({"jobId": _ID, "status": "running", "message": "Diarization started"})


class SpeakerSegment(Schema):
    start: float
    end: float
    speaker: str


class SpeakerTotal(BaseModel):
    """How long one speaker speaks. snake_case is part of the interface."""

    id: str
    total_seconds: float


class DiarizationResult(BaseModel):
    """Who speaks when. snake_case is part of the interface."""

    segments: list[SpeakerSegment] = Field(description="In order of their start; they overlap where people do")
    exclusive: list[SpeakerSegment] = Field(description="Without overlap: the ones that give words their speakers")
    speakers: list[SpeakerTotal] = Field(description="In order of their first appearance")
    num_speakers: int
    total_segments: int
    model: str = Field(description="The model that found the speakers, with its version")
    device: str = Field(description="The device on which the model ran")
    notes: list[str] = Field(default=[], description="Sentences about how it went, for example about a fallback")


class DiarizationView(Schema):
    job_id: str
    status: Literal["running", "completed", "error"]
    started_at: str | None = None
    progress: int | None = Field(default=None, ge=0, le=100, description="Of a running one, percent")
    waiting_for: str | None = Field(default=None, description="Why no worker runs yet, where that is known")
    result: DiarizationResult | None = None
    error: str | None = None
    error_code: JobCode | None = None
    warnings: RequestWarnings = []

    model_config = _examples(
        {
            "jobId": _ID,
            "status": "completed",
            "startedAt": "2026-02-13T14:00:00.000Z",
            "result": {
                "segments": [
                    {"start": 0.0, "end": 5.2, "speaker": "SPEAKER_00"},
                    {"start": 5.4, "end": 12.8, "speaker": "SPEAKER_01"},
                ],
                "exclusive": [
                    {"start": 0.0, "end": 5.2, "speaker": "SPEAKER_00"},
                    {"start": 5.4, "end": 12.8, "speaker": "SPEAKER_01"},
                ],
                "speakers": [
                    {"id": "SPEAKER_00", "total_seconds": 120.5},
                    {"id": "SPEAKER_01", "total_seconds": 85.3},
                ],
                "num_speakers": 2,
                "total_segments": 2,
                "model": "bundled",
                "device": "cpu",
                "notes": [],
            },
            "error": None,
        }
    )
