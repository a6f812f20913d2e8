"""Builds the page on the HTTP API from the OpenAPI document that the service serves at /openapi.json."""

import asyncio
import json
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from whisperjob.model.errors import JobCode
from whisperjob.model.settings import ApiSettings
from whisperjob.records.cache import RecordCache
from whisperjob.records.sqlite import SqliteRecords
from whisperjob.stores.folder import FolderStore
from whisperjob_api.app import ApiDependencies, create_app

Document = Mapping[str, Any]

_HEAD = """# HTTP API

This page shows the service's own description: `/openapi.json` has it too, and at `/docs` you can try it out. Every
request except the probes needs `X-API-Key`; every error has one of [these codes](errors.md). Durations are in seconds,
times are ISO 8601 in UTC. A field without a value is left out unless its description says otherwise.
"""
_SUCCESS = re.compile(r"[23]\d\d")


def api_reference() -> str:
    """Returns the text of the page."""
    document = asyncio.run(describe_api())
    parts = [_HEAD]
    for path, operations in document["paths"].items():
        parts += [
            _format_operation(document, method.upper(), path, operation) for method, operation in operations.items()
        ]
    return "\n".join(parts)


async def describe_api() -> Document:
    """Returns the OpenAPI document."""
    with tempfile.TemporaryDirectory() as folder:
        records = await SqliteRecords.open(Path(folder) / "jobs.sqlite")
        try:
            settings = ApiSettings(api_keys=(SecretStr("a-key-for-the-documentation"),))
            parts = ApiDependencies(
                records, RecordCache(records), FolderStore(Path(folder) / "objects"), settings, lambda: True
            )
            return create_app(parts).openapi()
        finally:
            await records.close()


def _format_operation(document: Document, method: str, path: str, operation: Document) -> str:
    lines = [f"## `{method} {_to_camel(path)}`", ""]
    lines += [f"{operation['summary'].rstrip('.?')}{'?' if operation['summary'].endswith('?') else '.'}", ""]
    if "description" in operation:
        lines += [operation["description"], ""]
    if not operation.get("security", document.get("security", [True])):
        lines += ["Needs no key.", ""]
    rows = [
        _format_row(document, field["name"], field["schema"], field.get("required", False), field["in"], field)
        for field in operation.get("parameters", [])
    ]
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        where = "form" if kind == "multipart/form-data" else "body"
        rows += _list_fields(document, content["schema"], where)
    if rows:
        lines += ["| | in | kind | |", "| --- | --- | --- | --- |", *rows, ""]
    for status, response in operation["responses"].items():
        if _SUCCESS.fullmatch(status):
            lines += _format_response(document, status, response)
    lines += _format_errors(operation["responses"])
    return "\n".join(lines)


def _format_response(document: Document, status: str, response: Document) -> list[str]:
    description = response["description"].rstrip(".")
    lines = [f"**{status}**" if description == "Successful Response" else f"**{status}** {description}.", ""]
    content = response.get("content", {}).get("application/json")
    if content is None:
        return lines
    for kind in _list_types(document, content.get("schema", {})):
        rows = _list_fields(document, kind, None)
        if rows:
            lines += ["| | kind | |", "| --- | --- | --- |", *rows, ""]
        for example in kind.get("examples", []):
            lines += [
                "```json",
                json.dumps(_order_fields(document, kind, example), indent=2, ensure_ascii=False),
                "```",
                "",
            ]
    return lines


def _format_errors(responses: Document) -> list[str]:
    listed = [
        f"{status} {response['description']}"
        for status, response in sorted(responses.items())
        if not _SUCCESS.fullmatch(status)
    ]
    return [f"Errors: {'; '.join(listed)}.", ""] if listed else []


def _order_fields(document: Document, schema: Document, example: Any) -> Any:
    """Returns an example with its fields in the order of the table above it; the document sorts them by name."""
    if isinstance(example, list):
        return [_order_fields(document, _resolve(document, schema.get("items", {})), entry) for entry in example]
    if not isinstance(example, dict):
        return example
    fields = {name: next(_list_types(document, field), {}) for name, field in schema.get("properties", {}).items()}
    names = [*(name for name in fields if name in example), *(name for name in example if name not in fields)]
    return {name: _order_fields(document, fields.get(name, {}), example[name]) for name in names}


def _list_types(document: Document, schema: Document) -> Iterator[Document]:
    """Yields a schema, or each of its alternatives except null."""
    schema = _resolve(document, schema)
    for kind in schema.get("anyOf", [schema]):
        resolved = _resolve(document, kind)
        if resolved.get("type") != "null":
            yield resolved


def _resolve(document: Document, schema: Document) -> Document:
    reference = schema.get("$ref")
    return document["components"]["schemas"][reference.rpartition("/")[2]] if reference else schema


def _list_fields(document: Document, schema: Document, where: str | None, prefix: str = "") -> list[str]:
    """Returns a row for each field, and for the fields of the objects in it."""
    schema = _resolve(document, schema)
    rows: list[str] = []
    for name, field in schema.get("properties", {}).items():
        rows.append(_format_row(document, prefix + name, field, name in schema.get("required", []), where, field))
        for kind in _list_types(document, field):
            inner, mark = (_resolve(document, kind["items"]), "[].") if kind.get("type") == "array" else (kind, ".")
            rows += _list_fields(document, inner, where, f"{prefix}{name}{mark}")
    return rows


def _format_row(
    document: Document, name: str, schema: Document, required: bool, where: str | None, described: Document
) -> str:
    kinds = list(dict.fromkeys(_name_type(document, kind) for kind in _list_types(document, schema)))
    text = [str(described.get("description", ""))]
    if where and not required:
        text.append(f"default `{schema['default']}`" if schema.get("default") is not None else "optional")
    cells = [
        f"`{_to_camel(name) if where == 'path' else name}`",
        *([where] if where else []),
        " or ".join(kinds),
        "; ".join(filter(None, text)),
    ]
    return f"| {' | '.join(cells)} |"


def _name_type(document: Document, kind: Document) -> str:
    if set(kind.get("enum", ())) == set(JobCode):
        return "a [job's code](errors.md#of-jobs)"
    if "enum" in kind:
        return ", ".join(f"`{value}`" for value in kind["enum"])
    if "const" in kind:
        return f"`{json.dumps(kind['const'])}`"
    if kind.get("type") == "array":
        return f"list of {_name_type(document, _resolve(document, kind['items']))}"
    if kind.get("format") == "binary":
        return "file"
    bounds = [f"{sign} {kind[name]:g}" for name, sign in _BOUNDS.items() if name in kind]
    return " ".join([str(kind.get("type", "any")), *([", ".join(bounds)] if bounds else [])])


def _to_camel(name: str) -> str:
    """Converts to camelCase: FastAPI names the parts of a path in snake_case."""
    return re.sub(
        r"\{[^}]*\}|^[^{/]*$", lambda part: re.sub(r"_([a-z])", lambda letter: letter[1].upper(), part[0]), name
    )


_BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
