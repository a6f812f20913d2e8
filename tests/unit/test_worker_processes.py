"""The programs of a worker end with it, also those that are started while it ends."""

from whisperjob.worker.processes.process_group import ProcessGroup


class FakeProcess:
    def __init__(self) -> None:
        self.killed = 0

    def kill(self) -> None:
        self.killed += 1


def test_all_living_processes_are_killed() -> None:
    processes, gone, living = ProcessGroup(), FakeProcess(), FakeProcess()
    with processes.adopt(gone):
        pass
    with processes.adopt(living):
        processes.kill_all()
    assert (gone.killed, living.killed) == (0, 1)


def test_a_process_that_is_adopted_late_is_killed_too() -> None:
    processes, late = ProcessGroup(), FakeProcess()
    processes.kill_all()
    with processes.adopt(late):
        assert late.killed == 1
