"""The API on Kubernetes: the front end put together with WhisperJob resources and an S3 store."""
