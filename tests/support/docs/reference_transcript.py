"""The page on the transcript's JSON, and its JSON Schema, out of the models that write and read it."""

import json
from typing import Any, Final

from whisperjob_client.transcript.document import SCHEMA_VERSION, TranscriptDocument

_ADDRESS: Final = "https://json-schema.org/draft/2020-12/schema"

Schema = dict[str, Any]


def transcript_schema() -> str:
    """Returns the JSON Schema."""
    return json.dumps(_schema(), indent=2, ensure_ascii=False) + "\n"


def transcript_reference() -> str:
    """Returns the page as it must be."""
    schema = _schema()
    parts = "\n".join(_part(name, part) for name, part in schema["$defs"].items() if "properties" in part)
    return f"""# The transcript as JSON

`whisperjob transcribe -f json` writes this, and `whisperjob transcript convert` and `rename` read it.
{schema["description"]}
[The JSON Schema](transcript.schema.json) is for programs.

The version is {SCHEMA_VERSION}. It grows if a field changes its meaning or is removed. New fields may come without
that, so programs should ignore fields that they do not know. Version 1 had no `source`, `recogniser`, `sentences` and
`confidence`, and its `language` was a name (`english`). It is still read.

## Transcript

{_table(schema)}
{parts}"""


def _schema() -> Schema:
    return {"$schema": _ADDRESS, **TranscriptDocument.model_json_schema(by_alias=True)}


def _part(name: str, part: Schema) -> str:
    return f"## {name.removeprefix('Document')}\n\n{part['description']}\n\n{_table(part)}"


def _table(part: Schema) -> str:
    rows = [f"| `{name}` | {_type(field)} | {field['description']} |" for name, field in part["properties"].items()]
    return "\n".join(["| field | | |", "| --- | --- | --- |", *rows]) + "\n"


def _type(field: Schema) -> str:
    if "anyOf" in field:
        return " or ".join(_type(choice) for choice in field["anyOf"])
    if "const" in field:
        return f"`{field['const']}`"
    if "$ref" in field:
        name = str(field["$ref"]).rpartition("/")[2]
        choices = _schema()["$defs"][name].get("enum")
        return ", ".join(f"`{choice}`" for choice in choices) if choices else name.removeprefix("Document")
    if field["type"] == "array":
        return f"list of {_type(field['items'])}"
    return {"string": "text", "null": "null"}.get(field["type"], str(field["type"]))
