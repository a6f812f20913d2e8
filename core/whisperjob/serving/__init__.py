"""What every server process needs: a listener, supervised tasks, metrics over HTTP, and the frame of a program."""
