"""Trouble on purpose: what the service promises is checked while programs, disks, clocks and networks fail."""
