"""Names that a file system accepts: a long one is shortened, and its ending stays. Pure, but for the system's limit."""

import hashlib
import os
from pathlib import Path

_USUAL_LIMIT_BYTES = 255
_DIGEST_DIGITS = 8


def fit_name(stem: str, ending: str, limit_bytes: int = _USUAL_LIMIT_BYTES) -> str:
    """Returns `stem` and `ending` as one name of at most `limit_bytes`.

    A stem that is too long is cut at a character. A hash of the whole stem follows it, so that two long stems that
    differ only at their ends stay two names. `ending` begins with its dot, and is never shortened.
    """
    whole = stem + ending
    if len(os.fsencode(whole)) <= limit_bytes:
        return whole
    digest = hashlib.sha256(os.fsencode(stem)).hexdigest()[:_DIGEST_DIGITS]
    available = limit_bytes - len(os.fsencode(f"-{digest}{ending}"))
    kept = os.fsencode(stem)[: max(available, 0)].decode("utf-8", "ignore").rstrip()
    return f"{kept}-{digest}{ending}"


def name_limit(folder: Path) -> int:
    """Returns how many bytes a name may have in a folder, which need not exist yet."""
    for existing in (folder, *folder.absolute().parents):
        try:
            return os.pathconf(existing, "PC_NAME_MAX")
        except (OSError, ValueError, AttributeError):
            continue
    return _USUAL_LIMIT_BYTES
