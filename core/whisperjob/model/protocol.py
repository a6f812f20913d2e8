"""The worker protocol: what passes between a worker and the engine, over HTTP, as JSON.

    POST /work/claim     (no body)     → 200 Claim | 401 token | 410 attempt is over: stop
    POST /work/progress  ProgressPost  → 204       | 401 token | 410 attempt is over | 413 too long | 422 not understood

Both carry `Authorization: Bearer <token>`, a token that is bound to one attempt. A claim may be repeated while the
attempt lives: that renews an expired grant. A progress post that is lost does no harm.
"""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from whisperjob.model import defaults
from whisperjob.model.base import Model, Sha256
from whisperjob.model.options import AudioOptions, SpeakerCount
from whisperjob.model.phase import DiarizeStep, Stage, Step
from whisperjob.model.resource import MAX_NOTE_LENGTH

CLAIM_PATH = "/work/claim"
PROGRESS_PATH = "/work/progress"


class FileRead(Model):
    """The source lies on this machine: the worker reads it in place and never writes there."""

    scheme: Literal["file"] = "file"
    path: str


class HttpRead(Model):
    """The worker fetches the source by one GET (Range allowed)."""

    scheme: Literal["http"] = "http"
    url: str = Field(repr=False)  # carries a signature


ReadGrant = Annotated[FileRead | HttpRead, Field(discriminator="scheme")]


class FileWrite(Model):
    """The worker writes results to `staging` and renames them into `directory`, on the same file system."""

    scheme: Literal["file"] = "file"
    directory: str
    staging: str


class HttpWrite(Model):
    """The worker sends results to `url` as S3 POST forms: `fields`, `key` = `prefix` + file name, then the file."""

    scheme: Literal["http"] = "http"
    url: str
    fields: dict[str, str] = Field(repr=False)  # carry a signature
    prefix: str
    max_object_bytes: int


WriteGrant = Annotated[FileWrite | HttpWrite, Field(discriminator="scheme")]


class Input(Model):
    """One file that the worker reads: the upload, or a chunk of the optimised audio; chunks come in their order."""

    filename: str
    read: ReadGrant
    size_bytes: int = Field(ge=1)
    sha256: Sha256 | None = None
    samples: int | None = Field(default=None, ge=1, description="What a chunk decodes to, exactly, at 16 kHz")


class OptimizeOptions(AudioOptions):
    """What the optimizer is to do; from the job's spec."""

    stage: Literal[Stage.OPTIMIZE] = Stage.OPTIMIZE
    max_chunk_seconds: int | None = Field(
        default=None, ge=1, description="Longest chunk, seconds; short ones are taken"
    )


class DiarizeOptions(SpeakerCount):
    """What the diarizer is to do; from the job's request and the settings."""

    stage: Literal[Stage.DIARIZE] = Stage.DIARIZE
    model: str = Field(description="`bundled`, a name on the model hub, or a folder")
    allow_cpu: bool = Field(default=True, description="Continue on the CPU where a GPU's memory does not suffice")


Options = Annotated[OptimizeOptions | DiarizeOptions, Field(discriminator="stage")]


class WorkLimits(Model):
    """What a worker may use; from the settings. `scratch_bytes` is what this attempt was given of the scratch space."""

    max_duration_seconds: int = Field(default=int(defaults.MAX_DURATION.total_seconds()), ge=1)
    max_scratch_bytes: int = Field(default=defaults.MAX_SCRATCH_BYTES, ge=1)
    scratch_bytes: int | None = Field(default=None, ge=1)
    run_seconds: int = Field(default=int(defaults.RUN_DEADLINE.total_seconds()), ge=1)


class Claim(Model):
    """Everything that a worker needs for its attempt, and the time until which the grants are valid."""

    job_name: str
    uid: str
    attempt: int
    inputs: tuple[Input, ...] = Field(min_length=1)
    results: WriteGrant
    options: Options
    limits: WorkLimits
    expires_at: datetime


class ProgressPost(Model):
    """How far the stage of a worker is, in percent of the whole stage, inside the range of its step."""

    step: Step | DiarizeStep
    percent: float = Field(ge=0, le=100)
    duration_seconds: float | None = Field(
        default=None, ge=0, description="The length that container or decoder report so far"
    )
    note: Annotated[str, StringConstraints(max_length=MAX_NOTE_LENGTH)] = Field(
        default="", description="A sentence for the owner about the work, such as a fallback"
    )
