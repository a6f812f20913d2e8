"""What the real diarizer says about the documentation's conversation: `python -m support.docs.speakers`, in tests/.

It is recorded, so that the picture and the tutorial show it also where no diarizer is built. A test compares the record
with the real diarizer where there is one.
"""

import shutil
import sys
import tempfile
from pathlib import Path

from support.audio.conversation import RECORDED_TIMELINE, conversation
from support.service.serving import served
from support.waiting import until_sync
from whisperjob.model.timeline import Timeline
from whisperjob_local.worker_programs import find_diarizer

_DIARIZE_SECONDS = 300


def found_timeline(speakers: int | None = None) -> Timeline:
    """Returns what a service with the real diarizer finds in the conversation. `speakers` is the number it is given."""
    python = find_diarizer(None)
    assert python is not None, "`make diarizer` was not run here"
    with (
        tempfile.TemporaryDirectory() as folder,
        served(Path(folder) / "data", {"WHISPERJOB_DIARIZER_PYTHON": str(python)}) as service,
    ):
        shutil.copy(conversation().file, Path(folder) / "call.wav")
        job = service.upload(Path(folder) / "call.wav")
        duration = service.ended(job)["duration"]
        body = {"jobId": job} if speakers is None else {"jobId": job, "numSpeakers": speakers}
        assert service.client.post("/diarize", json=body).status_code == 202

        def state() -> dict[str, object]:
            return dict(service.client.get(f"/diarize/{job}").json())

        until_sync(lambda: state()["status"] != "running", "the diarization", _DIARIZE_SECONDS)
        result = state()["result"]
        assert isinstance(result, dict), state()
        known = {name: result[name] for name in ("model", "device", "segments", "exclusive")}
        return Timeline.model_validate({**known, "durationSeconds": duration})


if __name__ == "__main__":
    timeline = found_timeline()
    if found_timeline(2).segments != timeline.segments:
        sys.exit("With the number of speakers the diarizer finds something else: the pages need a record of each.")
    RECORDED_TIMELINE.write_text(timeline.model_dump_json(by_alias=True, indent=1) + "\n")
