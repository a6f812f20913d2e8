"""Programs that tests start: where they come from, their ports, their ends."""
