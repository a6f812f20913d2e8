"""What a diarizer on this machine gets to reach the model hub with, and what it does not."""

import pytest

from whisperjob_local.worker_programs import diarizer_environment


@pytest.mark.parametrize("name", ["HF_TOKEN", "HTTPS_PROXY", "https_proxy", "no_proxy", "CUDA_VISIBLE_DEVICES"])
def test_it_gets_what_leads_to_models_and_devices(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "so")
    assert diarizer_environment()[name] == "so"


@pytest.mark.parametrize("name", ["WHISPERJOB_API_KEYS", "WHISPERJOB_S3_SECRET_KEY", "GROQ_API_KEY"])
def test_it_gets_no_secret_of_the_service(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "so")
    assert name not in diarizer_environment()
