"""Which recordings a call of `transcribe` means, and where their transcripts go."""

import os
from pathlib import Path

import pytest

from whisperjob_cli.input_files import Recording, find_recordings, take_file
from whisperjob_cli.output_files import Targets, choose_output, parse_formats, plan
from whisperjob_client.errors import StorageError, UsageError
from whisperjob_client.file_names import fit_name
from whisperjob_client.transcript.writers import Format


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def touch(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(b"x")


def found(*arguments: str) -> list[str]:
    return [str(recording.file) for recording in find_recordings(arguments).recordings]


def planned(
    *names: str, output: str | None = None, formats: tuple[Format, ...] = (), together: bool = True
) -> list[str]:
    """Returns the first file of each recording, planned in one call or, not `together`, in a call for each."""
    calls = [names] if together else [(name,) for name in names]
    targets: list[Targets] = []
    for call in calls:
        recordings = find_recordings(call).recordings
        chosen = choose_output(output, formats, recordings)
        inputs = {os.path.realpath(recording.file) for recording in recordings}
        targets += [plan(recording, chosen, inputs) for recording in recordings]
    return [str(next(iter(target.files.values()))) for target in targets]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param(["talk.mp3", "a/x.wav"], ["talk.mp3", "a/x.wav"], id="files in the order given"),
        pytest.param(["a"], ["a/b/y.MKV", "a/x.wav"], id="a folder with its subfolders, any case"),
        pytest.param(["*.mp3"], ["-dash.mp3", "odd[1].mp3", "talk.mp3"], id="a quoted glob"),
        pytest.param(["**/*.wav"], ["a/x.wav"], id="a recursive glob"),
        pytest.param(["a/*", "*/b/y.*"], ["a/x.wav", "a/b/y.MKV"], id="globs of folders"),
        pytest.param(["a", "a/x.wav", "./a/../a/x.wav"], ["a/b/y.MKV", "a/x.wav"], id="the same file again"),
        pytest.param(["notes.txt"], ["notes.txt"], id="a text file alone is what it is"),
        pytest.param(["talk.mp3", "notes.txt", "talk.whisperjob"], ["talk.mp3"], id="what a shell's * includes"),
        pytest.param(["odd[1].mp3"], ["odd[1].mp3"], id="a file whose name looks like a glob"),
        pytest.param(["no-ending"], ["no-ending"], id="a named file of any ending"),
        pytest.param(["link"], ["link"], id="a link to a file"),
    ],
)
def test_what_arguments_mean(arguments: list[str], expected: list[str]) -> None:
    touch("talk.mp3", "-dash.mp3", "notes.txt", "a/x.wav", "a/notes.txt", "a/b/y.MKV", "a/.hidden.mp3", "no-ending")
    touch("a/x.whisperjob/0123/output.mp3", "talk.whisperjob/0123/output.mp3", "odd[1].mp3", ".cache/z.mp3")
    Path("link").symlink_to("talk.mp3")
    Path("a/b/back").symlink_to("..")
    assert sorted(found(*arguments)) == sorted(expected)


@pytest.mark.parametrize(
    ("argument", "sentence"),
    [
        ("absent.mp3", "absent.mp3: No such file or directory."),
        ("*.mp3", "No file matches *.mp3"),
        ("empty", "There is no recording here."),
        ("texts", "There is no recording here. Skipped, because the ending is not that of a recording: texts/a.txt."),
        ("loop", "loop: Too many levels of symbolic links."),
        ("/dev/zero", "/dev/zero is neither a file nor a folder nor a pipe."),
        ("", "One of the names is empty."),
    ],
)
def test_an_argument_that_names_nothing_is_refused(argument: str, sentence: str) -> None:
    touch("texts/a.txt")
    Path("empty").mkdir()
    Path("loop").symlink_to("loop")
    with pytest.raises(UsageError) as refused:
        find_recordings([argument])
    assert str(refused.value) == sentence


def test_what_is_left_out_is_named() -> None:
    touch("a/x.mp3", *(f"a/{number}.pdf" for number in range(7)))
    Path("a/gone.mp3").symlink_to("nowhere.mp3")
    notes = find_recordings(["a", "a/x.mp3"]).notes
    assert notes == [
        "Named twice, and used once: a/x.mp3.",
        "Skipped, because the ending is not that of a recording: "
        "a/0.pdf, a/1.pdf, a/2.pdf, a/3.pdf, a/4.pdf and 2 more.",
        "Skipped, because it cannot be read: a/gone.mp3.",
    ]


