"""Which chunks a trim has, and how much of the last one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.builders import a_manifest
from whisperjob_api.trimming import plan_trim

MANIFEST = a_manifest((32_000, 16_000, 48_000))  # 2 s, 1 s, 3 s


@pytest.mark.parametrize(
    ("max_seconds", "expected"),
    [
        (6, None),
        (6.0001, None),
        (10**400, None),
        (1e308, None),
        (5.99999, None),  # rounds to the last sample
        (5.999, [32_000, 16_000, 47_984]),
        (3.5, [32_000, 16_000, 8_000]),
        (3, [32_000, 16_000]),
        (3.0001, [32_000, 16_000, 2]),
        (2, [32_000]),
        (0.5, [8_000]),
        (0.001, [16]),
        (1e-9, [1]),
        (5e-324, [1]),
    ],
)
def test_which_samples_a_trim_has(max_seconds: float, expected: list[int] | None) -> None:
    plan = plan_trim(MANIFEST, max_seconds)
    assert (None if plan is None else [part.samples for part in plan]) == expected


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=8), st.floats(0.001, 700))
def test_only_the_last_file_is_ever_cut(chunks: list[int], max_seconds: float) -> None:
    plan = plan_trim(a_manifest(tuple(chunks)), max_seconds)
    if plan is None:
        assert round(max_seconds * 16_000) >= sum(chunks)
        return
    assert all(part.whole for part in plan[:-1])
    assert 1 <= plan[-1].samples <= plan[-1].chunk.samples
    assert sum(part.samples for part in plan) == round(max_seconds * 16_000)
