"""Whole runs on a small corpus: two systems trained, converted, scored; killed, resumed, run again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch

from tests.support.command import run_here
from vcbench import library
from vcbench.base.preemption import EXIT_AGAIN
from vcbench.speech.utterance import Corpus

TINY = ["--preset", "tiny", "--systems", "flowvc,again_vc"]
HERE = ["--set", "workers=1"]  # no processes, each of which would import PyTorch


@pytest.fixture(scope="module")
def corpus_folder(small_corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seen and two unseen speakers in the layout of the corpus `folder`, as a user would have them."""
    root = tmp_path_factory.mktemp("speech")
    seen = [speaker for speaker in small_corpus.speakers if speaker.seen][:3]
    unseen = [speaker for speaker in small_corpus.speakers if not speaker.seen]
    for part, speakers in (("train", seen), ("eval", unseen)):
        for speaker in speakers:
            for utterance in speaker.utterances[:12]:
                copy = root / part / speaker.id / utterance.path.name
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(utterance.path, copy)
                copy.with_suffix(".txt").write_text(utterance.text or "")
    return root


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def options(corpus_folder: Path, runs: Path) -> list[str]:
    """Of every run, but for its name."""
    return ["run", *TINY, "--corpus", "folder", "--corpus-root", str(corpus_folder), "--runs", str(runs)]


@pytest.fixture(scope="module")
def finished(options: list[str], runs: Path) -> tuple[Path, str]:
    """An uninterrupted run in this process, and its output."""
    printed = run_here(*options, *HERE, "--name", "whole")
    return runs / "whole", printed


def measured(folder: Path) -> pd.DataFrame:
    """The leaderboard without the columns that depend on the clock and the machine."""
    table = pd.read_csv(folder / "leaderboard.csv")
    clocked = table["column"].str.contains("seconds|factor|peak_memory")
    return table[~clocked].reset_index(drop=True)


def test_a_run_leaves_a_leaderboard_with_every_row_and_condition(finished: tuple[Path, str]) -> None:
    folder, printed = finished
    table = pd.read_csv(folder / "leaderboard.csv")
    assert set(table["system"]) == {"flowvc", "again_vc", "source", "oracle", "target", "world"}
    assert {"seen->seen", "seen->unseen", "unseen->unseen"} <= set(table["condition"])
    for name in (
        "leaderboard.md",
        "leaderboard.json",
        "leaderboard.tex",
        "manifest.json",
        "trials.parquet",
        "run.toml",
    ):
        assert (folder / name).stat().st_size > 0
    assert "again_vc" in printed
    manifest = json.loads((folder / "manifest.json").read_text())
    assert set(manifest["weights"]) == {"flowvc", "again_vc"}
    assert date.fromisoformat(manifest["date"])
    assert manifest["versions"]["torch"] == torch.__version__.split("+")[0]


def test_every_conversion_is_audio_of_its_sources_length(finished: tuple[Path, str]) -> None:
    folder, _ = finished
    trials = pd.read_parquet(folder / "trials.parquet")
    for row in ("flowvc", "again_vc", "world"):
        for trial in trials.itertuples():
            converted, rate = soundfile.read(folder / "converted" / row / f"{trial.trial}.flac")
            original, _ = soundfile.read(folder / "converted" / "source" / f"{trial.trial}.flac")
            assert rate == 22050
            assert abs(len(converted) - len(original)) <= 512
            assert np.abs(converted).max() > 1e-3


def test_a_finished_run_computes_nothing_again(finished: tuple[Path, str], options: list[str]) -> None:
    folder, _ = finished
    kept = [*folder.glob("converted/*/*.flac"), *folder.glob("systems/*/*"), *folder.glob("scores/*.parquet")]
    before = {path: path.stat().st_mtime_ns for path in kept}
    run_here(*options, *HERE, "--name", "whole")
    assert {path: path.stat().st_mtime_ns for path in kept} == before


@pytest.mark.slow
@pytest.mark.parametrize(
    ("waits_for", "sent", "code"),
    [
        ("systems/*/training.safetensors", signal.SIGKILL, -signal.SIGKILL),
        ("converted/*/t0002.flac", signal.SIGKILL, -signal.SIGKILL),
        ("systems/*/training.safetensors", signal.SIGTERM, EXIT_AGAIN),
    ],
)
def test_killed_and_started_again_gives_the_same_table(
    finished: tuple[Path, str], options: list[str], runs: Path, waits_for: str, sent: signal.Signals, code: int
) -> None:
    """It starts with a process per core. After SIGTERM the same command goes on; after SIGKILL, to save time, one process does."""
    name = f"{sent.name}-" + waits_for.split("/")[0]
    command = [sys.executable, "-m", "vcbench", *options, "--name", name]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not any((runs / name).glob(waits_for)) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert process.poll() is None, "it ended before it could be killed"
    process.send_signal(sent)
    assert process.wait() == code
    if sent == signal.SIGTERM:
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    else:
        time.sleep(2)  # its workers notice within a second
        run_here(*options, *HERE, "--name", name)
    pd.testing.assert_frame_equal(measured(finished[0]), measured(runs / name))
    whole = sorted(path.relative_to(finished[0]) for path in finished[0].glob("converted/*/*.flac"))
    for path in whole:
        assert (runs / name / path).read_bytes() == (finished[0] / path).read_bytes(), path


def test_other_settings_for_the_same_folder_are_refused(finished: tuple[Path, str], options: list[str]) -> None:
    printed = run_here(*options, *HERE, "--name", "whole", "--set", "seed=5", code=2)
    assert "other settings: seed" in " ".join(printed.split())
    assert "Traceback" not in printed


def test_converting_two_recordings_writes_the_sources_length(
    finished: tuple[Path, str], corpus_folder: Path, tmp_path: Path
) -> None:
    files = sorted(corpus_folder.rglob("*.ogg"))
    source, targets, output = files[0], files[-2:], tmp_path / "out.wav"
    run_here("convert", "--system", "again_vc", "--run", finished[0], source, "--target", *targets, "-o", output)
    assert soundfile.info(output).samplerate == 22050
    assert soundfile.info(output).duration == pytest.approx(soundfile.info(source).duration, abs=0.7)
    wave, rate = library.convert(source, targets, system="again_vc", run=finished[0])
    assert rate == 22050
    assert np.allclose(wave, soundfile.read(output)[0], atol=1e-3)


def test_errors_are_messages_with_an_exit_code() -> None:
    command = [sys.executable, "-m", "vcbench", "run", "--systems", "again-vc"]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"COLUMNS": "140"})
    assert done.returncode == 2
    assert "Did you mean 'again_vc'" in done.stderr
    assert "Traceback" not in done.stderr
