"""The worker's end of the worker protocol (whisperjob.model.protocol).

Claims are calls and may raise. Progress is posted by a thread of its own, only the newest, and never delays the work:
lost posts do no harm.
"""

import threading
import time
from collections.abc import Callable

import urllib3
from pydantic import ValidationError
from urllib3.util import Retry, Timeout

from whisperjob.model.errors import AttemptOverError
from whisperjob.model.machine_faults import MachineFault, MachineFaultError
from whisperjob.model.protocol import CLAIM_PATH, PROGRESS_PATH, Claim, ProgressPost

_CLAIM_RETRY = Retry(
    total=8, backoff_factor=0.1, backoff_max=5, status_forcelist=(429, 500, 502, 503, 504), allowed_methods=None
)
"""About half a minute, in which an engine that restarts is back."""

_PROGRESS_RETRY = Retry(total=1, backoff_factor=0.1, allowed_methods=None)
_TIMEOUT = Timeout(connect=5, read=15)
_REFUSED = (401, 410)
_RESPONSE_BYTES = 4 * 1024 * 1024
"""A day in chunks of a minute is 1,440 signed addresses."""

POSTS_PER_SECOND = 4
FLUSH_SECONDS = 3.0
"""How long the last post may take after the work is done."""


class EngineUnavailableError(MachineFaultError):
    """The engine does not answer, or its answer is not that of the protocol."""

    def __init__(self, detail: str) -> None:
        super().__init__(MachineFault.ENGINE_UNAVAILABLE, detail)


class WorkClient:
    """A client of the engine at `server` (http://host:port). Thread-safe."""

    def __init__(self, server: str, token: Callable[[], str]) -> None:
        """`token` is called before every request, because a projected token is replaced from time to time."""
        self._server = server.rstrip("/")
        self._token = token
        self._pool = urllib3.PoolManager(maxsize=2, timeout=_TIMEOUT)

    def claim(self) -> Claim:
        """Requests the work. It may be repeated while the attempt lasts, for fresh grants.

        Raises AttemptOverError if the attempt is over, EngineUnavailableError after some retries.
        """
        response = self._post(CLAIM_PATH, None, _CLAIM_RETRY)
        try:
            return Claim.model_validate_json(response)
        except ValidationError as error:
            raise EngineUnavailableError(f"the claim is not understood: {error.error_count()} errors") from error

    def post(self, post: ProgressPost) -> None:
        """Posts progress. Raises as `claim` does, after fewer retries."""
        self._post(PROGRESS_PATH, post.model_dump_json(by_alias=True, exclude_none=True).encode(), _PROGRESS_RETRY)

    def _post(self, path: str, body: bytes | None, retries: Retry) -> bytes:
        headers = {"Authorization": f"Bearer {self._token()}"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            response = self._pool.request("POST", self._server + path, body=body, headers=headers, retries=retries)
        except urllib3.exceptions.HTTPError as error:
            raise EngineUnavailableError(f"the engine does not answer: {type(error).__name__}") from error
        if response.status in _REFUSED:
            raise AttemptOverError(f"the attempt is over (HTTP {response.status})")
        if response.status >= 300:
            raise EngineUnavailableError(f"the engine answers HTTP {response.status}")
        return response.data[:_RESPONSE_BYTES]


class ProgressReporter:
    """Posts the newest progress to the engine, at most `POSTS_PER_SECOND` times a second. Thread-safe."""

    def __init__(self, client: WorkClient, on_refused: Callable[[AttemptOverError], None]) -> None:
        """`on_refused` is called on the reporter's thread when the engine says that the attempt is over."""
        self._client = client
        self._on_refused = on_refused
        self._changed = threading.Condition()
        self._latest: ProgressPost | None = None
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="progress", daemon=True)
        self._thread.start()

    def report(self, post: ProgressPost) -> None:
        """Takes progress to post. It replaces what was not posted yet."""
        with self._changed:
            self._latest = post
            self._changed.notify()

    def close(self) -> None:
        """Posts the last progress, and stops. It takes FLUSH_SECONDS at most."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(FLUSH_SECONDS)

    def _run(self) -> None:
        next_at = 0.0
        while (post := self._take(next_at)) is not None:
            next_at = time.monotonic() + 1 / POSTS_PER_SECOND
            try:
                self._client.post(post)
            except AttemptOverError as refused:
                self._on_refused(refused)
                return
            except EngineUnavailableError:
                continue

    def _take(self, not_before: float) -> ProgressPost | None:
        """Waits for a post and for the moment when it may be sent; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._latest is not None or self._closing)
            self._changed.wait_for(lambda: self._closing, timeout=max(0.0, not_before - time.monotonic()))
            post, self._latest = self._latest, None
            return post
