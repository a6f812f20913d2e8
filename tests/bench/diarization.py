"""`make bench-diarization`: who speaks when, how right and how fast, into docs/explanation/benchmarks-diarization.md.

The figures that matter are of real recordings: thirty seconds of two people on the telephone, which pyannote.audio
ships, and seven minutes of meetings. The others are checks: conversations of synthetic voices, on which nothing was
tuned, and the same thirty seconds repeated, for time and memory. Needs `make diarizer`.
"""

import argparse
import json
import os
import subprocess
import sys
import wave
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import reduce
from operator import add
from pathlib import Path

from bench.measure import Cost, run
from bench.meetings import meetings
from bench.voices import ReferenceTurn, conversation_of, write_wav
from support.audio.conversation import Conversation, conversation
from whisperjob.model.timeline import Timeline
from whisperjob_local.worker_programs import diarizer_environment, find_diarizer

REPOSITORY = Path(__file__).resolve().parents[2]
REPORT = REPOSITORY / "docs" / "explanation" / "benchmarks-diarization.md"
CACHE = REPOSITORY / ".cache" / "bench"
HERE = Path(__file__).parent
VOICES = (2, 3, 4, 5, 6)
STOCK = HERE / "diarization_stock.py"
SCORE = HERE / "diarization_score.py"


@dataclass(frozen=True, slots=True)
class Measured:
    """One run over one recording, compared with its reference."""

    what: str
    seconds: float
    cost: Cost
    loading: Cost
    found: int
    real: int
    spoken: float
    missed: float
    false_alarm: float
    confusion: float
    """The last four are in seconds."""

    def __add__(self, other: "Measured") -> "Measured":
        """Returns the sum of several recordings, as of one."""
        return Measured(
            self.what,
            self.seconds + other.seconds,
            self.cost + other.cost,
            self.loading + other.loading,
            self.found + other.found,
            self.real + other.real,
            self.spoken + other.spoken,
            self.missed + other.missed,
            self.false_alarm + other.false_alarm,
            self.confusion + other.confusion,
        )

    @property
    def error(self) -> float:
        """The diarization error rate."""
        return (self.missed + self.false_alarm + self.confusion) / self.spoken

    @property
    def factor(self) -> float:
        """Processor seconds per second of audio and core: real time is 1, whatever else the machine does."""
        return self.cost.cpu / self.seconds / (os.cpu_count() or 1)

    @property
    def factor_without_loading(self) -> float:
        return (self.cost.cpu - self.loading.cpu) / self.seconds / (os.cpu_count() or 1)


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench-diarization", description=__doc__)
    parser.add_argument("--minutes", type=int, nargs="*", default=[10, 60], help="lengths to measure beside 30 s")
    parser.add_argument("--stock-seconds", type=int, default=30, help="how much pyannote's defaults get: real time")
    parser.add_argument("--print-only", action="store_true", help="leave the report in docs/ as it is")
    arguments = parser.parse_args()
    python = find_diarizer(os.environ.get("WHISPERJOB_DIARIZER_PYTHON"))
    if python is None:
        sys.exit("Skipped: there is no PyTorch here for the diarizer. `make diarizer` builds what it needs, once.")
    CACHE.mkdir(parents=True, exist_ok=True)
    bench = Bench(str(python))
    report = bench.report(conversation(), arguments.minutes, arguments.stock_seconds)
    print(report)
    if not arguments.print_only:
        REPORT.write_text(report)


