"""pyannote.audio's SpeakerDiarization at its defaults, on the bundled models; the diarizer is compared with it.

python diarization_stock.py FILE.wav TIMELINE.json (by the diarizer's interpreter)
"""

import sys
import wave
from pathlib import Path

import torch
from pyannote.audio import Model
from pyannote.audio.pipelines import SpeakerDiarization

from whisperjob_diarizer.campplus import load_campplus
from whisperjob_diarizer.model_choice import EMBEDDING_CODE, EMBEDDING_FILE, SEGMENTATION_FILE, bundled_folder
from whisperjob_diarizer.port import Diarization, SpeakerSpan
from whisperjob_diarizer.speaker_pipeline import PARAMETERS, NoPlda
from whisperjob_diarizer.timelines import build_timeline


def main(file: Path, target: Path) -> None:
    with wave.open(str(file)) as opened:
        samples, rate = bytearray(opened.readframes(opened.getnframes())), opened.getframerate()
    waveform = torch.frombuffer(samples, dtype=torch.int16)[None].float() / 32_768
    folder = bundled_folder()
    pipeline = SpeakerDiarization(
        segmentation=Model.from_pretrained(folder / SEGMENTATION_FILE),
        embedding=load_campplus(folder / EMBEDDING_CODE, folder / EMBEDDING_FILE),
        clustering="AgglomerativeClustering",
        plda=NoPlda(),
    )
    pipeline.instantiate(PARAMETERS)
    output = pipeline({"waveform": waveform, "sample_rate": rate, "uri": "recording"})
    spans = tuple(
        SpeakerSpan(s.start, s.end, label) for s, _, label in output.speaker_diarization.itertracks(yield_label=True)
    )
    timeline = build_timeline(Diarization(spans, ()), waveform.shape[1] / rate, model="stock", device="cpu", notes=())
    target.write_text(timeline.model_dump_json(by_alias=True))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
