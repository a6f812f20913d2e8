"""Settings that one process changes for itself: each method changes one field, by its right name."""

from pathlib import Path

from pydantic import SecretStr

from whisperjob.model.settings import ApiSettings, EngineSettings, Settings, StoreSettings


def changed_fields(before: Settings, after: Settings) -> dict[str, object]:
    fields = type(before).model_fields
    assert set(vars(after)) == set(fields)
    return {name: getattr(after, name) for name in fields if getattr(after, name) != getattr(before, name)}


def test_api_settings_take_a_key_and_a_limit() -> None:
    api = ApiSettings(api_keys=(SecretStr("a"), SecretStr("b")), keys_folder=Path("keys"))
    assert changed_fields(api, api.with_api_key(SecretStr("c"))) == {
        "api_keys": (SecretStr("c"),),
        "keys_folder": None,
    }
    assert changed_fields(api, api.with_max_upload_bytes(7)) == {"max_upload_bytes": 7}


def test_store_settings_go_without_s3() -> None:
    store = StoreSettings(s3_endpoint="http://s3.example", s3_bucket="b")
    assert changed_fields(store, store.without_s3()) == {"s3_endpoint": None}


def test_engine_settings_take_a_limit_of_diarizations() -> None:
    engine = EngineSettings()
    assert changed_fields(engine, engine.with_max_diarizations(3)) == {"max_diarizations": 3}
