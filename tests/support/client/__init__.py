"""What stands on the other side of the client: a proxy, a speech recogniser."""
