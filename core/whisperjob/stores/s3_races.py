"""Retries requests that a MinIO server refuses for a moment.

A MinIO server on a file system may answer AccessDenied to a write or a deletion while another request is removing the
emptied folders around it (seen when one prefix is written to and deleted at the same time). The same request works a
moment later; a refusal that is meant stays one.
"""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Final, TypeVar

from minio.error import S3Error

from whisperjob.model.backoff import Backoff

T = TypeVar("T")

RACE_CODE: Final = "AccessDenied"
_MAX_RETRIES: Final = 5
_BACKOFF: Final = Backoff(timedelta(milliseconds=10), timedelta(milliseconds=160))
"""All waits together are a third of a second."""


def retry_removal_races(request: Callable[[], T]) -> T:
    """Returns what `request` returns, and repeats it for a third of a second while it is refused."""
    for failures in range(1, _MAX_RETRIES + 1):
        try:
            return request()
        except S3Error as error:
            if error.code != RACE_CODE:
                raise
        time.sleep(_BACKOFF.wait(failures).total_seconds())
    return request()
