"""The report's plots: what they show, and that their colours can be told apart."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from vcbench.api.scores import Column
from vcbench.reporting.report.plots import bands, cosines, intervals, trade_off
from vcbench.reporting.report.style import COLOURS, SERIES, bound, looks, new
from vcbench.reporting.report.trial_plots import SPEAKERS, distributions, speaker_pairs
from vcbench.speech.features.mel import centres
from vcbench.speech.features.settings import MelSettings

SHARE = Column("t", True, 1, percent=True)


def labels(svg: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


def test_plots_take_their_colours_from_the_page(page: str) -> None:
    drawn = "".join(re.findall(r"<svg role.*?</svg>", page, re.DOTALL))
    assert "var(--series-1)" in drawn
    assert not [light for light, _ in COLOURS.values() if light in drawn]
    assert all(f"--{name}: {dark}" in page for name, (_, dark) in COLOURS.items())


# Machado, Oliveira and Fernandes (2009), severity 1, for linear RGB.
BLINDNESS = {
    "none": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def linear(colour: str) -> np.ndarray:
    rgb = np.asarray(to_rgb(colour))
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    matrix = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    xyz = np.asarray(matrix) @ np.clip(rgb, 0, 1) / [0.9505, 1.0, 1.089]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("blindness", BLINDNESS)
@pytest.mark.parametrize("theme", [0, 1])
def test_colours_of_systems_can_be_told_apart(blindness: str, theme: int) -> None:
    seen = {name: lab(np.asarray(BLINDNESS[blindness]) @ linear(COLOURS[name][theme])) for name in SERIES}
    distances = {
        pair: float(np.linalg.norm(seen[pair[0]] - seen[pair[1]])) for pair in itertools.combinations(SERIES, 2)
    }
    closest = min(distances, key=distances.__getitem__)
    assert distances[closest] > 10, closest


@pytest.mark.parametrize(("theme", "page"), [(0, "#ffffff"), (1, "#1a202a")])
def test_colours_stand_out_from_the_page(theme: int, page: str) -> None:
    def luminance(colour: str) -> float:
        return float([0.2126, 0.7152, 0.0722] @ linear(colour))

    for name in ("ink", "muted", *SERIES):
        low, high = sorted((luminance(COLOURS[name][theme]), luminance(page)))
        assert (high + 0.05) / (low + 0.05) >= (4.5 if name in ("ink", "muted") else 2.9), name


def test_a_system_looks_the_same_in_every_plot_and_unlike_the_others() -> None:
    found = looks([f"s{k}" for k in range(8)], ["source"])
    assert len({(look.variable, look.marker) for look in found.values()}) == 9
    cells = pd.DataFrame({"system": ["s2"], "mean": [0.5], "low": [0.4], "high": [0.6]})
    errors = {"s2": np.array([0.1, 0.2, 0.3])}
    for svg in (
        intervals(cells, SHARE, found),
        bands(errors, SHARE, np.array([1.0, 2.0, 3.0]), found),
        distributions(pd.DataFrame({"system": ["s2"] * 3, "value": [0.1, 0.2, 0.4]}), SHARE, found),
    ):
        assert set(re.findall(r"--series-\d", svg)) == {"--series-3"}


def test_an_interval_plot_names_its_rows_and_leaves_out_those_without_a_value() -> None:
    cells = pd.DataFrame({"system": ["one", "source"], "mean": [0.5, 0.4], "low": [0.4, np.nan], "high": [0.6, np.nan]})
    texts = labels(intervals(cells, SHARE, looks(["one", "two"], ["source"])))
    assert "one" in texts
    assert "two" not in texts
    assert "50" in texts  # percent, as in the tables


@pytest.mark.parametrize(
    ("column", "values", "least", "most"),
    [
        (SHARE, [100.0, 100.0, 99.0], -4, 104),  # not 96 to 104
        (SHARE, [0.0, 0.0], -4, 104),
        (SHARE, [20.0, 60.0], 18, 62),
        (SHARE, [80.0, 180.0], 75, 185),  # more words wrong than there are
        (Column("t", True), [0.5, 0.5], 0, 0.61),
        (Column("t", True), [0.2, 0.4], 0.18, 0.42),
    ],
)
def test_axes_have_limits_that_mean_something(column: Column, values: list[float], least: float, most: float) -> None:
    _, (axis,) = new(1)
    bound(axis, column, values)
    low, high = axis.get_xlim()
    assert least <= low <= min(values)
    assert max(values) <= high <= most


def test_cosines_that_are_all_the_same_are_drawn() -> None:
    cells = pd.DataFrame({"system": ["one"], "mean": [1.0], "low": [1.0], "high": [1.0]})
    svg = cosines([1.0, 1.0], [1.0], 1.0, cells, Column("t", True), looks(["one"], []))
    assert "threshold" in svg


def test_one_column_against_another_has_rows_with_both() -> None:
    table = [("x", "one", 0.5), ("y", "one", 0.1), ("x", "two", 0.7), ("x", "source", 0.2), ("y", "source", 0.0)]
    cells = pd.DataFrame(table, columns=["column", "system", "mean"])
    cells = cells.assign(low=cells["mean"] - 0.1, high=cells["mean"] + 0.1)
    svg = trade_off(cells, Column("X", True), SHARE, ("x", "y"), looks(["one", "two"], ["source"]))
    assert {"one", "source", "X → higher is better", "↑ higher is better"} <= {
        text.split("t ")[-1] for text in labels(svg)
    }
    assert "two" not in labels(svg)


def made_up_pairs(speakers: int) -> pd.DataFrame:
    names = [f"p{k}" for k in range(speakers)]
    rows = [("one", a, b, 0.5) for a in names for b in names if a != b]
    return pd.DataFrame(rows, columns=["system", "source_speaker", "target_speaker", "value"])


def test_pairs_of_speakers_are_drawn_if_their_names_can_be_read() -> None:
    svg = speaker_pairs(made_up_pairs(3), SHARE, ["one", "two"])
    assert svg is not None
    assert labels(svg).count("p1") == 2
    assert "two" not in labels(svg)
    assert speaker_pairs(made_up_pairs(SPEAKERS + 1), SHARE, ["one"]) is None
    assert speaker_pairs(made_up_pairs(3)[:0], SHARE, ["one"]) is None


@pytest.mark.parametrize("trials", [5, 500])
def test_many_trials_do_not_make_a_plot_heavy(trials: int) -> None:
    values = np.random.default_rng(0).normal(0.5, 0.1, 2 * trials)
    scores = pd.DataFrame({"system": ["one", "two"] * trials, "value": values})
    svg = distributions(scores, Column("t", True), looks(["one", "two"], []), zero="the same")
    assert {"one", "two", "the same"} <= set(labels(svg))
    assert len(svg) < 60_000


def test_marks_of_a_register_are_octaves_apart() -> None:
    scores = pd.DataFrame({"system": ["one"] * 4, "value": [-20.0, -3.0, 5.0, 20.0]})
    found = labels(distributions(scores, Column("t", None), looks(["one"], []), zero="the target's", tick=12))
    assert [mark for mark in found if mark[-1].isdigit()] == ["\N{MINUS SIGN}12", "0", "12"]


def test_the_centres_of_mel_bands_rise_to_the_highest_frequency() -> None:
    settings = MelSettings()
    found = centres(settings)
    assert found.shape == (settings.n_mels,)
    assert (np.diff(found) > 0).all()
    assert 0.9 * (settings.high or settings.sampling_rate / 2) < found[-1] <= settings.sampling_rate / 2
