pytest_plugins = ["support.stores.minio_server"]
