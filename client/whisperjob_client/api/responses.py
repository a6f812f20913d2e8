"""Judges responses: each is a parsed answer, or the error it stands for. Pure, but for the clock that a date needs."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from whisperjob_client.errors import ApiError, BadAnswerError, UnreachableError, api_error
from whisperjob_client.foreign_json import ForeignJsonError, check_json
from whisperjob_client.models import Answer

T = TypeVar("T", bound=Answer)

MAX_PAGES: Final = 1_000
"""Of 200 jobs. A service that always names another page would never end."""


class _ErrorBody(BaseModel):
    error: str
    code: str = ""


def parse(response: httpx.Response, answer: type[T]) -> T:
    """Returns the answer in a response that has been read. Raises ApiError, BadAnswerError."""
    check(response)
    try:
        check_json(response.content.decode("utf-8", "replace"))
        return answer.model_validate_json(response.content)
    except (ForeignJsonError, ValidationError):
        raise BadAnswerError(
            f"{_address(response)} answered {response.status_code} with something that is no "
            "WhisperJob answer; is this the right address?"
        ) from None


def _address(response: httpx.Response) -> str:
    return str(response.request.url.copy_with(userinfo=b"", query=None))


def check(response: httpx.Response) -> None:
    """Raises ApiError if the service refused. A redirect counts as a refusal: a key must not follow it."""
    if not response.is_success:
        raise _refusal(response)


def _refusal(response: httpx.Response) -> ApiError:
    wait = retry_after(response.headers, datetime.now(UTC))
    try:
        check_json(response.content.decode("utf-8", "replace"))
        body = _ErrorBody.model_validate_json(response.content)
    except (ForeignJsonError, ValidationError):
        phrase = f"The server answered {response.status_code} {response.reason_phrase}".rstrip() + "."
        return api_error(response.status_code, f"http_{response.status_code}", phrase, wait)
    return api_error(response.status_code, body.code or f"http_{response.status_code}", body.error, wait)


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Returns the seconds of either form of Retry-After; None where there is none, or none that can be read."""
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        pass
    else:
        return max(seconds, 0.0) if math.isfinite(seconds) else None
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max((moment - now).total_seconds(), 0.0)


def may_have_arrived(error: httpx.RequestError) -> bool:
    """Returns whether the request may have reached the server before its connection failed."""
    return not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)


def unusable_address(error: httpx.InvalidURL) -> BadAnswerError:
    return BadAnswerError(f"The service names an address that is none ({error}).")


def endless_list() -> BadAnswerError:
    return BadAnswerError("The service's list of jobs does not end.")


def unreachable(error: httpx.RequestError, base_url: httpx.URL) -> UnreachableError:
    address = f"{base_url.scheme}://{base_url.netloc.decode()}"
    reason = str(error) or type(error).__name__
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return UnreachableError(f"No WhisperJob service answers at {address} ({reason}).")
    return UnreachableError(f"The connection to {address} broke ({reason}).")
