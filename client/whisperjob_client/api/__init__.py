"""The conversation with the service as data and decisions: requests, responses, retries, polls. Pure."""
