"""Which jobs go before another, where only so many may run at a time, of all or of a tenant."""

from support.builders import a_job, a_spec, a_worker, at
from whisperjob.deciding.fair_share import FairShare
from whisperjob.engine.capacity import attempts_ahead, tenant_attempts_ahead
from whisperjob.engine.worker_index import WorkerIndex
from whisperjob.model.phase import Phase, Stage
from whisperjob.model.resource import DiarizationRequest, DiarizationState, WhisperJob
from whisperjob.model.stages import active_work


def a_request(tenant: str, number: int, *, asked: float = 0, **spec: object) -> WhisperJob:
    """A completed job whose diarization waits."""
    name = f"{tenant}-{number}"
    spec = {"diarization": DiarizationRequest(request_id="r"), "tenant": tenant, **spec}
    state = DiarizationState(request_id="r", request_time=at(asked), phase=Phase.QUEUED)
    return a_job(name=name, uid=name, spec=a_spec(**spec), phase=Phase.COMPLETED, diarization=state)


def ahead(job: WhisperJob, jobs: list[WhisperJob], running: WhisperJob | None = None) -> int:
    work, workers = active_work(job), WorkerIndex()
    assert work is not None
    if running is not None:
        workers.put(a_worker(job_uid=running.uid, stage=Stage.DIARIZE))
    return attempts_ahead(work, jobs, workers, FairShare(), 0.0)


def test_tenants_take_turns_at_diarizations() -> None:
    alice = [a_request("alice", number, asked=number) for number in range(440)]
    bob = [a_request("bob", number, asked=1000 + number) for number in range(3)]
    jobs = [*alice, *bob]
    assert [ahead(job, jobs, alice[0]) for job in bob] == [1, 3, 5]
    assert [ahead(job, jobs, alice[0]) for job in alice[1:4]] == [2, 4, 6]


def test_a_priority_passes_no_other_tenant() -> None:
    urgent = [a_request("alice", number, asked=number, priority=1000) for number in range(1, 10)]
    first = a_request("alice", 0)
    bob = a_request("bob", 0, asked=50, priority=-1000)
    jobs = [first, *urgent, bob]
    assert ahead(bob, jobs) == 1
    assert ahead(urgent[0], jobs) == 0
    assert ahead(first, jobs) == 10


def test_a_suspended_request_lets_others_go_first() -> None:
    held = a_request("alice", 0, suspend=True)
    job = a_request("bob", 0, asked=9)
    assert ahead(job, [held, job]) == 0


def own_ahead(job: WhisperJob, jobs: list[WhisperJob], *running: WhisperJob) -> int:
    work, workers = active_work(job), WorkerIndex()
    assert work is not None
    for one in running:
        workers.put(a_worker(job_uid=one.uid))
    return tenant_attempts_ahead(work, jobs, workers)


def test_a_tenant_s_jobs_wait_for_each_other_and_for_nobody_else() -> None:
    alice = [a_job(name=f"a{n}", uid=f"a{n}", created_at=at(n), spec=a_spec(tenant="alice")) for n in range(4)]
    bob = [a_job(name=f"b{n}", uid=f"b{n}", spec=a_spec(tenant="bob")) for n in range(9)]
    jobs = [*alice, *bob]
    assert [own_ahead(job, jobs) for job in alice] == [0, 1, 2, 3]
    assert [own_ahead(job, jobs, alice[3], *bob) for job in alice[:3]] == [1, 2, 3]


def test_priority_and_suspension_count_among_a_tenant_s_jobs() -> None:
    first = a_job(name="first", uid="first", created_at=at(0))
    held = a_job(name="held", uid="held", created_at=at(-9), spec=a_spec(suspend=True))
    urgent = a_job(name="urgent", uid="urgent", created_at=at(9), spec=a_spec(priority=1))
    assert own_ahead(first, [first, held, urgent]) == 1
    assert own_ahead(urgent, [first, held, urgent]) == 0
