"""What every kind of worker needs: the protocol's client, transport, a kit for running programs, a lifeline."""
