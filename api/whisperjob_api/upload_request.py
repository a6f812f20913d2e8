"""Reads from a request's head how its upload is sent: as a form, or as a body that is the file itself. Pure.

A form is what the reference client and every web page send. A whole body is all that some tools can send, and what
`curl --data-binary` and `curl -T` send.
"""

import re
from collections.abc import Mapping
from typing import Final

from starlette.datastructures import Headers, QueryParams

from whisperjob_api.errors import HttpCode, RequestError
from whisperjob_api.file_names import decode_encoded_words, decode_name_header, decode_text, parse_disposition
from whisperjob_api.multipart_reader import parse_boundary
from whisperjob_api.upload_form import OPTION_FIELDS, BodyReader, FormReader, UploadReader

FILENAME_OPTION: Final = "filename"
FILENAME_HEADER: Final = "X-Filename"
BODY_TYPES: Final = ("application/octet-stream", "audio/*", "video/*")
"""The types of a body that is the file, as the documentation has them."""

_BODY_TYPE: Final = re.compile(r"(audio|video)/[^/]+|(application|binary)/octet-stream|application/(mp4|mxf|ogg)")


def open_upload(headers: Headers, query: QueryParams, max_file_bytes: int) -> UploadReader:
    """Returns the reader of the body. A field of a form goes before an option of the query.

    Raises RequestError if the body cannot be an upload, or if an option is invalid.
    """
    options = _take_options(query)
    filename = _find_filename(headers, query)
    content_type = headers.get("content-type")
    media_type = (content_type or "").partition(";")[0].strip().lower()
    if _BODY_TYPE.fullmatch(media_type) or (not media_type and _has_body(headers)):
        return BodyReader(filename, content_type, options, max_file_bytes)
    return FormReader(parse_boundary(content_type), max_file_bytes, options, filename)


def _take_options(query: QueryParams) -> dict[str, str]:
    """Returns the options in the query. Raises RequestError if one is there twice, as it is refused in a form."""
    for name in OPTION_FIELDS:
        if len(query.getlist(name)) > 1:
            raise RequestError(HttpCode.INVALID_REQUEST, f"The option `{name}` was sent twice.")
    return {name: query[name] for name in OPTION_FIELDS if name in query}


def _has_body(headers: Headers) -> bool:
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"


def _find_filename(headers: Headers, query: Mapping[str, str]) -> str:
    """Returns the name in the request's head: it decides nothing, but an extension helps ffmpeg."""
    if name := query.get(FILENAME_OPTION):
        return decode_encoded_words(name)
    if name := headers.get(FILENAME_HEADER):
        return decode_name_header(name)
    disposition = decode_text(headers.get("content-disposition", "").encode("latin-1"))
    return parse_disposition(disposition).filename or ""
