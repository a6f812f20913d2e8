"""A transcript as a document of word processors (docx). Only this module imports python-docx, when it writes."""

import io
from typing import Final

from whisperjob_client.durations import clock
from whisperjob_client.plain_text import one_line
from whisperjob_client.transcript.formats import Format, check_formats
from whisperjob_client.transcript.paragraphs import paragraphs
from whisperjob_client.transcript.transcript_model import Transcript

_LONGEST_PROPERTY: Final = 255
"""In characters: python-docx raises an error for more."""


def write_docx(transcript: Transcript, title: str) -> bytes:
    """Returns the file: a heading, and for each paragraph the speaker in bold, the time and the text.

    Raises UsageError if the package is missing.
    """
    check_formats([Format.DOCX])
    from docx import Document

    document = Document()
    document.core_properties.title = title[:_LONGEST_PROPERTY]
    document.core_properties.author = ""
    document.core_properties.comments = ""
    document.core_properties.language = one_line(transcript.language or "")[:_LONGEST_PROPERTY]
    document.add_heading(title, level=1)
    for paragraph in paragraphs(transcript):
        added = document.add_paragraph()
        label = transcript.label(paragraph.speaker)
        if label:
            added.add_run(f"{one_line(label)} ").bold = True
        added.add_run(f"({clock(int(paragraph.start))}) ").italic = True
        added.add_run(paragraph.text)
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()
