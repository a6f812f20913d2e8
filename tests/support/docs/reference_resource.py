"""The page on the WhisperJob resource, out of the chart's definition of it."""

import re
from typing import Any, Final

import yaml

from support.kubernetes.paths import CHART

_CRD: Final = CHART / "templates" / "crd.yaml"
_TEMPLATE: Final = re.compile(r"^\s*\{\{.*\}\}.*\n|\{\{.*?\}\}", re.MULTILINE)
_TYPES: Final = {"date-time": "time", "integer": "whole number", "boolean": "true or false", "string": "text"}

Schema = dict[str, Any]


def resource_reference() -> str:
    """The page as it must be."""
    crd = yaml.safe_load(_TEMPLATE.sub("", _CRD.read_text()))["spec"]
    (version,) = crd["versions"]
    names, schema = crd["names"], version["schema"]["openAPIV3Schema"]
    spec, status = schema["properties"]["spec"], schema["properties"]["status"]
    return f"""# The WhisperJob resource

`apiVersion: {crd["group"]}/{version["name"]}`, `kind: {names["kind"]}`, \
`kubectl get {", ".join([names["plural"], *names["shortNames"]])}` (and in `kubectl get {names["categories"][0]}`).
{schema["description"]}
One made with kubectl needs no API: its recording lies in the bucket, below the import prefix
(`store.importPrefix`, by default `imports/`). `kubectl explain wj.spec` says what this page says.

```yaml
{_sample()}```

`kubectl get` shows {_columns(version, 0)};
`-o wide` shows {_columns(version, 1)}, too.
`--field-selector` takes {", ".join(f"`{f['jsonPath'][1:]}`" for f in version["selectableFields"])}.

## spec

{spec["description"]}

{_table(spec)}
Refused, with these messages:

{_rules(spec)}
## status

{status["description"]}

{_table(status)}
Enforced by the API server itself, for every writer:

{_rules(status)}"""


def _sample() -> str:
    text = (CHART.parents[1] / "deploy" / "samples" / "whisperjob.yaml").read_text()
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#"))


def _columns(version: Schema, priority: int) -> str:
    shown = [c["name"].upper() for c in version["additionalPrinterColumns"] if c.get("priority", 0) == priority]
    return ", ".join(f"`{name}`" for name in shown)


def _table(schema: Schema) -> str:
    rows = "\n".join(_rows(schema, ""))
    return f"| field | kind | default | |\n| --- | --- | --- | --- |\n{rows}\n"


def _rows(schema: Schema, prefix: str) -> list[str]:
    required = schema.get("required", [])
    found = []
    for name, field in schema["properties"].items():
        path = f"{prefix}{name}"
        default = "required" if name in required else _shown(field.get("default"))
        found.append(f"| `{path}` | {_kind(field)} | {default} | {field['description']} |")
        if "properties" in field:
            found += _rows(field, f"{path}.")
        elif "properties" in field.get("items", {}):
            found += _rows(field["items"], f"{path}[].")
    return found


def _kind(field: Schema) -> str:
    if choices := field.get("enum"):
        return ", ".join(f"`{choice}`" for choice in choices)
    if field["type"] == "object":
        return "object"
    if field["type"] == "array":
        return f"list of {_kind(field['items'])}s" if "properties" not in field["items"] else "list"
    kind = str(_TYPES.get(field.get("format", "")) or _TYPES.get(field["type"], field["type"]))
    least, most = field.get("minimum"), field.get("maximum")
    if least is not None and most is not None:
        return f"{kind}, {least} to {most}"
    if least is not None:
        return f"{kind}, {least} or more"
    if longest := field.get("maxLength"):
        return f"{kind}, at most {longest} characters"
    return kind


def _shown(default: object) -> str:
    if default is None or default in ("", [], {}):
        return "–"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _rules(schema: Schema) -> str:
    """The sentences of a schema's rules and of those below it."""
    found = [rule["message"] for rule in schema.get("x-kubernetes-validations", [])]
    nested = [field for field in schema["properties"].values() if "properties" in field]
    found += [rule["message"] for field in nested for rule in field.get("x-kubernetes-validations", [])]
    return "".join(f"- {sentence}\n" for sentence in found)
