"""The table of everything: a line for each thing that takes time, its shares are of the peaks, what cannot be timed has a reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from vcbench.bench import table
from vcbench.bench.everything import Measured, Sizes, every_metric, measure
from vcbench.run import config

SIZES = Sizes(steps=1, repeats=1, conversions=3, seconds=0.7)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    values = config.resolve("tiny")
    settings = config.parse(values | {"systems": {"again_vc": values["systems"]["again_vc"]}})
    metrics: dict[str, dict[str, Any]] = {"prosody": {}, "speaker_similarity_ecapa": {}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path_factory.mktemp("empty")))
        return measure({"tiny": settings}, metrics, SIZES, 1, False, lambda *_: None)


def test_every_part_of_a_run_is_timed_and_what_is_not_here_has_its_reason(found: Measured) -> None:
    assert [(line.work, line.unit) for line in found.lines] == [
        ("train again_vc", "steps/s"),
        ("convert again_vc", "RTF"),
        ("convert again_vc", "RTF"),
        ("vocode again_vc's mels (source-filter)", "RTF"),
        ("write FLAC", "RTF"),
        ("read FLAC to 16 kHz", "RTF"),
        ("score prosody", "utterances/min"),
    ]
    assert found.missing.keys() == {"score speaker_similarity_ecapa"}
    assert all(line.rate > 0 and line.memory > 2**20 for line in found.lines)
    training, alone, batch, *_, scoring = found.lines
    assert training.rate == pytest.approx(1 / training.seconds)
    assert scoring.rate == pytest.approx(60 / scoring.seconds)
    assert alone.operations == batch.operations
    assert alone.moved is not None
    assert batch.moved is not None
    assert alone.moved > batch.moved  # weights are read for each utterance


def test_the_page_has_the_table_and_says_how_it_was_measured(found: Measured, tmp_path: Path) -> None:
    path = table.write(tmp_path, "Made-up device (1 x 2)", found, SIZES, 1, "Another process ran beside it.")
    assert path.name == "made-up-device-1-x-2.md"
    text = path.read_text()
    for line in found.lines:
        assert line.work in text
    assert "Another process ran beside it." in text
    assert "Not timed: score speaker_similarity_ecapa." in text
    titles, training, *_ = table.rows(found)
    assert found.lines[0].operations is not None
    share = found.lines[0].operations / found.lines[0].seconds / found.peaks["float32"]
    assert training[titles.index("of the peak")] == f"{share:.1%}"


def test_numbers_have_prefixes() -> None:
    assert [table.scaled(number) for number in (0.5, 12, 1234, 5.678e9, 2e13)] == [
        "0.5 ",
        "12 ",
        "1.23 k",
        "5.68 G",
        "20 T",
    ]


def test_a_preset_s_options_of_a_metric_are_kept_and_others_are_added() -> None:
    metrics = every_metric(config.parse(config.resolve("quick")))
    assert metrics["word_error_rate"]["window"] == 15.0
    assert metrics["prosody"] == {}
