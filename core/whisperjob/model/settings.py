"""The settings of every role, typed; read from the environment with the prefix WHISPERJOB_.

Each description gives the unit and the reason. This module needs pydantic-settings besides pydantic.
"""

import json
import re
from datetime import timedelta
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

from pydantic import AliasChoices, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from whisperjob.model import defaults
from whisperjob.model.tenants import TenantLimits, TenantName, find_limits

T = TypeVar("T")

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smhd])")


def _duration(value: Any) -> Any:
    """Accepts 90s, 15m, 12h, 7d beside what pydantic accepts (ISO 8601, plain seconds)."""
    if isinstance(value, str) and (match := _DURATION.fullmatch(value.strip())):
        return timedelta(seconds=float(match[1]) * _UNITS[match[2]])
    return value


def _split_at_commas(value: Any) -> Any:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _parse_json(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise ValueError("it is not valid JSON") from None


Duration = Annotated[timedelta, BeforeValidator(_duration)]
CommaSeparated = Annotated[tuple[T, ...], NoDecode, BeforeValidator(_split_at_commas)]
"""CommaSeparated[str] takes `a, b` and is the tuple of both."""

MIB = 1024 * 1024
GIB = 1024 * MIB


class ClientAddress(StrEnum):
    """How much of a client's IP address is stored."""

    FULL = "full"
    TRUNCATED = "truncated"
    NONE = "none"


def setting_at_fault(error: ValidationError) -> str:
    """The first wrong setting as one sentence, by the name of its variable; never its value, which may be a secret."""
    wrong = error.errors(include_input=False, include_url=False)[0]
    name = "".join(str(part) for part in wrong["loc"][:1]).upper().removeprefix("WHISPERJOB_")
    return f"The setting WHISPERJOB_{name} is wrong: {wrong['msg']}"


class Settings(BaseSettings):
    """The base of every group of settings: how they are read from the environment. They are immutable."""

    model_config = SettingsConfigDict(
        env_prefix="WHISPERJOB_", extra="ignore", frozen=True, populate_by_name=True, env_ignore_empty=True
    )


class SandboxMode(StrEnum):
    """What happens where a machine lacks Landlock or libseccomp."""

    REQUIRED = "required"
    BEST_EFFORT = "best-effort"


class SandboxSettings(Settings):
    """What whoever starts workers knows of their sandbox."""

    sandbox: SandboxMode = Field(
        default=SandboxMode.BEST_EFFORT,
        description="`required`: nothing is processed where the kernel has no Landlock, or libseccomp is missing. "
        "`best-effort`: the log says what does not hold.",
    )

    @property
    def sandbox_is_required(self) -> bool:
        """Whether a worker may process nothing without the whole sandbox."""
        return self.sandbox is SandboxMode.REQUIRED


class TenantSettings(Settings):
    """What the API and the engine both know of tenants."""

    tenants: Annotated[dict[TenantName, TenantLimits], NoDecode, BeforeValidator(_parse_json)] = Field(
        default={},
        description='JSON: limits by tenant, `*` for all others, as in {"alice": {"weight": 2, "runningJobs": 4}}.',
    )

    def limits_of(self, tenant: str) -> TenantLimits:
        """Returns the limits of a tenant."""
        return find_limits(self.tenants, tenant)

    def weight_of(self, tenant: str) -> float:
        """Returns the share of a tenant, beside those of others."""
        return self.limits_of(tenant).weight


class ApiSettings(TenantSettings):
    """The HTTP front end."""

    api_keys: CommaSeparated[SecretStr] = Field(
        default=(),
        description="Comma-separated `key` (tenant `default`) or `tenant:key`. One machine: made if absent.",
    )
    keys_folder: Path | None = Field(
        default=None,
        description="Folder that is watched for `keys.json` of `whisperjob keys`. One machine: the data folder.",
    )
    max_upload_bytes: int = Field(
        default=524_288_000,
        ge=1,
        description="Largest file, bytes. The default, 500 MB, holds two hours of good video.",
    )
    min_upload_bytes_per_second: int = Field(
        default=4096,
        ge=0,
        description="Uploads slower than this end with 408, measured after a minute; 0 allows any rate.",
    )
    upload_idle_timeout: Duration = Field(
        default=timedelta(seconds=60), description="An upload that sends nothing for this time ends with 408."
    )
    max_concurrent_uploads: int = Field(
        default=16, ge=1, description="Uploads at a time; further ones get 503. Each may use up to 64 MB of memory."
    )
    slow_upload_bytes_per_second: int = Field(
        default=65_536,
        ge=0,
        description="Uploads slower than this lose their slot at once where all are taken and another tenant waits.",
    )
    max_connections: int = Field(
        default=400,
        ge=1,
        description="Open connections; beyond them, the address that holds most loses idle ones, or gets 503. "
        "Each may need two of the file descriptors that the process may open.",
    )
    max_unfinished_jobs: int = Field(
        default=1000,
        ge=1,
        description="Queued and running jobs of a tenant; further uploads get 429.",
    )
    max_unfinished_bytes: int = Field(
        default=100 * GIB,
        ge=1,
        description="Bytes of the sources of a tenant's queued and running jobs; further uploads get 429.",
    )
    min_free_bytes: int = Field(
        default=2 * GIB,
        ge=0,
        description="Free space that an upload must leave in the store, beside what running workers and all results "
        "will need; else it gets 507.",
    )
    trusted_proxies: CommaSeparated[IPv4Network | IPv6Network] = Field(
        default=(), description="Comma-separated networks whose X-Forwarded-For header is trusted; none by default."
    )
    cors_origins: CommaSeparated[Annotated[str, Field(pattern=r"^(\*|https?://[^/\s]+)$")]] = Field(
        default=(),
        description="Comma-separated origins, such as https://app.example, whose web pages may call the API; "
        "`*` stands for all. None by default.",
    )
    client_address: ClientAddress = Field(
        default=ClientAddress.FULL,
        description="How much of a client's address is stored: full, truncated (IPv4 /24, IPv6 /48) or none.",
    )

    def with_api_key(self, key: SecretStr) -> Self:
        """Returns these settings with this key alone."""
        return self.model_copy(update={"api_keys": (key,), "keys_folder": None})

    def with_max_upload_bytes(self, limit: int) -> Self:
        """Returns these settings with another limit of an upload's size."""
        return self.model_copy(update={"max_upload_bytes": limit})


class StoreSettings(Settings):
    """The object store. Without `s3_endpoint` embedded mode stores objects in its data folder."""

    s3_endpoint: str | None = Field(default=None, description="http(s)://host:port of an S3 service, such as MinIO.")
    s3_bucket: str = Field(
        default="whisperjob", description="The bucket; it is created if it does not exist and the credentials allow it."
    )
    s3_access_key: str = Field(default="", description="Access key.")
    s3_secret_key: SecretStr = Field(default=SecretStr(""), description="Secret key.")
    s3_grant_access_key: str = Field(
        default="",
        description="Access key of grants: the addresses and forms that are signed for workers and clients, who can "
        "read its id there. Empty: the access key above.",
    )
    s3_grant_secret_key: SecretStr = Field(default=SecretStr(""), description="Secret key of grants.")
    s3_region: str = Field(default="us-east-1", description="Region; fixed, so that no look-up is needed per request.")
    s3_worker_endpoint: str | None = Field(
        default=None,
        description="The address of the service as workers reach it, if it differs; grants are signed for it.",
    )
    s3_public_endpoint: str | None = Field(
        default=None,
        description="The address of the service as clients reach it. If it is set, downloads are redirected there; "
        "otherwise they pass through the API.",
    )

    def without_s3(self) -> Self:
        """Returns the settings of a store in a folder."""
        return self.model_copy(update={"s3_endpoint": None})


class EngineSettings(TenantSettings):
    """The decisions: deadlines, retries, retention."""

    retention: Duration = Field(
        default=defaults.RETENTION,
        validation_alias=AliasChoices("WHISPERJOB_RETENTION", "RETENTION"),
        description="Records and results are deleted this long after the job ended (7d, 12h, …).",
    )
    keep_source: bool = Field(
        default=False, description="Keep the upload after the job ended, until the record is deleted."
    )
    start_deadline: Duration = Field(
        default=defaults.START_DEADLINE,
        description="Longest time from queued to a running worker; then the job ends as `start_deadline`.",
    )
    run_deadline: Duration = Field(
        default=defaults.RUN_DEADLINE,
        description="Longest run of one worker; then the job ends as `run_deadline`. 24 h of audio take half an hour.",
    )
    max_failures: int = Field(
        default=defaults.MAX_FAILURES, ge=1, description="Failed workers after which a job ends as `infrastructure`."
    )
    retry_base: Duration = Field(
        default=defaults.RETRY.base, description="Wait after the first failure; it doubles with each further one."
    )
    retry_cap: Duration = Field(default=defaults.RETRY.cap, description="Longest wait between attempts.")
    stuck_after: Duration = Field(
        default=defaults.STUCK_AFTER,
        description="How long a worker may outlive its run deadline before it is given up.",
    )
    progress_interval: Duration = Field(
        default=timedelta(seconds=2), description="At most one write of progress per job in this time."
    )
    resync_interval: Duration = Field(
        default=timedelta(minutes=5), description="All jobs, workers and objects are read again at this interval."
    )
    reconcile_workers: int = Field(default=16, ge=1, description="Jobs that are reconciled at the same time.")
    grant_lifetime: Duration = Field(
        default=timedelta(hours=1), description="How long a worker's grants are valid; it renews them by another claim."
    )
    import_prefix: str = Field(
        default="",
        description="Objects below it may be the source of a WhisperJob made by hand; empty: only its own upload may.",
    )
    orphan_age: Duration = Field(
        default=timedelta(hours=24),
        description="Objects that no record needs are removed when every sweep for this time has found them so.",
    )
    max_duration: Duration = Field(
        default=defaults.MAX_DURATION, description="Longest decoded audio; a longer recording ends as `duration_limit`."
    )
    diarization_model: str = Field(
        default="bundled",
        min_length=1,
        validation_alias=AliasChoices("WHISPERJOB_DIARIZATION_MODEL", "DIARIZATION_MODEL"),
        description="`bundled` (needs no token), a model's name on the hub (needs HF_TOKEN), or a folder.",
    )
    diarization_allow_cpu: bool = Field(
        default=True, description="Whether a diarization continues on the CPU where the GPU's memory does not suffice."
    )
    max_diarizations: int | None = Field(
        default=None,
        ge=1,
        description="Diarizations at a time. Default: 1 on one machine; in a cluster as many as the scheduler places.",
    )
    max_scratch_bytes: int = Field(
        default=defaults.MAX_SCRATCH_BYTES,
        ge=1,
        description="Scratch space of a worker, bytes. 24 h of float PCM are 5.2 GiB, and twice that at the peak.",
    )

    def with_max_diarizations(self, limit: int) -> Self:
        """Returns these settings with another limit of diarizations at a time."""
        return self.model_copy(update={"max_diarizations": limit})


class LocalSettings(SandboxSettings):
    """Embedded mode: one process on one machine."""

    data_dir: Path = Field(
        default=Path("data"),
        validation_alias=AliasChoices("WHISPERJOB_DATA_DIR", "DATA_DIR"),
        description="Folder for all data.",
    )
    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(
        default=8080,
        ge=0,
        le=65_535,
        validation_alias=AliasChoices("WHISPERJOB_PORT", "PORT"),
        description="Port to listen on; 0: any free one.",
    )
    metrics_port: int | None = Field(
        default=None, ge=0, le=65_535, description="Port of /metrics on 127.0.0.1; 0: any free one; absent: no metrics."
    )
    workers: int | None = Field(default=None, ge=1, description="Jobs at a time. Default: max(1, cores // 2).")
    ffmpeg: str = Field(default="ffmpeg", description="The ffmpeg to run; ffprobe must be in the same folder.")
    diarizer_python: str | None = Field(
        default=None,
        description="The diarizer's Python interpreter, or `off`. Default: the one that `make diarizer` made.",
    )
    shutdown_grace: Duration = Field(
        default=timedelta(seconds=20), description="How long uploads may continue after SIGTERM."
    )
    progress_interval: Duration = Field(
        default=timedelta(seconds=0.5),
        description="At most one write of progress per job in this time; writes are cheap on one machine.",
    )
