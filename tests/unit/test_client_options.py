"""What the commands offer is what the service accepts, though the client does not import the service."""

from dataclasses import asdict
from typing import get_args

import pytest

from whisperjob.model import options as service
from whisperjob.model.errors import WarningCode
from whisperjob.model.phase import Profile, RawFormat
from whisperjob_cli import options as commands
from whisperjob_client import SpeakerCount, UploadOptions
from whisperjob_client.job_warnings import WARNING_SENTENCES, describe_warning
from whisperjob_client.models import Track
from whisperjob_client.options import Profile as ProfileName


def test_limits_are_those_of_the_service() -> None:
    names = [name for name in vars(commands) if name.startswith(("MIN_", "MAX_"))]
    assert len(names) == 7
    assert {name: getattr(commands, name) for name in names} == {name: getattr(service, name) for name in names}


def test_choices_are_those_of_the_service() -> None:
    assert get_args(ProfileName) == tuple(Profile)
    assert get_args(commands.RawFormat) == tuple(RawFormat)


def test_options_have_the_names_of_the_service() -> None:
    assert set(asdict(UploadOptions())) == set(service.AudioOptions.model_fields)
    assert set(asdict(SpeakerCount())) == set(service.SpeakerCount.model_fields)
    assert SpeakerCount(2, max_speakers=3).to_json() == {"numSpeakers": 2, "maxSpeakers": 3}


def test_every_warning_has_a_sentence() -> None:
    assert set(WARNING_SENTENCES) == set(WarningCode)
    assert describe_warning("silent") == "The recording is silent. (silent)"
    unknown = "The service warns of something that this version does not know. (of_a_newer_service)"
    assert describe_warning("of_a_newer_service") == unknown


USED = Track(index=1, codec="aac", language="deu", used=True)


@pytest.mark.parametrize(
    ("others", "sentence"),
    [
        pytest.param(
            [Track(index=0, codec="aac", language="eng", title="Director", used=False, reason="not_chosen")],
            "Of its 2 audio tracks only 1 (deu, aac) was used, not 0 (eng, “Director”, aac); "
            "`track` chooses another, or `mix`, which is all of them.",
            id="another may be chosen",
        ),
        pytest.param(
            [Track(index=0, codec="unknown", used=False, reason="undecodable")],
            "Left out of its 2 audio tracks: 0 (unknown, cannot be decoded).",
            id="another cannot be chosen",
        ),
        pytest.param(
            [],
            "Some audio tracks were not used; `track` chooses another, or `mix`, which is all of them.",
            id="of an older service",
        ),
    ],
)
def test_the_warning_names_what_was_left_out(others: list[Track], sentence: str) -> None:
    listed = [*others, USED] if others else []
    assert describe_warning("tracks_left_out", listed) == f"{sentence} (tracks_left_out)"


def test_the_warning_names_some_of_many() -> None:
    others = [Track(index=index, codec="opus", used=False, reason="not_chosen") for index in range(2, 40)]
    assert describe_warning("tracks_left_out", [USED, *others]).count("opus") == 8
