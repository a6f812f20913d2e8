"""Fixtures that run a test on every store."""

from pathlib import Path

import pytest

from support.stores.cases import Case, folder_case, s3_case
from whisperjob.stores.port import ObjectStore


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.minio)])
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    if request.param == "folder":
        return folder_case(tmp_path / "store")
    return s3_case(request.getfixturevalue("minio_server"))


@pytest.fixture
def store(case: Case) -> ObjectStore:
    return case.store
