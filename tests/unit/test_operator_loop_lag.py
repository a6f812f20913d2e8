"""A loop that hangs is seen, whether it still hangs or did until now."""

import asyncio

import pytest

from whisperjob_operator.loop_lag import LoopLag


async def test_a_loop_that_hangs_is_late() -> None:
    now = 100.0
    lag = LoopLag(lambda: now)
    assert lag.seconds == 0
    watching = asyncio.create_task(lag.watch())
    await asyncio.sleep(0)
    assert lag.seconds == 0
    now += 7.5
    assert lag.seconds == pytest.approx(7.0)
    watching.cancel()
