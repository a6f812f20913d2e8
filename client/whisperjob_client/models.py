"""The answers of the service, parsed. Unknown fields are retained, because a newer service may have more.

The service is not trusted: the first bad entry of a list ends the reading, because millions would take gigabytes to be
named; numbers are finite and of a possible size, and text that people are shown is one line
without control characters, so nothing behind this module has to think of that.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, FailFast, Field, StringConstraints
from pydantic.alias_generators import to_camel

from whisperjob_client.plain_text import plain

Count = Annotated[int, Field(ge=0, le=2**53)]
Percent = Annotated[int, Field(ge=0, le=100)]
Amount = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
"""Of seconds or megabytes."""

Label = Annotated[str, AfterValidator(lambda text: plain(text, 300))]
"""An id, a name, a code, a date."""

Sentence = Annotated[str, AfterValidator(lambda text: plain(text, 2000))]
Address = Annotated[str, StringConstraints(max_length=8192)]
"""What the client sends back as it is."""


def _check_name(name: str) -> str:
    if plain(name) != name:
        raise ValueError("the name has control characters")
    return name


FileName = Annotated[str, StringConstraints(max_length=255), AfterValidator(_check_name)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]

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

    status: Label
    ffmpeg: bool
    diarization: bool | None = None


class TopClient(Answer):
    ip: Label
    requests: Count


class Stats(Answer):
    total_jobs: Count
    queued: Count
    processing: Count
    completed: Count
    errored: Count
    top_clients: Annotated[tuple[TopClient, ...], FailFast()] = ()


class RequestWarning(Answer):
    """What was odd about a request that was served nevertheless: this client may be newer than the service."""

    code: Label
    message: Sentence


class Accepted(Answer):
    job_id: Label
    status: JobState
    message: Sentence = ""
    status_url: Address = ""
    warnings: Annotated[tuple[RequestWarning, ...], FailFast()] = ()


class Chunk(Answer):
    """One MP3. `start_seconds` and `duration_seconds` are its exact place in the whole optimised audio.

    It is `silent` if nothing can be heard in it.
    """

    index: Count
    filename: FileName
    size_mb: Annotated[Amount, Field(alias="sizeMB")]
    download_url: Address
    start_seconds: Amount
    duration_seconds: Amount
    sha256: Sha256
    silent: bool = False
    channel: Annotated[int, Field(ge=0, le=999)] | None = None
    """Of a multichannel job alone: whose sound it is. The chunks of each channel are the whole recording."""


class Track(Answer):
    """One audio track of the recording; `index` begins at 0, and `reason` says why it was not used."""

    index: Count
    codec: Label = ""
    language: Label | None = None
    title: Label | None = None
    channels: Count = 0
    default: bool = False
    used: bool = True
    reason: Label | None = None


class Job(Answer):
    """A job as its owner sees it; it has `chunks` once it is completed, `error` and `error_code` once it failed."""

    job_id: Label
    status: JobState
    step: Label | None = None
    progress: Percent | None = None
    waiting_for: Sentence | None = None
    original_filename: Label = ""
    original_size_mb: Annotated[Amount, Field(alias="originalSizeMB")] = 0.0
    duration: Amount | None = None
    created_at: Label = ""
    warnings: Annotated[tuple[Label, ...], FailFast()] = ()
    error: Sentence | None = None
    error_code: Label | None = None
    output_size_mb: Annotated[Amount | None, Field(alias="outputSizeMB")] = None
    total_chunks: Count | None = None
    chunks: Annotated[tuple[Chunk, ...], FailFast()] = ()
    tracks: Annotated[tuple[Track, ...], FailFast()] = ()

    @property
    def ended(self) -> bool:
        """It is True once the job is completed or has failed."""
        return self.status in ("completed", "error")


class JobPage(Answer):
    jobs: Annotated[tuple[Job, ...], FailFast()]
    next_cursor: Address | None = None


class Trim(Answer):
    """A job's first seconds. `trimmed` is False where the audio was short enough; `chunks` are the files either way."""

    job_id: Label
    trimmed: bool
    message: Sentence = ""
    max_seconds: Amount | None = None
    original_duration: Amount | None = None
    duration: Amount | None = None
    output_size_mb: Annotated[Amount | None, Field(alias="outputSizeMB")] = None
    total_chunks: Count = 0
    chunks: Annotated[tuple[Chunk, ...], FailFast()] = ()
    warnings: Annotated[tuple[RequestWarning, ...], FailFast()] = ()


class DiarizationStarted(Answer):
    job_id: Label
    status: Label
    message: Sentence = ""
    warnings: Annotated[tuple[RequestWarning, ...], FailFast()] = ()


class Turn(Answer):
    start: Amount
    end: Amount
    speaker: Label


class SpeakerTotal(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow")

    id: Label
    total_seconds: Amount


class DiarizationResult(BaseModel):
    """Who speaks when. `segments` may overlap; `exclusive` ones, where the service has them, never do."""

    model_config = ConfigDict(frozen=True, extra="allow")

    segments: Annotated[tuple[Turn, ...], FailFast()] = ()
    exclusive: tuple[Turn, ...] | None = None
    speakers: Annotated[tuple[SpeakerTotal, ...], FailFast()] = ()
    num_speakers: Count = 0
    total_segments: Count = 0
    model: Label | None = None
    device: Label | None = None
    notes: Annotated[tuple[Sentence, ...], FailFast()] = ()
    """Sentences about how it went, for example about a fallback."""


class Diarization(Answer):
    job_id: Label
    status: Literal["running", "completed", "error"]
    started_at: Label | None = None
    progress: Percent | None = None
    waiting_for: Label | None = None
    result: DiarizationResult | None = None
    error: Sentence | None = None
    error_code: Label | None = None
