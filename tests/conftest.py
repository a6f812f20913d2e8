pytest_plugins = ["support.minio_server"]