def test_a_command_for_one_file_takes_no_folder() -> None:
    touch("a/x.mp3")
    with pytest.raises(UsageError, match="a is a folder"):
        take_file("a")
    assert take_file("a/x.mp3").file == Path("a/x.mp3")


def test_formats_are_separated_by_commas_or_given_again() -> None:
    assert parse_formats(["srt,VTT", ".json", "srt,"]) == (Format.SRT, Format.VTT, Format.JSON)
    with pytest.raises(
        UsageError, match=r"'docs' is no format of transcripts; there are txt, srt, vtt, words.vtt, json"
    ):
        parse_formats(["srt,docs"])


@pytest.mark.parametrize(
    ("output", "formats", "expected"),
    [
        (None, "", {"txt": "talk.txt"}),
        (None, "srt,md", {"srt": "talk.srt", "md": "talk.md"}),
        ("out.vtt", "", {"vtt": "out.vtt"}),
        ("out.VTT", "", {"vtt": "out.VTT"}),
        ("out.vtt", "vtt,txt", {"vtt": "out.vtt", "txt": "out.txt"}),
        ("out", "md", {"md": "out.md"}),
        ("out.words.vtt", "", {"words.vtt": "out.words.vtt"}),
        ("out.words.vtt", "words.vtt,srt", {"words.vtt": "out.words.vtt", "srt": "out.srt"}),
        ("interview 2024.05.13", "", {"txt": "interview 2024.05.13.txt"}),
        (".", "json", {"json": "talk.json"}),
        ("new/", "srt", {"srt": "new/talk.srt"}),
        ("new.d/deep/", "srt", {"srt": "new.d/deep/talk.srt"}),
    ],
)
def test_the_files_of_one_transcript(output: str | None, formats: str, expected: dict[str, str]) -> None:
    touch("talk.mp4")
    recordings = find_recordings(["talk.mp4"]).recordings
    targets = plan(recordings[0], choose_output(output, parse_formats([formats]), recordings), ())
    assert {str(format_): str(file) for format_, file in targets.files.items()} == expected
    assert targets.checkpoint.name.endswith(".whisperjob")


@pytest.mark.parametrize(
    ("output", "formats", "recordings", "sentence"),
    [
        ("out.srt", "txt", ["talk.mp4"], "out.srt ends as srt, but the format is txt."),
        ("out.docs", "", ["talk.mp4"], "out.docs ends in .docs, which is no format of transcripts; there are txt"),
        ("talk.mp4", "", ["talk.mp4"], "talk.mp4 ends in .mp4, which is no format"),
        ("notes.txt", "", ["notes.txt"], "notes.txt would be overwritten"),
        ("all.srt", "", ["talk.mp4", "b.mp4"], "all.srt is one file, and there are 2 recordings; give a folder"),
        ("-", "", ["talk.mp4", "b.mp4"], "Standard output cannot take the transcripts of several recordings"),
        ("-", "srt,vtt", ["talk.mp4"], "Standard output cannot take several formats"),
        ("notes.txt/", "", ["talk.mp4"], "notes.txt is a file, not a folder."),
        ("", "", ["talk.mp4"], "-o needs a name."),
    ],
)
def test_an_output_that_does_not_fit_is_refused(
    output: str, formats: str, recordings: list[str], sentence: str
) -> None:
    touch("talk.mp4", "b.mp4", "notes.txt")
    listed = find_recordings(recordings).recordings
    with pytest.raises(UsageError) as refused:
        plan(listed[0], choose_output(output, parse_formats([formats]), listed), {os.path.realpath("notes.txt")})
    assert sentence in str(refused.value)


