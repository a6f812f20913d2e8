"""Children of a worker end with it, also those that are started while it ends."""

from whisperjob.worker.lifeline import Children


class Child:
    def __init__(self) -> None:
        self.killed = 0

    def kill(self) -> None:
        self.killed += 1


def test_all_that_live_are_killed() -> None:
    children, gone, living = Children(), Child(), Child()
    with children.adopt(gone):
        pass
    with children.adopt(living):
        children.kill_all()
    assert (gone.killed, living.killed) == (0, 1)


def test_whoever_comes_late_is_killed_too() -> None:
    children, late = Children(), Child()
    children.kill_all()
    with children.adopt(late):
        assert late.killed == 1
