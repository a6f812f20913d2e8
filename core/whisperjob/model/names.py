"""Formats every name that two parts must agree on, once.

Keys of the object store (written by the API and by workers, read by the engine and the API):

    uploads/<namespace>/<name>/<random>                     the source of a job
    jobs/<namespace>/<uid>/<stage>/<attempt>/manifest.json  a stage's result, written last
    jobs/<namespace>/<uid>/<stage>/<attempt>/failure.json   instead of it: the worker's verdict on its input
    jobs/<namespace>/<uid>/<stage>/<attempt>/<file>         what the manifest lists
    jobs/<namespace>/<uid>/trim/<random>/<file>             a cut file of a trim, written by the API
    jobs/<namespace>/<uid>/trim.json                        the latest trim, written last by the API
    usage/<namespace>/<tenant>/<use>                        what a deleted job used, for a day; the name says it all
    installations/<namespace>/<id>.json                     the marker of an installation, written by the engine

Every key contains the namespace: installations in several namespaces may share a bucket, and none lists another's
objects.
"""

import hashlib
import re
import secrets
import unicodedata
from datetime import UTC, datetime
from uuid import UUID, uuid4, uuid5

from whisperjob.model.base import DNS_LABEL
from whisperjob.model.phase import Stage
from whisperjob.model.resource import MAX_FILENAME_LENGTH
from whisperjob.model.usage import Use

UPLOADS_PREFIX = "uploads/"
JOBS_PREFIX = "jobs/"
USAGE_PREFIX = "usage/"
INSTALLATIONS_PREFIX = "installations/"
MANIFEST_NAME = "manifest.json"
FAILURE_NAME = "failure.json"
SINGLE_OUTPUT_NAME = "output.mp3"
SINGLE_TRIM_NAME = "trimmed.mp3"

_IDEMPOTENCY_NAMESPACE = UUID("0b9f3c1e-7a54-4d0b-9a3e-5b1f6f2c8d11")
_DNS_LABEL = re.compile(DNS_LABEL)
_USE = re.compile(r"([A-Za-z0-9-]{1,63})_(\d{1,11})_(\d{1,11}|-)_(\d{1,19})_(\d{1,9}|-)")
_EXTENSION = re.compile(r"[a-z0-9]{1,8}")
_LONGEST_KEPT_EXTENSION = 16
"""Bytes: whatever stands behind the last dot of a longer name is part of a sentence."""
_JOINERS = "\u200c\u200d"
"""Format characters that belong to names: Persian is spelled with the first, many emoji are made with the second."""


def new_job_name() -> str:
    """Makes a random name."""
    return str(uuid4())


def idempotent_job_name(tenant: str, key: str) -> str:
    """Derives the name that every request with this key gets, so that creating the record is the lock."""
    return str(uuid5(_IDEMPOTENCY_NAMESPACE, f"{tenant}\0{key}"))


def is_job_name(name: str) -> bool:
    """Whether a job can have this name: it must be a DNS label."""
    return _DNS_LABEL.fullmatch(name) is not None


def uploads_prefix(namespace: str) -> str:
    return f"{UPLOADS_PREFIX}{namespace}/"


def jobs_prefix(namespace: str) -> str:
    return f"{JOBS_PREFIX}{namespace}/"


def installations_prefix(namespace: str) -> str:
    return f"{INSTALLATIONS_PREFIX}{namespace}/"


def installation_key(namespace: str, installation: str) -> str:
    return f"{installations_prefix(namespace)}{installation}.json"


def new_upload_key(namespace: str, name: str) -> str:
    return f"{upload_prefix(namespace, name)}{secrets.token_hex(8)}"


def upload_prefix(namespace: str, name: str) -> str:
    return f"{uploads_prefix(namespace)}{name}/"


def upload_owner(key: str) -> tuple[str, str] | None:
    """Returns (namespace, name) of the job that an upload key was made for, None if it is no upload key."""
    parts = key.split("/")
    return (parts[1], parts[2]) if len(parts) == 4 and f"{parts[0]}/" == UPLOADS_PREFIX else None


def job_prefix(namespace: str, uid: str) -> str:
    return f"{jobs_prefix(namespace)}{uid}/"


def job_owner(key: str) -> tuple[str, str] | None:
    """Returns (namespace, uid) of the job that a result key belongs to, None if it is no result key."""
    parts = key.split("/")
    return (parts[1], parts[2]) if len(parts) >= 4 and f"{parts[0]}/" == JOBS_PREFIX else None


