"""A transcript as a document of word processors (docx). Only this module imports python-docx, when it writes."""

import io

from whisperjob_client.durations import clock
from whisperjob_client.transcript.formats import Format, check_formats
from whisperjob_client.transcript.paragraphs import paragraphs
from whisperjob_client.transcript.plain_text import one_line
from whisperjob_client.transcript.transcript_model import Transcript


def write_docx(transcript: Transcript, title: str) -> bytes:
    """Returns the file: a heading, and for each paragraph the speaker in bold, the time and the text.

    Raises UsageError if the package is missing.
    """
    check_formats([Format.DOCX])
    from docx import Document

    document = Document()
    document.core_properties.title = title[:255]
    document.core_properties.author = ""
    document.core_properties.comments = ""
    document.core_properties.language = transcript.language or ""
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
