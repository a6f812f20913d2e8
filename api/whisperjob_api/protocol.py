"""uvicorn's HTTP protocol, with its one own error in our shape: a request that is no HTTP never reaches the app.

For whoever serves the app: `uvicorn.Config(app, http=ApiProtocol)`.
"""

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from whisperjob.model.errors import HttpCode
from whisperjob_api.schemas import ErrorBody


class ApiProtocol(HttpToolsProtocol):
    def send_400_response(self, msg: str) -> None:
        """Called for what httptools cannot parse; an answer that has begun is cut off, not continued."""
        cycle: RequestResponseCycle | None = self.cycle  # None before the first request, whatever its annotation says
        if cycle is None or cycle.response_complete or not cycle.response_started:
            body = ErrorBody(error=msg, code=HttpCode.INVALID_REQUEST).model_dump_json().encode()
            head = (
                b"content-type: application/json\r\n"
                b"x-content-type-options: nosniff\r\n"
                b"connection: close\r\n"
                b"content-length: %d\r\n\r\n" % len(body)
            )
            self.transport.write(STATUS_LINE[400] + head + body)
        self.transport.close()
