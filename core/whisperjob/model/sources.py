"""Which objects a job may name as its source, and which of them it may remove. Pure.

A user who may create a WhisperJob must not be able to read, by way of a worker, what others uploaded, nor to remove it:
the end of a job removes its upload.
"""

from whisperjob.model import names
from whisperjob.model.resource import WhisperJob


def owns_source(job: WhisperJob) -> bool:
    """Whether the source was uploaded for this very job."""
    return names.upload_owner(job.spec.source.key) == (job.metadata.namespace, job.name)


def may_read_source(job: WhisperJob, import_prefix: str) -> bool:
    """Whether the job may read its source.

    Below `import_prefix` lie recordings for jobs that are made by hand; an empty prefix allows none.
    """
    key = job.spec.source.key
    if {".", "..", ""} & set(key.split("/")):  # a store or a proxy might make another key of it
        return False
    return owns_source(job) or (import_prefix != "" and key.startswith(import_prefix))
