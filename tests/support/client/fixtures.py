"""The embedded service, the stand-in of the speech API, and the network between a command and the service."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.audio.tone_speech import write_tones
from support.client.asr_server import AsrServer, asr_server
from support.client.proxy import Network, network
from support.client.talk import SHORT, Talk
from support.service.serving import Service, served


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with served(tmp_path_factory.mktemp("service") / "data") as service:
        yield service


@pytest.fixture
def asr() -> Iterator[AsrServer]:
    with asr_server() as asr:
        yield asr


@pytest.fixture
def net(service: Service) -> Iterator[Network]:
    with network(service.url) as net:
        yield net


@pytest.fixture(scope="module")
def short_recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("recording") / "short.wav"
    write_tones(file, SHORT, 8)
    return file


@pytest.fixture
def short(tmp_path: Path, short_recording: Path, net: Network, service: Service, asr: AsrServer) -> Talk:
    """One chunk."""
    return Talk(tmp_path, short_recording, net.url, service.key, asr)
