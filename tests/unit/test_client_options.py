"""What the commands offer is what the service accepts, though the client does not import the service."""

from dataclasses import asdict
from typing import get_args

from whisperjob.model import options as service
from whisperjob.model.errors import WarningCode
from whisperjob.model.phase import Profile, RawFormat
from whisperjob_cli import options as commands
from whisperjob_client import SpeakerCount, UploadOptions
from whisperjob_client.job_warnings import WARNING_SENTENCES, describe_warning
from whisperjob_client.options import Profile as ProfileName


def test_limits_are_those_of_the_service() -> None:
    names = [name for name in vars(commands) if name.startswith(("MIN_", "MAX_"))]
    assert len(names) == 6
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
