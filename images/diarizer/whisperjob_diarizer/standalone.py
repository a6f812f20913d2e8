"""The stage alone, on one file of any kind, without a service:

    python -m whisperjob_diarizer.standalone FILE --output TIMELINE.json [--model M] [--num-speakers N] […]

Progress goes to standard output, as the JSON of ProgressPost, one per line. With --lifeline the program ends when
standard input closes. Exit status: 0 the timeline is written; 1 one line on standard error says why not; 143 ended by
SIGTERM or with the parent.
"""

import argparse
import sys
from pathlib import Path

from whisperjob.files import atomic_write
from whisperjob.model.errors import WhisperJobError
from whisperjob.model.options import SpeakerCount
from whisperjob.model.phase import DIARIZE_PROGRESS, DiarizeStep
from whisperjob.model.protocol import DiarizeOptions, ProgressPost
from whisperjob.model.resource import MAX_NOTE_LENGTH
from whisperjob.worker.lifeline import Lifeline
from whisperjob.worker.processes.process_group import ProcessGroup
from whisperjob_diarizer.decode import Decoder, decode_whole
from whisperjob_diarizer.diarize_attempt import diarize_waveform
from whisperjob_diarizer.model_choice import BUNDLED
from whisperjob_diarizer.port import DiarizerLoader
from whisperjob_diarizer.run import exit_at_once, load_diarizer


def main(argv: list[str] | None = None, load: DiarizerLoader = load_diarizer) -> int:
    """Diarizes one file and returns the exit status."""
    arguments = _build_parser().parse_args(argv)
    processes = ProcessGroup()
    lifeline = Lifeline(processes)
    lifeline.on_terminate()
    if arguments.lifeline:
        lifeline.on_stdin_closed()
    try:
        _diarize(arguments, processes, load)
    except (WhisperJobError, OSError, ValueError, MemoryError) as error:
        lifeline.settle()
        sys.stderr.write(str(error).replace("\n", " ") + "\n")
        return 1
    return 0


def _diarize(arguments: argparse.Namespace, processes: ProcessGroup, load: DiarizerLoader) -> None:
    speakers = {name: getattr(arguments, name) for name in SpeakerCount.model_fields}
    options = DiarizeOptions(model=arguments.model, allow_cpu=not arguments.no_cpu, **speakers)
    _print_progress(DiarizeStep.LOADING, DIARIZE_PROGRESS[DiarizeStep.LOADING][0], "")
    decoder = Decoder.find(arguments.ffmpeg, processes=processes)
    diarizer = load(options)
    waveform = decode_whole(arguments.file.absolute(), decoder)
    timeline = diarize_waveform(waveform, diarizer, options, _print_progress)
    with atomic_write(arguments.output) as unfinished:
        unfinished.write_text(timeline.model_dump_json(by_alias=True, indent=1) + "\n", encoding="utf-8")


def _print_progress(step: DiarizeStep, percent: float, note: str) -> None:
    post = ProgressPost(step=step, percent=percent, note=note[:MAX_NOTE_LENGTH])
    sys.stdout.write(post.model_dump_json(by_alias=True) + "\n")
    sys.stdout.flush()


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="whisperjob-diarizer-alone", description="Finds out who speaks when in one file."
    )
    parser.add_argument("file", type=Path, help="the recording")
    parser.add_argument("--output", required=True, type=Path, help="the timeline, as JSON")
    parser.add_argument("--model", default=BUNDLED, help="`bundled`, a name on the model hub, or a folder")
    for name, field in SpeakerCount.model_fields.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, help=field.description)
    parser.add_argument("--ffmpeg", default="ffmpeg", help="the ffmpeg to run")
    parser.add_argument("--no-cpu", action="store_true", help="fail where a GPU's memory does not suffice")
    parser.add_argument("--lifeline", action="store_true", help="end when standard input closes")
    return parser


if __name__ == "__main__":
    exit_at_once(main())