@pytest.mark.parametrize("together", [True, False], ids=["one call", "a call for each"])
@pytest.mark.parametrize(
    ("names", "output", "expected"),
    [
        pytest.param(["x.mp3", "x.wav"], None, ["x.txt", "x.wav.txt"], id="same stem"),
        pytest.param(["x.wav", "x.mp3"], None, ["x.txt", "x.mp3.txt"], id="the other way round"),
        pytest.param(["a/x.mp3", "b/x.mp3"], None, ["a/x.txt", "b/x.txt"], id="each beside its own"),
        pytest.param(
            ["a/x.mp3", "b/x.mp3", "x.mp3", "x.wav"],
            "out/",
            ["out/x.txt", "out/x.mp3.txt", "out/x.mp3 (2).txt", "out/x.wav.txt"],
            id="one folder for all",
        ),
        pytest.param(["x", "x.mp3.wav", "x.mp3"], None, ["x.txt", "x.mp3.txt", "x.mp3 (2).txt"], id="nested endings"),
    ],
)
def test_same_names_never_overwrite_each_other(
    names: list[str], output: str | None, expected: list[str], together: bool
) -> None:
    touch(*names)
    first = planned(*names, output=output, together=together)
    assert first == expected
    assert planned(*reversed(names), output=output, together=together) == first[::-1], "and again the same"


def test_the_folders_of_a_folder_are_those_of_its_transcripts() -> None:
    touch("talks/a/x.mp3", "talks/b/x.mp3", "talks/x.mp3")
    assert planned("talks", output="out/") == ["out/x.txt", "out/a/x.txt", "out/b/x.txt"]


def test_a_transcript_that_may_be_another_recordings_is_left_alone() -> None:
    touch("x.mp3", "x.txt", "x.wav", "y.mp3", "y.txt")
    assert planned("x.wav") == ["x.wav.txt"], "x.txt may be the one of x.mp3"
    assert planned("y.mp3") == ["y.txt"], "there is nothing else it could be of"


def test_a_recording_is_never_overwritten_by_a_transcript() -> None:
    touch("talk.json", "talk.mp3")
    assert planned("talk.json", formats=(Format.JSON,)) == ["talk.json.json"]


@pytest.mark.parametrize(
    ("stem", "ending"),
    [("x" * 251, ".mp3"), ("é" * 125, ".mp3"), ("🎙" * 62, ".mp3"), ("x" * 255, "")],
)
def test_names_of_255_bytes_keep_their_endings(stem: str, ending: str) -> None:
    touch(stem + ending)
    recordings = find_recordings([stem + ending]).recordings
    targets = plan(recordings[0], choose_output(None, (Format.TXT, Format.JSON), recordings), ())
    for name in (*(file.name for file in targets.files.values()), targets.checkpoint.name):
        assert len(os.fsencode(name)) <= 255
    assert [file.suffix for file in targets.files.values()] == [".txt", ".json"]
    assert targets.checkpoint.is_dir()


def test_long_names_that_differ_at_their_ends_stay_two() -> None:
    assert fit_name("x" * 250 + "a", ".json", 255) != fit_name("x" * 250 + "b", ".json", 255)
    assert fit_name("talk", ".json", 255) == "talk.json"


def test_a_name_that_is_no_text_is_a_name() -> None:
    name = os.fsdecode(b"caf\xe9.mp3")
    touch(name)
    assert planned(name) == [os.fsdecode(b"caf\xe9.txt")]
    assert len(os.fsencode(fit_name(os.fsdecode(b"\xe9" * 255), ".txt", 255))) <= 255


def test_a_stream_keeps_its_checkpoint_beside_the_recording_or_in_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    touch("talk.mp3")
    monkeypatch.setenv("XDG_CACHE_HOME", "cache")
    recordings = find_recordings(["talk.mp3"]).recordings
    assert plan(recordings[0], choose_output("-", (), recordings), ()).checkpoint == Path("talk.whisperjob")
    os.mkfifo("pipe")
    piped = Recording(Path("pipe"), streamed=True)
    assert find_recordings(["pipe"]).recordings == [piped]
    targets = plan(piped, choose_output(None, (), [piped]), ())
    assert (targets.stream, targets.checkpoint) == ("-", Path("cache/whisperjob/stdin.whisperjob"))


def test_a_device_is_written_to_and_not_replaced() -> None:
    touch("talk.mp3")
    recordings = find_recordings(["talk.mp3"]).recordings
    assert choose_output("/dev/null", (), recordings).stream == "/dev/null"


def test_a_folder_that_cannot_be_made_is_named() -> None:
    touch("talk.mp3", "file")
    recordings = find_recordings(["talk.mp3"]).recordings
    with pytest.raises(StorageError, match="file"):
        plan(recordings[0], choose_output("file/out/", (), recordings), ())
