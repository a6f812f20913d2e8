"""Numbers that form builders and spreadsheets send as text: "5", " 5 ", "5.0", and "" for none. Pure."""

import re
from typing import Any, Final

_DECIMAL: Final = re.compile(r"[+-]?[0-9]{1,15}(\.[0-9]{1,15})?")


def to_number(value: Any) -> Any:
    """Converts a number as text to the number, and a blank text to None. Returns everything else as it is.

    A whole number becomes an int, however it was written; which numbers are allowed is for the field to say.
    """
    if isinstance(value, str):
        text = value.strip()
        if not text:
            return None
        value = float(text) if _DECIMAL.fullmatch(text) else value
    return int(value) if isinstance(value, float) and value.is_integer() else value
