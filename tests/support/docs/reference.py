"""Makes the pages of docs/reference that are what the code says: `python -m support.docs.reference`, in tests/.

Tests hold each page to its maker; a change of the code that users can see must be made again and read over.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from support.docs.reference_api import api_reference
from support.docs.reference_commands import command_reference
from support.docs.reference_errors import error_reference
from support.docs.reference_resource import resource_reference
from support.docs.reference_settings import settings_reference
from support.docs.reference_transcript import transcript_reference, transcript_schema

FOLDER = Path(__file__).resolve().parents[3] / "docs" / "reference"

PAGES: Mapping[str, Callable[[], str]] = {
    "api.md": api_reference,
    "cli.md": command_reference,
    "errors.md": error_reference,
    "resource.md": resource_reference,
    "settings.md": settings_reference,
    "transcript.md": transcript_reference,
    "transcript.schema.json": transcript_schema,
}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page())