class Bench:
    """Runs the diarizer and pyannote's own pipeline, and scores what they find."""

    def __init__(self, python: str) -> None:
        self._python = python
        quiet = {"PYANNOTE_METRICS_ENABLED": "0", "PYTHONWARNINGS": "ignore"}
        self._env = {**diarizer_environment(), **quiet}
        silence = CACHE / "second.wav"
        write_wav(silence, bytes(2 * 16_000))
        run(self._alone(silence, CACHE / "timeline.json"), env=self._env)  # the file cache's share
        self._loading = run(self._alone(silence, CACHE / "timeline.json"), env=self._env)

    def report(self, real: Conversation, minutes: Sequence[int], stock_seconds: int) -> str:
        truth = [ReferenceTurn(turn.start, turn.end, turn.speaker) for turn in real.turns]
        original = self._run_diarizer("original", real.file, truth)
        optimised = self._run_diarizer("optimised by WhisperJob", self._optimise(real.file), truth)
        stock = self._run_stock(real.file, truth, stock_seconds)
        tables = meetings(CACHE)
        far = [
            _together("original", [self._run_diarizer(m.file.stem, m.file, m.reference) for m in tables]),
            _together(
                "optimised by WhisperJob",
                [self._run_diarizer(f"{m.file.stem}, optimised", self._optimise(m.file), m.reference) for m in tables],
            ),
            _together(stock.what, [self._run_stock(m.file, m.reference, 0) for m in tables]),
        ]
        synthetic = [self._run_synthetic(voices) for voices in VOICES]
        long = [self._run_repeated(real.file, truth, count) for count in minutes]
        return "\n".join(
            [
                self._head(),
                _quality([original, optimised, stock]),
                _far(far),
                _speed([original, *long], stock),
                _check(synthetic),
            ]
        )

    def _alone(self, file: Path, output: Path) -> list[str | Path]:
        return [self._python, "-P", "-m", "whisperjob_diarizer.standalone", file, "--output", output]

    def _run_diarizer(self, what: str, file: Path, truth: Sequence[ReferenceTurn]) -> Measured:
        output = CACHE / "timeline.json"
        return self._score(what, run(self._alone(file, output), env=self._env), output, truth)

    def _run_stock(self, file: Path, truth: Sequence[ReferenceTurn], seconds: int) -> Measured:
        output = CACHE / "stock.json"
        what = "pyannote.audio's own pipeline, its defaults"
        if seconds > 30:
            file, truth = repeated(file, truth, seconds)
        sleeping = {"OMP_WAIT_POLICY": "passive"}  # waiting of its threads for each other does not count as work
        return self._score(what, run([self._python, STOCK, file, output], env=self._env | sleeping), output, truth)

    def _run_synthetic(self, voices: int) -> Measured:
        file, truth = conversation_of(voices, CACHE)
        return self._run_diarizer(f"{voices} voices", file, truth)

    def _run_repeated(self, file: Path, truth: Sequence[ReferenceTurn], minutes: int) -> Measured:
        return self._run_diarizer(f"{minutes} min", *repeated(file, truth, 60 * minutes))

    def _optimise(self, file: Path) -> Path:
        folder = CACHE / "optimised"
        whisperjob = Path(sys.executable).with_name("whisperjob")
        run([whisperjob, "local", "optimize", file, "--output", folder])
        return folder / "output.mp3"

    def _score(self, what: str, cost: Cost, output: Path, truth: Sequence[ReferenceTurn]) -> Measured:
        timeline = Timeline.model_validate_json(output.read_bytes())
        answer = subprocess.run(
            [self._python, str(SCORE)],
            input=json.dumps(
                {
                    "truth": [[turn.start, turn.end, turn.voice] for turn in truth],
                    "found": [[turn.start, turn.end, turn.speaker] for turn in timeline.segments],
                }
            ),
            env={**os.environ, **self._env},
            capture_output=True,
            text=True,
            check=True,
        )
        scores = json.loads(answer.stdout)
        measured = Measured(
            what=what,
            seconds=timeline.duration_seconds,
            cost=cost,
            loading=self._loading,
            found=len(timeline.speakers),
            real=len({turn.voice for turn in truth}),
            spoken=scores["total"],
            missed=scores["missed detection"],
            false_alarm=scores["false alarm"],
            confusion=scores["confusion"],
        )
        print(
            f"{what}: DER {measured.error:.2%}, {measured.found} of {measured.real} speakers, {cost}", file=sys.stderr
        )
        return measured

    def _head(self) -> str:
        code = "import torch, platform, importlib.metadata as m; print(platform.python_version(), torch.__version__, "
        code += "m.version('pyannote-audio'), torch.cuda.get_device_name() if torch.cuda.is_available() else 'no GPU')"
        versions = subprocess.run([self._python, "-c", code], capture_output=True, text=True, check=True).stdout.split(
            maxsplit=3
        )
        load, loading = os.getloadavg()[0], self._loading
        return f"""# Benchmarks of diarization

Made by `make bench-diarization` on {datetime.now(UTC):%Y-%m-%d}: {os.cpu_count()} cores, {versions[3].strip()}, \
Python {versions[0]}, PyTorch {versions[1]}, pyannote.audio {versions[2]}, \
the bundled models. Load at the end: {load:.1f}.

Factors are processor seconds (user and system) by seconds of audio and core, which other people's work on the machine \
disturbs least; on an idle machine the wall clock says about the same. Starting (imports, weights) takes \
{loading.cpu:.1f} processor seconds and {loading.peak_mib:.0f} MiB.
"""