def stage_prefix(namespace: str, uid: str, stage: Stage) -> str:
    return f"{job_prefix(namespace, uid)}{stage}/"


def attempt_prefix(namespace: str, uid: str, stage: Stage, attempt: int) -> str:
    return f"{stage_prefix(namespace, uid, stage)}{attempt}/"


def trim_key(namespace: str, uid: str) -> str:
    return f"{job_prefix(namespace, uid)}trim.json"


def usage_prefix(namespace: str, tenant: str) -> str:
    return f"{USAGE_PREFIX}{namespace}/{tenant}/"


def usage_key(namespace: str, tenant: str, use: Use) -> str:
    """Formats what a deleted job used. Times are whole seconds since the epoch; `-` stands for what is not known."""
    started = "-" if use.started_at is None else f"{use.started_at.timestamp():.0f}"
    seconds = "-" if use.audio_seconds is None else f"{use.audio_seconds:.0f}"
    parts = (use.uid, f"{use.created_at.timestamp():.0f}", started, str(use.size_bytes), seconds)
    return usage_prefix(namespace, tenant) + "_".join(parts)


def parse_usage_key(key: str) -> Use | None:
    """Returns what the name of such an object says, None if it is of another kind."""
    match = _USE.fullmatch(key.rpartition("/")[2])
    if match is None:
        return None
    uid, created, started, size_bytes, seconds = match.groups()
    return Use(
        uid=uid,
        created_at=datetime.fromtimestamp(int(created), UTC),
        size_bytes=int(size_bytes),
        started_at=None if started == "-" else datetime.fromtimestamp(int(started), UTC),
        audio_seconds=None if seconds == "-" else float(seconds),
    )


def trim_prefix(namespace: str, uid: str) -> str:
    return f"{job_prefix(namespace, uid)}trim/"


def new_trim_prefix(namespace: str, uid: str) -> str:
    return f"{trim_prefix(namespace, uid)}{secrets.token_hex(8)}/"


def worker_name(uid: str, stage: Stage, attempt: int) -> str:
    """Names the Job or process of an attempt: at most 63 characters, and no two attempts have the same name."""
    digest = hashlib.sha256(uid.encode()).hexdigest()[:16]
    return f"wj-{digest}-{stage}-{attempt}"


def chunk_name(index: int, total: int) -> str:
    return SINGLE_OUTPUT_NAME if total == 1 else f"chunk_{index:03d}.mp3"


def trimmed_name(index: int, total: int) -> str:
    return SINGLE_TRIM_NAME if total == 1 else f"trimmed_{index:03d}.mp3"


def display_filename(path: str) -> str:
    """Makes a client's filename fit to be shown and to be a file's name: the last part of a path of any system, without
    control characters and surrogates, and as long as file systems allow (255 bytes of UTF-8).

    A name that is too long loses the end of its stem; its extension stays.
    """
    name = re.split(r"[/\\]", path.rstrip("/\\"))[-1]
    shown = to_printable(name).strip()
    if len(shown.encode()) <= MAX_FILENAME_LENGTH:
        return shown
    stem, dot, extension = shown.rpartition(".")
    if not dot or len(extension.encode()) > _LONGEST_KEPT_EXTENSION:
        return _truncate(shown, MAX_FILENAME_LENGTH)
    return _truncate(stem, MAX_FILENAME_LENGTH - len(extension.encode()) - 1) + dot + extension


def to_printable(text: str) -> str:
    """Replaces control and format characters, lone surrogates and line breaks: the text stays one harmless line."""
    return "".join(map(_to_printable_character, text))


def _to_printable_character(character: str) -> str:
    if character.isspace():
        return " "
    if unicodedata.category(character)[0] == "C" and character not in _JOINERS:
        return "\N{REPLACEMENT CHARACTER}"
    return character


def _truncate(text: str, max_bytes: int) -> str:
    return text.encode()[:max_bytes].decode(errors="ignore")


def safe_extension(filename: str) -> str:
    """Returns the extension in lower case, harmless, without its dot; empty if there is none that is of use.

    ffmpeg recognises headerless formats (g722, gsm, sln, …) by nothing else.
    """
    _, dot, extension = filename.rpartition(".")
    lowered = extension.lower()
    return lowered if dot and _EXTENSION.fullmatch(lowered) else ""
