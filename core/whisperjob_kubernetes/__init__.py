"""What speaks to the API server of a cluster, for the operator and the API alike. Must not import kopf."""
