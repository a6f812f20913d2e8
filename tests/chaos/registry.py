"""All scenarios, in the order in which they run and stand in docs/reliability.md."""

from chaos.scenario import Scenario
from chaos.scenarios import api_server, clients, clock, database, disks, kills, mutations, programs, soak, store

SCENARIOS = (
    Scenario(
        "kills",
        "`kill -9` at any moment, of the service, a worker, ffmpeg; also during an upload",
        "What was accepted is finished, once. What was not accepted leaves nothing.",
        kills.kill_at_any_moment,
    ),
    Scenario(
        "programs",
        "ffmpeg or ffprobe is missing, fails, says nothing, or is no program",
        "Jobs wait and say so, the service is not ready, no recording is blamed, and all ends well afterwards.",
        programs.missing_programs,
    ),
    Scenario(
        "mutations",
        "valid files of many formats with wrong bytes, or with the end of another file",
        "Each ends as completed or with a verdict on the recording.",
        mutations.mutated_files,
    ),
    Scenario(
        "connections",
        "500 idle and half-sent requests from one address",
        "Other addresses are served as before.",
        clients.flood_of_connections,
    ),
    Scenario(
        "slow-uploads",
        "one tenant drips into every upload slot at 4 kB/s",
        "Another tenant's upload is taken.",
        clients.slow_uploads,
    ),
    Scenario(
        "store",
        "the way to MinIO is slow, thin, silent, reset, cut in the middle, cut off, or ends at a server that says 503",
        "Jobs wait, and complete when the store is back. An upload that was refused leaves nothing.",
        store.bad_store,
    ),
    Scenario(
        "full-disk",
        "the disk that all share is full",
        "Jobs wait, uploads get 507, jobs can be deleted, the service is not ready; all goes on with space.",
        disks.full_disk,
    ),
    Scenario(
        "read-only-folder",
        "the data folder becomes read-only",
        "Results are served, uploads are refused, the service is not ready; all goes on afterwards.",
        disks.read_only_folder,
    ),
    Scenario(
        "locked-database",
        "another program locks the database of the job records",
        "Jobs are answered, uploads get 503, the service is not ready; all goes on afterwards.",
        database.locked,
    ),
    Scenario(
        "damaged-database",
        "the database is damaged, then lost, then restored",
        "The service does not start over a damaged one; nothing is deleted; all is there once it is restored.",
        database.damaged_and_lost,
    ),
    Scenario(
        "clock",
        "the wall clock jumps by 26 hours, 8 days, 3 hours back, and to the right time",
        "Running jobs complete, and no result is deleted.",
        clock.jumping_clock,
    ),
    Scenario(
        "lost-writes",
        "the n-th write of the operator to a real API server is lost, or its answer, for every n",
        "The job completes, with one worker.",
        api_server.lost_writes,
    ),
    Scenario(
        "api-server",
        "the way to the API server is slow, thin, silent, reset, cut in the middle or cut off",
        "Jobs complete afterwards, with one worker each.",
        api_server.bad_network,
    ),
    Scenario(
        "soak",
        "minutes of good and bad files from two tenants, while workers are killed",
        "Nothing is lost, and nobody else waits.",
        soak.soak_with_kills,
    ),
)