def _row(m: Measured) -> str:
    parts = " | ".join(f"{part / m.spoken:.2%}" for part in (m.missed, m.false_alarm, m.confusion))
    return f"| {m.what} | {m.found} of {m.real} | {m.error:.2%} | {parts} |"


def _errors(what: str, rows: Sequence[Measured]) -> list[str]:
    head = [f"| {what} | Speakers | DER | missed | false alarm | confusion |", "|---|---|---|---|---|---|"]
    return [*head, *map(_row, rows), ""]


def _quality(rows: Sequence[Measured]) -> str:
    return "\n".join(
        [
            "## How right",
            "",
            "The 30 s sample of pyannote.audio, two people, their number not given. Diarization error rate without "
            "collar, overlaps counted (pyannote.metrics). pyannote's own pipeline runs on the same models.",
            "",
            *_errors("Audio", rows),
        ]
    )


def _together(what: str, parts: Sequence[Measured]) -> Measured:
    return replace(reduce(add, parts), what=what)


def _far(rows: Sequence[Measured]) -> str:
    return "\n".join(
        [
            "### Meetings",
            "",
            f"{rows[0].seconds / 60:.0f} minutes of seven real meetings (AMI), heard from the middle of the table: two "
            "to five people each, turns of half a second, some of which cannot be heard from there "
            "(`tests/bench/meetings.py`). Far harder than what else is here; what counts is how the rows differ.",
            "",
            *_errors("Audio", rows),
        ]
    )


def _speed(rows: Sequence[Measured], stock: Measured) -> str:
    named = [("30 s" if m.what == "original" else m.what, m) for m in rows] + [
        (f"{stock.seconds:.0f} s, {stock.what}", stock)
    ]
    lines = [
        f"| {what} | {m.factor:.3f} | {m.factor_without_loading:.3f} | {m.cost.wall / m.seconds:.3f} "
        f"| {m.cost.peak_mib:.0f} MiB | {m.found} | {m.error:.2%} |"
        for what, m in named
    ]
    times = stock.factor_without_loading / rows[0].factor_without_loading
    return "\n".join(
        [
            "## How fast",
            "",
            "The sample again and again. The wall clock's column is of this run, on this machine as busy as it was.",
            "",
            "| Audio | factor | without starting | by the wall clock | peak memory | Speakers | DER |",
            "|---|---|---|---|---|---|---|",
            *lines,
            "",
            f"pyannote.audio's own pipeline on the same models takes {times:.1f} times as long.",
            "",
        ]
    )


def _check(rows: Sequence[Measured]) -> str:
    return "\n".join(
        [
            "## A check on made-up voices",
            "",
            "Conversations spoken by flite's four voices and two of espeak-ng's, turns known, number of voices not "
            "given. Nothing was tuned on them, and such voices are no measure of people's; a change here needs a "
            "second look.",
            "",
            *_errors("Conversation", rows),
        ]
    )


def repeated(file: Path, truth: Sequence[ReferenceTurn], seconds: int) -> tuple[Path, list[ReferenceTurn]]:
    """Returns the recording, repeated to a length, and its turns."""
    with wave.open(str(file)) as opened:
        frames, rate = opened.readframes(opened.getnframes()), opened.getframerate()
    length = len(frames) / 2 / rate
    times = -(-seconds // round(length))
    target = CACHE / f"repeated-{seconds}.wav"
    write_wav(target, frames * times)
    return target, [
        ReferenceTurn(t.start + n * length, t.end + n * length, t.voice) for n in range(times) for t in truth
    ]


if __name__ == "__main__":
    main()
