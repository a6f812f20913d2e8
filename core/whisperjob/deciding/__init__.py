"""What to do next about a job: pure decisions over what was observed. No I/O, no clock."""
