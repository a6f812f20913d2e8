"""Opens the object store that the settings name."""

from pathlib import Path

from whisperjob.model.settings import StoreSettings
from whisperjob.stores.folder import FolderStore
from whisperjob.stores.port import ObjectStore


def open_store(settings: StoreSettings, folder: Path) -> ObjectStore:
    """Opens the S3 store if an endpoint is set, else a store in `folder`.

    An S3 service need not be up yet: the first request to it is made when the store is used. Raises ValueError for
    settings that cannot work, StoreUnavailableError for a folder that cannot be created.
    """
    if settings.s3_endpoint is None:
        return FolderStore(folder)
    from whisperjob.stores.s3 import S3Store  # so that a store in a folder needs no S3 library

    return S3Store(settings)
