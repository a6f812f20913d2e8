"""Cut MP3s, decoded by ffmpeg: exactly the first samples of the whole, to the bit."""

import pytest

from support.api.completed_jobs import decoded, mp3_of
from whisperjob.model.mp3 import crc16, cut, parse_header, parse_info

WHOLE_SAMPLES = 100_003


@pytest.mark.parametrize("samples", [47, 575, 576, 577, 12_345, 50_000, 99_999, 100_002, 100_003])
def test_a_cut_decodes_to_the_beginning_of_the_whole(samples: int) -> None:
    assert decoded(cut(mp3_of(WHOLE_SAMPLES), samples)) == decoded(mp3_of(WHOLE_SAMPLES))[: 2 * samples]


def test_a_cut_of_a_cut_is_a_cut() -> None:
    whole = mp3_of(WHOLE_SAMPLES)
    assert cut(cut(whole, 60_000), 30_000) == cut(whole, 30_000)


def test_our_reading_of_the_tag_is_the_encoders() -> None:
    whole = mp3_of(WHOLE_SAMPLES)
    header, info = parse_header(whole), parse_info(whole)
    assert (header.sample_rate, header.bit_rate, header.channels, header.size_bytes) == (16_000, 64_000, 1, 288)
    assert info.size_bytes == len(whole) == (info.frames + 1) * 288
    assert info.frames * 576 - info.delay - info.padding == WHOLE_SAMPLES
    music_crc = int.from_bytes(whole[13 + 152 : 13 + 154], "big")
    assert crc16(whole[288:]) == music_crc
