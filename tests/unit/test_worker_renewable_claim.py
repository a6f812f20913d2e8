"""When a worker renews its grants: before they expire, whatever its clock says."""

from datetime import timedelta

import pytest

from support.clocks import Clocks
from whisperjob.model.protocol import Claim, FileRead, FileWrite, Input, OptimizeOptions, WorkLimits
from whisperjob.worker.transport.renewable_claim import RenewableClaim

HOUR = timedelta(hours=1)


def a_claim(clocks: Clocks) -> Claim:
    """A claim of which nothing matters but when it expires."""
    source = Input(filename="talk.mp4", read=FileRead(path="/talk.mp4"), size_bytes=1)
    return Claim(
        job_name="talk",
        uid="u",
        attempt=1,
        inputs=(source,),
        results=FileWrite(directory="/", staging="/"),
        options=OptimizeOptions(),
        limits=WorkLimits(),
        expires_at=clocks.wall + HOUR,
    )


@pytest.mark.parametrize("jump", [timedelta(0), timedelta(hours=26), timedelta(days=-8)], ids=str)
def test_grants_are_renewed_shortly_before_they_expire(jump: timedelta) -> None:
    clocks, claims = Clocks(), 0

    def claim_again() -> Claim:
        nonlocal claims
        claims += 1
        return a_claim(clocks)

    claim = RenewableClaim(a_claim(clocks), claim_again, lambda: clocks.wall, lambda: clocks.monotonic)
    clocks.jump(jump)
    claim.renew_before_expiry()
    assert claims == 0
    for renewed in (1, 2):
        clocks.pass_time(timedelta(minutes=59, seconds=45))
        claim.renew_before_expiry()
        claim.renew_before_expiry()
        assert claims == renewed
