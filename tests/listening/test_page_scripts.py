"""The page's scripts, called directly: switching, coverage, checksums."""

from __future__ import annotations

import hashlib
from typing import Any

from vcbench.listening.answers.session import checksum

SWITCH = """async () => {
  const rate = 48000;
  const context = new OfflineAudioContext(1, rate, rate);
  const resume = context.resume.bind(context);
  context.resume = () => {};
  const level = (value) => {
    const buffer = context.createBuffer(1, 0.3 * rate, rate);
    buffer.getChannelData(0).fill(value);
    return buffer;
  };
  const player = new vcbench.Player(context, true);
  player.add("a", level(0.5), { plays: 0, heard: false });
  player.add("b", level(0.25), { plays: 0, heard: false });
  player.play("a");
  context.suspend(0.4).then(() => { player.play("b"); resume(); });
  const rendered = (await context.startRendering()).getChannelData(0);
  clearInterval(player.timer);
  return Array.from(rendered);
}"""


def test_switching_in_mushra_has_no_gap_and_no_click(scripts: Any) -> None:
    """Two clips of constant level, looping every 0.3 s: only the switch at 0.4 s may change the output, for 10 ms."""
    rendered = scripts.evaluate(SWITCH)
    started, switched, settled = round(0.02 * 48000), round(0.4 * 48000), round(0.411 * 48000)
    assert set(rendered[started:switched]) == {0.5}
    assert set(rendered[settled:]) == {0.25}
    steps = [abs(after - before) for before, after in zip(rendered[started:], rendered[started + 1 :], strict=False)]
    assert 0.001 < max(steps) < 0.005
    assert sum(sample < 0.01 for sample in rendered[switched:settled]) < 48  # 1 ms


def test_a_clip_is_heard_when_all_of_it_was(scripts: Any) -> None:
    heard = scripts.evaluate(
        """() => [[[0, 2]], [[0, 1]], [[1, 2]], [[0, 1], [1, 2]], [[1, 2], [0, 1]], [[0, 0.9], [1, 2]],
             [[0, 0.5], [1.5, 2], [0.4, 1.6]]].map((spans) => {
          const coverage = new vcbench.Coverage();
          spans.forEach(([from, to]) => coverage.add(from, to));
          return coverage.covers(2);
        })"""
    )
    assert heard == [True, False, False, True, True, False, True]


def test_the_checksum_is_the_one_of_everywhere(scripts: Any) -> None:
    texts = ["", "abc", *("x" * length for length in (54, 55, 56, 63, 64, 65, 1000)), 'ü "\\\n\u2028😀\x01\x7f']
    assert scripts.evaluate("texts => texts.map(vcbench.sha256)", texts) == [
        hashlib.sha256(text.encode()).hexdigest() for text in texts
    ]
    document = {"b": [1, None, True, {"z": texts[-1], "a": []}], "a": {"é": -5, "e": "x"}, "checksum": "not included"}
    inside = {key: value for key, value in document.items() if key != "checksum"}
    assert scripts.evaluate("d => vcbench.sha256(vcbench.canonical(d))", inside) == checksum(document)
