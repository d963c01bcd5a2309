"""What the report's listening section is given: which trials, recordings, pictures; and the file that is mailed."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
import soundfile
from PIL import Image
from typer.testing import CliRunner

from tests.support.made_up_run import TEXT
from tests.support.report_page import Reader
from vcbench.cli.app import app
from vcbench.reporting.leaderboard import Leaderboard
from vcbench.reporting.report import page as report_page
from vcbench.reporting.report.clips import LEVELS, RANGE, opus, peaks, spectrogram
from vcbench.reporting.report.listen import choose, spread
from vcbench.run.run import Run
from vcbench.speech import audio


def data_of(page: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Reader(page).data)
    return found


def test_every_trial_has_its_recordings_by_relative_address(page: str, run: Run) -> None:
    data = data_of(page)
    assert data["trials"] == list(run.trials["trial"])
    assert [row["name"] for row in data["rows"]] == ["source", "reference", "a<b&c", "two", "target"]
    assert data["systems"] == [2, 3]
    links = [link for row in data["recordings"] for link in row]
    assert links.count("") == 1  # the one that failed
    assert data["failures"] == [[3, 7, "<i>broken</i> in x"]]
    assert all((run.folder / unquote(link)).is_file() for link in links if link)
    assert data["recordings"][2][0] == "converted/a%3Cb%26c/t0.flac"
    assert [len(own) for own in data["clips"].values()] == [5] * 8
    for mel, shape, seconds in filter(None, (clip for own in data["clips"].values() for clip in own)):
        assert (run.folder / unquote(mel)).is_file()
        assert len(shape) > 1
        assert seconds > 0.1


def test_scores_and_transcripts_stand_beside_their_recordings(page: str, run: Run) -> None:
    data = data_of(page)
    assert [column["title"] for column in data["columns"]] == ["Similarity to target", "Word errors"]
    scores = pd.read_parquet(run.files.scores("Made")).set_index(["column", "system", "trial"])["value"]
    assert data["columns"][0]["values"][3][2] == pytest.approx(scores["similarity_x", "two", "t2"], abs=1e-4)
    assert data["columns"][1]["values"][2] == [25.0] * 8  # percent, as in the tables
    assert data["columns"][0]["values"][1] == [None] * 8
    assert data["heard"][2] == ["<u>a<b&c"] * 8
    assert data["texts"] == [TEXT] * 8


def made_up_scores(values: dict[str, tuple[float, float]]) -> pd.DataFrame:
    rows = [
        ("c", system, trial, value)
        for trial, pair in values.items()
        for system, value in zip(("a", "b"), pair, strict=True)
    ]
    return pd.DataFrame(rows, columns=["column", "system", "trial", "value"])


def test_chosen_are_trials_that_differ_most_and_the_ends() -> None:
    values = {f"t{k}": (0.5, 0.5) for k in range(20)} | {"t4": (0.1, 0.9), "t9": (0.0, 0.0), "t13": (1.0, 1.0)}
    trials = pd.DataFrame({"trial": list(values)})
    table = spread(made_up_scores(values), ["without scores", "c"], ["a", "b"])
    assert choose(trials, table, 3) == ["t4", "t9", "t13"]
    assert sorted(choose(trials, table, 99)) == sorted(values)
    assert choose(trials, spread(made_up_scores({}), ["c"], ["a", "b"]), 2) == ["t0", "t1"]


def test_the_file_that_is_mailed_holds_the_sound_of_every_recording(single: str, run: Run) -> None:
    data = data_of(single)
    links = [link for row in data["recordings"] for link in row if link]
    assert len(links) == 5 * 8 - 1
    for link in links:
        kind, coded = link.split(";base64,")
        assert kind == "data:audio/ogg"
        assert soundfile.info(io.BytesIO(base64.b64decode(coded))).subtype == "OPUS"
    assert all(clip[0].startswith("data:image/png") for own in data["clips"].values() for clip in own if clip)
    assert "This file holds 8 of the run's 8 trials" in Reader(single).text


def test_a_mailed_file_holds_as_many_trials_as_there_is_room_for(
    run: Run, full_board: Leaderboard, single: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = data_of(single)
    pictures = [len(clip[0]) + len(clip[1]) for own in data["clips"].values() for clip in own if clip]
    sound = [len(link) for row in data["recordings"] for link in row]
    monkeypatch.setattr(report_page, "EMBEDDED", 2.5 / 8 * sum(pictures + sound))
    page = report_page.render(run, full_board, single_file=True)
    assert len(data_of(page)["trials"]) == 2
    assert "This file holds 2 of the run's 8 trials" in Reader(page).text


def test_the_command_line_reports_several_runs(run: Run, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["report", str(run.folder), str(run.folder), "--single-file"])
    assert result.exit_code == 0, result.output
    assert result.output.count("report-single.html") == 2


def test_opus_sounds_like_the_wave() -> None:
    time = np.arange(22050) / 22050
    wave = (0.3 * np.sin(2 * np.pi * 440 * time)).astype(np.float32)
    decoded, rate = soundfile.read(io.BytesIO(base64.b64decode(opus(wave, 22050).split(",")[1])))
    assert abs(len(decoded) / rate - 1) < 0.05
    spectrum = np.abs(np.fft.rfft(decoded))
    assert abs(np.argmax(spectrum) * rate / len(decoded) - 440) < 3


def test_peaks_follow_the_wave() -> None:
    wave = np.concatenate([np.zeros(1600), np.full(1600, -0.5)])
    shape = peaks(wave, 0.5)
    assert set(shape[:79]) == {chr(48)}
    assert set(shape[81:]) == {chr(48 + LEVELS - 1)}


def test_a_spectrogram_has_low_bands_at_the_bottom_and_is_as_bright_as_it_is_loud() -> None:
    mel = np.full((8, 20), -9.0)
    mel[0], mel[1] = 1.0, 1.0 - RANGE / 2
    image = Image.open(io.BytesIO(spectrogram(mel, loudest=1.0)))
    levels = np.asarray(image)
    assert levels.shape == (8, 20)
    assert levels[-1].tolist() == [LEVELS - 1] * 20
    assert abs(int(levels[-2, 0]) - LEVELS / 2) <= 1
    assert (levels[:-2] == 0).all()
    assert sum(image.convert("RGB").getpixel((0, 7))) > sum(image.convert("RGB").getpixel((0, 0)))


def test_the_source_and_reference_are_those_the_systems_got(run: Run, page: str) -> None:
    data = data_of(page)
    trial = run.trials.iloc[0]
    wave = audio.read(run.folder / unquote(data["recordings"][1][0]), 22050)
    expected = run.utterance(trial["references"][0]).wave.numpy()
    np.testing.assert_allclose(wave, expected, atol=1e-4)
