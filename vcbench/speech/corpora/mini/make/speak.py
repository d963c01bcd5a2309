"""Write the masters: every utterance of `utterances.tsv` as a FLAC file of 16 bits at 24 kHz."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import TypeVar

import soundfile

from vcbench.base.files import whole_file
from vcbench.speech.corpora.mini import read_sayings, read_sentences, read_voices
from vcbench.speech.corpora.mini.make.kokoro import RATE, Kokoro, at_level

MASTER = ".flac"

Item = TypeVar("Item")
Line = tuple[Path, str, dict[str, float], float, float]  # file, text, recipe, speed, level


def speak(synthesiser: Path, masters: Path, processes: int, report: Callable[[int, int], None]) -> None:
    """Speak what is not in `masters` yet, in the order of the table, so that all speakers grow together."""
    texts = {sentence.id: sentence.text for sentence in read_sentences()}
    recipes = {voice.id: voice.recipe for voice in read_voices()}
    order = by_turns([(saying.speaker, saying) for saying in read_sayings()])
    lines = [
        (saying.file(masters, MASTER), texts[saying.sentence], recipes[saying.speaker], saying.speed, saying.level)
        for saying in order
    ]
    say_all(synthesiser, lines, processes, report)


def by_turns(items: Iterable[tuple[str, Item]]) -> list[Item]:
    """The first item of every owner, then the second of each, and so on."""
    own: dict[str, list[Item]] = {}
    for owner, item in items:
        own.setdefault(owner, []).append(item)
    longest = max(map(len, own.values()))
    return [mine[turn] for turn in range(longest) for mine in own.values() if turn < len(mine)]


def say_all(synthesiser: Path, lines: Sequence[Line], processes: int, report: Callable[[int, int], None]) -> None:
    """Write the lines whose files do not exist."""
    missing = [line for line in lines if not line[0].is_file()]
    done = len(lines) - len(missing)
    report(done, len(lines))
    with ProcessPoolExecutor(processes, initializer=_start, initargs=(synthesiser,)) as pool:
        for count, job in enumerate(as_completed([pool.submit(_say, line) for line in missing]), done + 1):
            job.result()
            report(count, len(lines))


def _start(synthesiser: Path) -> None:
    global _kokoro
    _kokoro = Kokoro(synthesiser)


_kokoro: Kokoro


def _say(line: Line) -> None:
    file, text, recipe, speed, level = line
    wave = at_level(_kokoro(text, recipe, speed), level)
    with whole_file(file) as path:
        soundfile.write(path, wave, RATE, format="FLAC", subtype="PCM_16")
