"""What every server process needs: a listener, supervised tasks, stop signals, metrics over HTTP, a main function."""
