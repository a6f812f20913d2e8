"""Warns of names in a request that the service does not know, such as a typo in an option.

They are no errors, so that newer clients can speak to older services. But the sender should learn that the name had no
effect. The warnings are in the header `Warning` of every answer, as the Kubernetes API server does it, and in the JSON
of those that have the field `warnings` for them.
"""

import json
from collections.abc import Callable, Collection, Coroutine, Iterable
from difflib import get_close_matches
from typing import Any, Final

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from whisperjob.model.names import to_printable
from whisperjob_api.schemas import RequestWarning, RequestWarningCode

MAX_WARNINGS: Final = 20
"""A form cannot have more parts than this; a query could."""
MAX_HEADER_BYTES: Final = 2048
"""Proxies reserve 4 KiB for the whole head of an answer; warnings that do not fit are in the JSON alone."""
_SHOWN_CHARACTERS: Final = 60
_SIMILARITY: Final = 0.6
"""difflib's own: it finds one wrong or missing letter in four, and nothing in words that have little in common."""
_NOTED: Final = "unknown_fields"


class WarningRoute(APIRoute):
    """A route whose answers warn of unknown options of the query, and of unknown fields of a JSON body."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        options = self._list_options()
        fields = self._list_fields()

        async def handle_and_warn(request: Request) -> Response:
            response = await handle(request)
            noted = request.scope["state"].get(_NOTED, ())
            if not (fields or noted or request.scope["query_string"]):
                return response
            sent_fields = [fields.get(name, name) for name in await request.json()] if fields else ()
            warnings = [
                *warn_of_unknown(RequestWarningCode.UNKNOWN_OPTION, request.query_params, options),
                *warn_of_unknown(RequestWarningCode.UNKNOWN_FIELD, sent_fields, fields.values()),
                *noted,
            ]
            return _add_warnings(response, warnings[:MAX_WARNINGS]) if warnings else response

        return handle_and_warn

    def _list_options(self) -> frozenset[str]:
        described = (self.openapi_extra or {}).get("parameters", ())
        return frozenset(field.alias for field in self.dependant.query_params) | {
            parameter["name"] for parameter in described if parameter["in"] == "query"
        }

    def _list_fields(self) -> dict[str, str]:
        """Returns the names in a JSON body by their names in Python, which the models accept too."""
        models = [field.field_info.annotation for field in self.dependant.body_params]
        return {
            field: info.alias or field
            for model in models
            if model is not None
            for field, info in model.model_fields.items()
        }


def note_unknown_fields(request: Request, unknown: Iterable[str], known: Collection[str]) -> None:
    """Makes the answer warn of these fields of a form. The route that parsed the form calls it."""
    request.scope["state"][_NOTED] = warn_of_unknown(RequestWarningCode.UNKNOWN_FIELD, unknown, known)


def warn_of_unknown(
    code: RequestWarningCode, sent: Iterable[str], known: Collection[str]
) -> tuple[RequestWarning, ...]:
    """Returns a warning for each name that was sent and is not known, with the known name that it may stand for."""
    unknown = [name for name in dict.fromkeys(sent) if name not in known][:MAX_WARNINGS]
    return tuple(RequestWarning(code=code, message=_describe(code, name, known)) for name in unknown)


def _describe(code: RequestWarningCode, name: str, known: Collection[str]) -> str:
    kind = "option" if code is RequestWarningCode.UNKNOWN_OPTION else "field"
    shown = to_printable(name)[:_SHOWN_CHARACTERS]
    meant = find_similar(name, known)
    hint = f"; did you mean `{meant}`?" if meant else "."
    return f"The {kind} `{shown}` is unknown and was ignored{hint}"


def find_similar(name: str, known: Collection[str]) -> str | None:
    """Returns the known name that this one is most like; capitals, dashes and underscores make no difference."""
    spellings = {_simplify(candidate): candidate for candidate in sorted(known)}
    matches = get_close_matches(_simplify(name[:_SHOWN_CHARACTERS]), spellings, 1, _SIMILARITY)
    return spellings[matches[0]] if matches else None


def _simplify(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def _add_warnings(response: Response, warnings: list[RequestWarning]) -> Response:
    if response.headers.get("content-type", "").startswith("application/json") and response.body:  # a 204 has none
        answer = json.loads(bytes(response.body))
        if "warnings" not in answer:  # a job's own warnings are about its recording
            answer["warnings"] = [warning.model_dump(by_alias=True) for warning in warnings]
            response.body = json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode()
            response.headers["content-length"] = str(len(response.body))
    response.headers["Warning"] = _format_header(warnings)
    return response


def _format_header(warnings: list[RequestWarning]) -> str:
    header = ""
    for warning in warnings:
        longer = ", ".join(filter(None, (header, f"299 - {_quote(warning.message)}")))
        if header and len(longer) > MAX_HEADER_BYTES:
            break
        header = longer
    return header


def _quote(sentence: str) -> str:
    ascii_only = sentence.encode("ascii", "backslashreplace").decode()
    return '"' + ascii_only.replace("\\", "\\\\").replace('"', '\\"') + '"'
