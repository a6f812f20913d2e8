"""A MinIO server on a file system may answer AccessDenied to a write, or to a deletion, that meets another request
just removing the emptied folders around it (seen when one prefix is written to and deleted at once). The same
request works a moment later; a refusal that is meant stays one.
"""

import time
from collections.abc import Callable
from typing import Final, TypeVar

from minio.error import S3Error

T = TypeVar("T")

RACE_CODE: Final = "AccessDenied"
_PAUSES_SECONDS: Final = (0.01, 0.05, 0.25)


def through_removals(request: Callable[[], T]) -> T:
    """What `request` returns, tried again over a third of a second while it is refused."""
    for pause in _PAUSES_SECONDS:
        try:
            return request()
        except S3Error as error:
            if error.code != RACE_CODE:
                raise
        time.sleep(pause)
    return request()
