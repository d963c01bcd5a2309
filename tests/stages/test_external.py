"""Scoring speech that vcbench did not convert: the table, missing and broken recordings, and the resulting tables."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from vcbench.api.registry import load
from vcbench.base.state import write_parquet
from vcbench.cli.app import EXIT_FAILURES, main
from vcbench.reporting.publish import publish
from vcbench.run import config
from vcbench.run.run import Run
from vcbench.speech import audio
from vcbench.speech.ingest import CLIPPED, LOW_RATE, copy_audio
from vcbench.speech.utterance import Corpus
from vcbench.stages.external import import_table
from vcbench.stages.external_table import TableError, read_table, recordings
from vcbench.stages.score import check_metrics

HEADER = "system,converted,source,target"


def write(folder: Path, *lines: str, header: str = HEADER) -> Path:
    path = folder / "table.csv"
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


@pytest.mark.parametrize(
    ("header", "lines", "message"),
    [
        (
            "system,converted,source",
            ["a,b,c"],
            r"lacks the column\(s\) target; its first line has: system, converted, source",
        ),
        (HEADER + ",txt", ["a,b,c,d,e"], r"unknown column 'txt'. Did you mean 'text'\?"),
        (HEADER, [], r"has no row"),
        (HEADER, ["a,b,c,d", "a,,c,e"], r"line 3 has nothing in the column converted"),
        (HEADER, ["a,b,c,d", "x,b,c,d", "a,z,c,d"], r"line 4 is the second conversion of c to d by a"),
        (HEADER, ["a,b,c,d", "a,b,c,d,e,f"], r"is not a table in CSV"),
    ],
)
def test_a_bad_table_is_told_by_line_and_column(tmp_path: Path, header: str, lines: list[str], message: str) -> None:
    with pytest.raises(TableError, match=message):
        read_table(write(tmp_path, *lines, header=header))


def test_a_recording_of_two_speakers_is_refused(tmp_path: Path) -> None:
    header = HEADER + ",source_speaker"
    path = write(tmp_path, "a,1.wav,s.wav,t.wav,ann", "a,2.wav,s.wav,u.wav,bob", header=header)
    with pytest.raises(TableError, match=r"s.wav is said to be \('ann', None\) in one line and \('bob', None\)"):
        recordings(path, read_table(path))


def test_a_reference_rows_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="'oracle' is the name of a reference row"):
        import_table(write(tmp_path, "oracle,c.wav,s.wav,t.wav"), tmp_path / "out", config.resolve("tiny"))


def test_odd_recordings_are_copied_and_flagged(tmp_path: Path, small_corpus: Corpus) -> None:
    wave = small_corpus.speakers[0].utterances[0].wave.numpy()
    eight = audio.resample(wave, 22050, 8000)
    soundfile.write(tmp_path / "eight.wav", eight, 8000)
    soundfile.write(tmp_path / "loud.wav", np.clip(8 * wave, -1, 1), 22050)
    soundfile.write(tmp_path / "plain.wav", wave, 22050)
    assert copy_audio(tmp_path / "plain.wav", tmp_path / "plain.flac", 22050) == []
    assert copy_audio(tmp_path / "eight.wav", tmp_path / "eight.flac", 22050) == [LOW_RATE]
    assert copy_audio(tmp_path / "loud.wav", tmp_path / "loud.flac", 22050) == [CLIPPED]
    for name, seconds in (("plain", len(wave) / 22050), ("eight", len(eight) / 8000), ("loud", len(wave) / 22050)):
        copy, rate = audio.decode(tmp_path / f"{name}.flac")  # the strict reader accepts each of them
        assert len(copy) / rate == pytest.approx(seconds, abs=0.01)
    with pytest.raises(audio.AudioError, match="there is no such file"):
        copy_audio(tmp_path / "missing.wav", tmp_path / "missing.flac", 22050)


@pytest.mark.parametrize("rate", [1000, 11_127, 15_999, 22_051, 44_101, 191_999])
def test_any_sampling_rate_can_be_heard(tmp_path: Path, rate: int) -> None:
    """A tone of 440 Hz keeps its frequency at the rates of the models and of the features."""
    soundfile.write(tmp_path / "odd.wav", 0.3 * np.sin(2 * np.pi * 440 * np.arange(rate // 2) / rate), rate)
    assert copy_audio(tmp_path / "odd.wav", tmp_path / "odd.flac", 22050) == ([LOW_RATE] if rate < 16_000 else [])
    for heard in (16_000, 22_050):
        wave = audio.read(tmp_path / "odd.flac", heard)
        assert len(wave) / heard == pytest.approx(0.5, abs=0.01)
        assert np.abs(np.fft.rfft(wave)).argmax() * heard / len(wave) == pytest.approx(440, abs=2)


@pytest.fixture(scope="module")
def scored(small_corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int, str]:
    """Two systems that copy source and target; one file missing, one broken, one at 8 kHz; scored by the command."""
    folder = tmp_path_factory.mktemp("scored")
    speakers = small_corpus.speakers[:3]
    lines = []
    for index, (first, second) in enumerate([(0, 1), (1, 2), (2, 0), (1, 0)]):
        source, (given, *others) = speakers[first].utterances[index], speakers[second].utterances[4:7]
        enrolment = ";".join(str(one.path) for one in others)
        for system, copied in (("as_source", source), ("as_target", given)):
            name = f"{system}{index}.wav"
            soundfile.write(folder / name, copied.wave.numpy(), copied.sampling_rate)
            row = [system, name, str(source.path), str(given.path), f'"{source.text}"', first, second, enrolment]
            lines.append(",".join(map(str, row)))
    (folder / "as_source0.wav").unlink()
    (folder / "as_target1.wav").write_bytes(b"RIFF, and then nothing")
    wave, rate = soundfile.read(folder / "as_source2.wav")
    soundfile.write(folder / "as_source2.wav", audio.resample(wave.astype(np.float32), rate, 8000), 8000)
    table = write(folder, *lines, header=HEADER + ",text,source_speaker,target_speaker,enrolment")
    code, printed = run(["score", str(table), "--out", str(folder / "out"), "--preset", "tiny", "--set", "workers=1"])
    return folder / "out", code, printed


def run(arguments: list[str]) -> tuple[int, str]:
    """Exit code and what the command printed, in this process."""
    import io
    from contextlib import redirect_stdout

    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(printed):
        patch.setattr(sys, "argv", ["vcbench", *arguments])
        with pytest.raises(SystemExit) as stop:
            main()
    return int(stop.value.code or 0), printed.getvalue()


def test_missing_and_broken_files_are_listed_counted_and_no_success(scored: tuple[Path, int, str]) -> None:
    folder, code, printed = scored
    assert code == EXIT_FAILURES
    assert "as_source0.wav" in printed
    assert "as_target1.wav" in printed
    table = pd.read_csv(folder / "leaderboard.csv")
    failed = table[table["condition"] == "all"].groupby("system")["failures"].max()
    assert failed[["as_source", "as_target", "source"]].tolist() == [1, 1, 0]
    words = (folder / "leaderboard.md").read_text()
    assert "as_source and as_target are compared on the 2 trials that both have" in words
    assert "1 recording of as_source is sampled below 16 kHz" in words


def test_copies_score_as_what_they_are_copies_of(scored: tuple[Path, int, str]) -> None:
    scores = pd.read_parquet(scored[0] / "scores" / "speaker_similarity_ge2e.parquet")
    table = scores.pivot(index=["column", "trial"], columns="system", values="value")
    for column in ("similarity_ge2e", "leakage_ge2e"):
        own = table.loc[column]
        # Storage with 16 bits and trimmed silence change the last digits.
        assert own["as_source"].drop("t0002").dropna().to_numpy() == pytest.approx(
            own["source"].drop(["t0000", "t0002"]).to_numpy(), abs=0.03
        )
        assert own["as_target"].dropna().to_numpy() == pytest.approx(own["target"].drop("t0001").to_numpy(), abs=0.03)
    assert table.loc["similarity_ge2e", "as_source"].mean() < table.loc["similarity_ge2e", "as_target"].mean() - 0.1


def test_scored_again_with_failures_allowed_computes_nothing_and_succeeds(scored: tuple[Path, int, str]) -> None:
    folder = scored[0]
    before = {path: path.stat().st_mtime_ns for path in folder.glob("scores/*.parquet")}
    arguments = ["score", str(folder.parent / "table.csv"), "--out", str(folder), "--preset", "tiny"]
    code, _ = run([*arguments, "--set", "workers=1", "--allow-failures"])
    assert code == 0
    assert {path: path.stat().st_mtime_ns for path in folder.glob("scores/*.parquet")} == before


def test_nothing_that_can_be_scored_is_an_error_before_any_work(tmp_path: Path) -> None:
    path = write(tmp_path, "mine,c.wav,s.wav,t.wav")
    with pytest.raises(
        TableError, match=r"no trial has a usable source, target and enrolment(.|\n)*s.wav: there is no such file"
    ):
        import_table(path, tmp_path / "out", config.resolve("tiny"))


def test_the_copying_systems_are_registered(small_corpus: Corpus) -> None:
    one, other = small_corpus.speakers[:2]
    source = one.utterances[0]
    assert load("systems", "copy_source")().convert(source, other) is source.wave
    assert load("systems", "copy_target")().convert(source, other) is other.utterances[0].wave


def test_a_column_that_nothing_fills_says_what_it_needs(scored: tuple[Path, int, str], tmp_path: Path) -> None:
    shutil.copytree(scored[0], tmp_path / "out")
    path = tmp_path / "out" / "scores" / "word_error_rate.parquet"
    scores = pd.read_parquet(path)
    without_text = scores["column"].isin(["wer_recognised", "cer_recognised", "loops"])
    write_parquet(path, scores[without_text])
    settings = tmp_path / "out" / "run.toml"
    text = settings.read_text().replace("recognised_text = false\n", "recognised_text = true\n", 1)
    settings.write_text(text)
    run = Run.open(tmp_path / "out")
    publish(run, check_metrics(run, strict=False), {})
    words = (tmp_path / "out" / "leaderboard.md").read_text()
    assert "n/a: no recording has a text: the corpus gives none." in words
    assert "an error rate to the text is one to that recogniser" in words
