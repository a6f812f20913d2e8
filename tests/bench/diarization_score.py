"""pyannote.metrics' diarization error rate, no collar, overlaps counted: JSON of turns in, JSON of seconds out."""

import json
import sys

from pyannote.core import Annotation, Segment
from pyannote.metrics.diarization import DiarizationErrorRate


def annotation(turns: list[tuple[float, float, str]]) -> Annotation:
    result = Annotation(uri="recording")
    for number, (start, end, speaker) in enumerate(turns):
        result[Segment(start, end), number] = speaker
    return result


if __name__ == "__main__":
    request = json.load(sys.stdin)
    metric = DiarizationErrorRate(collar=0.0, skip_overlap=False)
    scores = metric(annotation(request["truth"]), annotation(request["found"]), detailed=True)
    print(json.dumps({name: float(value) for name, value in scores.items()}))
