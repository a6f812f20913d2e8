"""Converts the JSON schema of a pydantic model into that of a CRD.

A structural schema knows no references, no null and no unions: an optional field is one that is not required.
"""

from typing import Any

from whisperjob.model.base import Model

Schema = dict[str, Any]

_KEPT = ("type", "enum", "pattern", "format", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems")


def crd_schema(model: type[Model]) -> Schema:
    """Returns the schema that the CRD must have for a model, without what only a CRD can have (x-kubernetes-*).

    Descriptions are those of fields; a class's docstring speaks to programmers.
    """
    schema = model.model_json_schema(by_alias=True)
    schema.pop("description", None)
    return _structural(schema, schema.get("$defs", {}))


def _structural(schema: Schema, definitions: dict[str, Schema]) -> Schema:
    if "$ref" in schema:
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        named = definitions[schema["$ref"].rpartition("/")[2]]
        schema = {**{key: value for key, value in named.items() if key != "description"}, **beside}
    if "anyOf" in schema:
        (only,) = [option for option in schema["anyOf"] if option.get("type") != "null"]
        beside = {key: value for key, value in schema.items() if key != "anyOf"}
        return _structural({**only, **beside}, definitions)
    out: Schema = {key: schema[key] for key in _KEPT if key in schema}
    if description := schema.get("description"):
        out["description"] = description
    if (default := schema.get("default")) is not None:
        out["default"] = {k: v for k, v in default.items() if v is not None} if isinstance(default, dict) else default
    if "properties" in schema:
        out["properties"] = {name: _structural(field, definitions) for name, field in schema["properties"].items()}
        if required := schema.get("required"):
            out["required"] = sorted(required)
    if "items" in schema:
        out["items"] = _structural(schema["items"], definitions)
    return out


def without_extensions(schema: Schema) -> Schema:
    """Returns a CRD's schema without what is not JSON schema."""
    out = {key: value for key, value in schema.items() if not key.startswith("x-kubernetes-")}
    if "properties" in out:
        out["properties"] = {name: without_extensions(field) for name, field in out["properties"].items()}
    if "items" in out:
        out["items"] = without_extensions(out["items"])
    if "required" in out:
        out["required"] = sorted(out["required"])
    return out
