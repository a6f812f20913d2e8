"""Files on their way to the service and back."""

from typing import Final

BLOCK_BYTES: Final = 256 * 1024
"""How much of a file is read or hashed at a time."""
