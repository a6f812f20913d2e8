"""The mix to one channel, and when it is replaced."""

import math

import pytest

from whisperjob_optimizer.downmix import Mix, check_mix, default_mix

SILENT = -math.inf


@pytest.mark.parametrize(
    ("channels", "layout", "expression"),
    [
        (1, "mono", "1*c0"),
        (2, "stereo", "0.5*c0+0.5*c1"),
        (2, "", "0.5*c0+0.5*c1"),
        (3, "", "0.333333*c0+0.333333*c1+0.333333*c2"),
        (6, "5.1(side)", "0.225806*c0+0.225806*c1+0.322581*c2+0.112903*c4+0.112903*c5"),
        (6, "stereo", "+".join(f"0.166667*c{i}" for i in range(6))),
    ],
)
def test_weights(channels: int, layout: str, expression: str) -> None:
    mix = default_mix(channels, layout)
    assert mix.expression() == expression
    assert sum(mix.weights) == pytest.approx(1)


def test_a_difference_reads_as_one() -> None:
    assert Mix((0.5, -0.5)).expression() == "0.5*c0-0.5*c1"


STEREO = default_mix(2, "stereo")
SURROUND = default_mix(6, "5.1")
QUIET = [(-80.0, -80.0, -110.0)] * 50

CASES = [
    pytest.param(STEREO, [(-20, -20, -20)] * 9, None, 0.0, id="the same on both"),
    pytest.param(STEREO, [(-20, -20, -23)] * 9, None, 0.0, id="unrelated"),
    pytest.param(STEREO, [(-20, SILENT, -26)] * 9, None, 6.02, id="only left"),
    pytest.param(STEREO, [(SILENT, -20, -26)] * 9, None, 6.02, id="only right"),
    pytest.param(STEREO, [(-20, -20, -70)] * 9, Mix((0.5, -0.5)), 0.0, id="opposite"),
    pytest.param(STEREO, [(-20, -20, -70)] * 3 + [(-20, -19, -20)] * 9, Mix((0.0, 1.0)), 0.0, id="opposite in part"),
    pytest.param(STEREO, [(-20, -20, -20)] * 99 + [(-20, -20, -70)], None, 0.0, id="a rare moment"),
    pytest.param(STEREO, [(-20, -20, -20)] * 9 + QUIET, None, 0.0, id="noise in pauses may cancel"),
    pytest.param(STEREO, [(SILENT, SILENT, SILENT)] * 9, None, 0.0, id="silence"),
    pytest.param(STEREO, [], None, 0.0, id="nothing"),
    pytest.param(STEREO, [(-20,)], None, 0.0, id="a torn row"),
    pytest.param(SURROUND, [(SILENT, SILENT, -20, SILENT, SILENT, SILENT, -29.8)] * 9, None, 9.83, id="centre of six"),
    pytest.param(
        SURROUND,
        [(-20, -20, SILENT, SILENT, SILENT, SILENT, -90)] * 9,
        Mix((1.0, 0.0, 0.0, 0.0, 0.0, 0.0)),
        0.0,
        id="opposite fronts of six",
    ),
]


@pytest.mark.parametrize(("mix", "rows", "instead", "gain"), CASES)
def test_the_mix_is_corrected(mix: Mix, rows: list[tuple[float, ...]], instead: Mix | None, gain: float) -> None:
    correction = check_mix(mix, rows)
    assert correction.mix == instead
    assert correction.gain_db == pytest.approx(gain, abs=0.01)
