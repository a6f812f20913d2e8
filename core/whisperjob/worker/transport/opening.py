"""Chooses the transport by what a claim grants."""

from collections.abc import Callable
from pathlib import Path

from whisperjob.model.protocol import Claim, FileWrite
from whisperjob.worker.transport.file_transport import FileTransport
from whisperjob.worker.transport.http_transport import HttpTransport
from whisperjob.worker.transport.port import Transport
from whisperjob.worker.transport.renewable_claim import RenewableClaim


def open_transport(claim: Claim, claim_again: Callable[[], Claim], scratch: Path) -> Transport:
    """Builds one attempt's transport. `claim_again` renews the grants; copies of inputs are put into `scratch`."""
    renewable = RenewableClaim(claim, claim_again)
    if isinstance(claim.results, FileWrite):
        return FileTransport(renewable, scratch)
    return HttpTransport(renewable, scratch)
