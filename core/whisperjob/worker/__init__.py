"""What every kind of worker needs: the protocol's client, transport of sources and results, and its lifeline."""
