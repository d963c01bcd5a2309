"""The headphone tests of a crowd's page: their sounds, and listeners with headphones and without who take them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.listening_crowd import Clock, make_study, states
from tests.support.listening_page import consent_and_volume, heading
from tests.support.listening_server import Server
from vcbench.listening.answers.bundle import Bundle

pytest.importorskip("uvicorn", reason="needs uvicorn and starlette: the extra `listen`")

GAP = 0.5  # seconds between intervals of one
IDS = "?PROLIFIC_PID=anna&STUDY_ID=s1"
RECORD = """() => {
  const real = vcbench.intervals;
  window.trials = [];
  vcbench.intervals = (context, test, kinds, level) => {
    const buffer = real(context, test, kinds, level);
    if (kinds.length === 3) trials.push({ kinds, buffer });
    return buffer;
  };
}"""
HEARD = """(gap) => {
  const { kinds, buffer } = trials.at(-1);
  const [left, right] = [0, 1].map((channel) => buffer.getChannelData(channel));
  const rate = buffer.sampleRate;
  const rms = (index, heard) => {
    const start = Math.round(index * (1 + gap) * rate);
    let sum = 0;
    for (let place = start; place < start + rate; place++) sum += heard(left[place], right[place]) ** 2;
    return Math.sqrt(sum / rate);
  };
  return kinds.map((kind, index) => ({
    kind, headphones: Math.max(rms(index, (l) => l), rms(index, (l, r) => r)), loudspeaker: rms(index, (l, r) => (l + r) / 2),
  }));
}"""


def answer(page: Any, listener: str, wrong: bool) -> int:
    """The interval that a listener chooses: the quietest one at the louder ear, or with a loudspeaker in the mean of both channels."""
    heard = page.evaluate(HEARD, GAP)
    found = [one["kind"] != "tone" if listener == "knows" else one[listener] for one in heard]
    return (int(np.argmin(found)) + wrong) % 3


@pytest.fixture
def bundle(bundles: dict[str, Bundle]) -> Bundle:
    return bundles["mos"]


@pytest.mark.parametrize(
    ("test", "listener", "wrong", "expected"),
    [
        ("huggins", "knows", set(), (6, 1)),
        ("huggins", "knows", {3}, (5, 2)),
        ("woods", "headphones", {3}, (5, 1)),
        ("woods", "loudspeaker", set(), (0, 2)),
    ],
)
def test_who_passes(
    page: Any, bundle: Bundle, tmp_path: Path, test: str, listener: str, wrong: set[int], expected: tuple[int, int]
) -> None:
    """Six of six with Huggins pitch, five of six quietest tones; who fails twice is stopped and sent back."""
    right, attempts = expected
    passes = attempts == 1
    target = "https://panel.example/?id={pid}&s={study}"
    study = make_study(bundle, tmp_path, Clock(), headphones="require", headphone_test=test, screened_out=target)
    with Server(bundle, tmp_path, study) as server:
        page.route("https://panel.example/**", lambda route: route.fulfill(body="back"))
        page.goto(server.address + IDS)
        page.evaluate(RECORD)
        consent_and_volume(page)
        for attempt in range(attempts):
            heading(page, "Headphone check")
            assert page.get_by_text("Some answers were wrong").count() == attempt
            page.get_by_role("button", name="Start the check").click()
            for number in range(6):
                heading(page, f"Headphone check {number + 1} of 6")
                page.get_by_role("button", name="Play Three").click()
                page.locator(".heard:not(:empty)").wait_for()
                page.get_by_role("radio").nth(answer(page, listener, number in wrong)).check()
                title = page.locator("h1").inner_text()
                page.get_by_role("button", name="Continue").click()
                page.locator("h1").filter(has_not_text=title).wait_for()
        heading(page, "What to do" if passes else "The test ends here")
        (state,) = states(tmp_path)
        assert state.headphones is not None
        assert (state.headphones.right, state.headphones.attempts) == (right, attempts)
        if not passes:
            page.wait_for_url("https://panel.example/?id=anna&s=s1")  # by itself
            page.goto(server.address + IDS)
            heading(page, "The test ends here")


def sound(scripts: Any, test: str, kind: str) -> np.ndarray:
    """(2, 44100) samples at 44.1 kHz."""
    make = "([test, kind]) => vcbench.headphoneTests[test].sound(44100, kind, 0.1).map((ear) => [...ear])"
    return np.array(scripts.evaluate(make, [test, kind]))


def test_the_huggins_pitch_is_in_the_difference_between_the_ears_only(scripts: Any) -> None:
    left, right = sound(scripts, "huggins", "plain")
    assert len(left) == 44100
    assert np.array_equal(left, right)
    tone = sound(scripts, "huggins", "tone")
    left, right = np.fft.rfft(tone)  # 1 Hz per bin
    difference = np.abs(np.angle(left / right))
    assert np.median(difference[566:634]) > 3.05  # 180 degrees, but for what the ramps smear
    assert np.mean(difference[566:634] > 2.5) > 0.9
    assert np.mean(difference[np.r_[100:550, 650:20000]] < 0.1) > 0.99
    for ear in (left, right):  # neither ear alone has a tone
        band, around = np.abs(ear[564:637]) ** 2, np.abs(ear[300:1000]) ** 2
        assert 0.5 < band.mean() / around.mean() < 2
    assert np.abs(tone[0]).max() < 1
    assert np.sqrt(np.mean(tone**2)) == pytest.approx(0.1, rel=0.05)


def test_the_quietest_tone_is_another_one_over_loudspeakers(scripts: Any) -> None:
    sounds = {kind: sound(scripts, "woods", kind) for kind in ("loud", "quiet", "antiphase")}
    for left, right in (sounds["loud"], sounds["quiet"]):
        assert np.array_equal(left, right)
        assert np.abs(np.fft.rfft(left)).argmax() == 200  # Hz
    assert sounds["quiet"] * 2 == pytest.approx(sounds["loud"], rel=0.003)  # 6 dB
    assert np.array_equal(sounds["antiphase"][0], sounds["loud"][0])
    assert not sounds["antiphase"].sum(0).any()
    middle = sounds["loud"][:, 4410:-4410]
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(0.1, rel=0.001)
