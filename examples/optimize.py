"""Makes MP3s for a speech recogniser of a recording: python optimize.py talk.mp4"""

import os
import sys
from pathlib import Path

from whisperjob_client import Client, ClientError, Connection

connection = Connection(os.environ["WHISPERJOB_URL"], os.environ["WHISPERJOB_API_KEY"])
try:
    with Client(connection) as client:
        accepted = client.submit(Path(sys.argv[1]))
        job = client.wait(accepted.job_id, on_change=lambda job: print(f"{job.step} {job.progress} %", file=sys.stderr))
        for chunk in job.chunks:
            file = client.download(chunk, Path("out"))
            print(f"{file}: {chunk.duration_seconds:.1f} s from {chunk.start_seconds:.1f} s")
except ClientError as error:
    sys.exit(f"{error} ({error.code})")
