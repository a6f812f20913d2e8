"""The page on the HTTP API, out of the OpenAPI document that the service serves at /openapi.json."""

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
from whisperjob_api.app import Api, create_app

Document = Mapping[str, Any]

_HEAD = """# HTTP API

What the service says of itself, as it does at `/openapi.json` and, to try it out, at `/docs`. Every request but the
probes carries `X-API-Key`; every error is one of [these codes](errors.md). Lengths of time are seconds, moments are
ISO 8601 in UTC. A field without a value is left out unless it says otherwise.
"""
_OK = re.compile(r"[23]\d\d")


def api_reference() -> str:
    """The page as it must be."""
    document = asyncio.run(_openapi())
    parts = [_HEAD]
    for path, operations in document["paths"].items():
        parts += [_operation(document, method.upper(), path, found) for method, found in operations.items()]
    return "\n".join(parts)


async def _openapi() -> Document:
    with tempfile.TemporaryDirectory() as folder:
        records = await SqliteRecords.open(Path(folder) / "jobs.sqlite")
        try:
            settings = ApiSettings(api_keys=(SecretStr("key"),))
            parts = Api(records, RecordCache(records), FolderStore(Path(folder) / "objects"), settings, lambda: True)
            return create_app(parts).openapi()
        finally:
            await records.close()


def _operation(document: Document, method: str, path: str, operation: Document) -> str:
    lines = [f"## `{method} {_camel(path)}`", ""]
    lines += [f"{operation['summary'].rstrip('.?')}{'?' if operation['summary'].endswith('?') else '.'}", ""]
    if "description" in operation:
        lines += [operation["description"], ""]
    if not operation.get("security", document.get("security", [True])):
        lines += ["Needs no key.", ""]
    rows = [
        _row(document, found["name"], found["schema"], found.get("required", False), found["in"], found)
        for found in operation.get("parameters", [])
    ]
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        where = "form" if kind == "multipart/form-data" else "body"
        rows += _fields(document, content["schema"], where)
    if rows:
        lines += ["| | in | kind | |", "| --- | --- | --- | --- |", *rows, ""]
    for status, answer in operation["responses"].items():
        if _OK.fullmatch(status):
            lines += _answer(document, status, answer)
    lines += _errors(operation["responses"])
    return "\n".join(lines)


def _answer(document: Document, status: str, answer: Document) -> list[str]:
    said = answer["description"].rstrip(".")
    lines = [f"**{status}**" if said == "Successful Response" else f"**{status}** {said}.", ""]
    content = answer.get("content", {}).get("application/json")
    if content is None:
        return lines
    for kind in _kinds(document, content.get("schema", {})):
        rows = _fields(document, kind, None)
        if rows:
            lines += ["| | kind | |", "| --- | --- | --- |", *rows, ""]
        for example in kind.get("examples", []):
            lines += ["```json", json.dumps(_ordered(document, kind, example), indent=2, ensure_ascii=False), "```", ""]
    return lines


def _errors(responses: Document) -> list[str]:
    listed = [
        f"{status} {answer['description']}" for status, answer in sorted(responses.items()) if not _OK.fullmatch(status)
    ]
    return [f"Errors: {'; '.join(listed)}.", ""] if listed else []


def _ordered(document: Document, schema: Document, example: Any) -> Any:
    """An example with its fields in the order of the table above it; the document sorts them by name."""
    if isinstance(example, list):
        return [_ordered(document, _resolved(document, schema.get("items", {})), entry) for entry in example]
    if not isinstance(example, dict):
        return example
    fields = {name: next(_kinds(document, field), {}) for name, field in schema.get("properties", {}).items()}
    names = [*(name for name in fields if name in example), *(name for name in example if name not in fields)]
    return {name: _ordered(document, fields.get(name, {}), example[name]) for name in names}


def _kinds(document: Document, schema: Document) -> Iterator[Document]:
    """A schema, or each of those it may be; null is none."""
    schema = _resolved(document, schema)
    for kind in schema.get("anyOf", [schema]):
        found = _resolved(document, kind)
        if found.get("type") != "null":
            yield found


def _resolved(document: Document, schema: Document) -> Document:
    reference = schema.get("$ref")
    return document["components"]["schemas"][reference.rpartition("/")[2]] if reference else schema


def _fields(document: Document, schema: Document, where: str | None, prefix: str = "") -> list[str]:
    """A row for each field, and for those of what it holds."""
    schema = _resolved(document, schema)
    rows: list[str] = []
    for name, field in schema.get("properties", {}).items():
        rows.append(_row(document, prefix + name, field, name in schema.get("required", []), where, field))
        for kind in _kinds(document, field):
            inner, mark = (_resolved(document, kind["items"]), "[].") if kind.get("type") == "array" else (kind, ".")
            rows += _fields(document, inner, where, f"{prefix}{name}{mark}")
    return rows


def _row(document: Document, name: str, schema: Document, required: bool, where: str | None, said: Document) -> str:
    kinds = list(dict.fromkeys(_named(document, kind) for kind in _kinds(document, schema)))
    text = [str(said.get("description", ""))]
    if where and not required:
        text.append(f"default `{schema['default']}`" if schema.get("default") is not None else "optional")
    cells = [
        f"`{_camel(name) if where == 'path' else name}`",
        *([where] if where else []),
        " or ".join(kinds),
        "; ".join(filter(None, text)),
    ]
    return f"| {' | '.join(cells)} |"


def _named(document: Document, kind: Document) -> str:
    if set(kind.get("enum", ())) == set(JobCode):
        return "a [job's code](errors.md#of-jobs)"
    if "enum" in kind:
        return ", ".join(f"`{value}`" for value in kind["enum"])
    if "const" in kind:
        return f"`{json.dumps(kind['const'])}`"
    if kind.get("type") == "array":
        return f"list of {_named(document, _resolved(document, kind['items']))}"
    if kind.get("format") == "binary":
        return "file"
    bounds = [f"{sign} {kind[name]:g}" for name, sign in _BOUNDS.items() if name in kind]
    return " ".join([str(kind.get("type", "any")), *([", ".join(bounds)] if bounds else [])])


def _camel(name: str) -> str:
    """FastAPI calls parts of a path as Python does."""
    return re.sub(
        r"\{[^}]*\}|^[^{/]*$", lambda part: re.sub(r"_([a-z])", lambda letter: letter[1].upper(), part[0]), name
    )


_BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
