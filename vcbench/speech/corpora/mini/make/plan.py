"""Choose speakers among the screened voices, and what each of them says, how fast and how loud."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from vcbench.base.errors import UserError
from vcbench.base.files import whole_file
from vcbench.base.nouns import counted
from vcbench.speech.corpora.mini import HERE
from vcbench.speech.corpora.mini.make.pool import Pool, read_pool
from vcbench.speech.corpora.mini.make.screen import Screened, read_screening

SEED = 2
OF_EACH_SEX = 17
UNSEEN_OF_EACH_SEX = 4
OWN_SENTENCES = 40
LARGEST_WER = 0.08
LEAST_DISTILLMOS = 3.4
WHISPERED = {"af_nicole"}  # 27% of its frames are voiced; of the others, half or more
LARGEST_COSINE = 0.895  # of GE2E: the closest pair of the 261 speakers of librispeech-mini
SPEEDS = (0.9, 1.1)
LEVELS = (-26.0, -20.0)  # dB


def plan(work: Path, folder: Path = HERE) -> None:
    """Write `speakers.tsv`, `sentences.tsv` and `utterances.tsv` to `folder`."""
    pool = read_pool()
    unseen, seen = choose(read_screening(work))
    speakers = [(voice, True) for voice in alternating(seen)] + [(voice, False) for voice in alternating(unseen)]
    ids = {text: f"p{number:02d}" for number, (_, text) in enumerate(pool.parallel, 1)}
    ids |= {text: f"s{number:03d}" for number, text in enumerate(pool.others, 1)}
    names = [voice.voice.replace("_", "-") for voice, _ in speakers]
    _write(
        folder / "speakers.tsv",
        ("id", "recipe", "sex", "seen"),
        ((name, voice.voice, voice.sex, _flag(seen)) for name, (voice, seen) in zip(names, speakers, strict=True)),
    )
    _write(
        folder / "sentences.tsv",
        ("id", "parallel", "held_out", "text"),
        [(ids[text], "yes", _flag(held_out), text) for held_out, text in pool.parallel]
        + [(ids[text], "no", "no", text) for text in pool.others],
    )
    _write(folder / "utterances.tsv", ("speaker", "sentence", "speed", "level"), _utterances(names, pool, ids))


def choose(screened: Sequence[Screened]) -> tuple[list[Screened], list[Screened]]:
    """Unseen and seen voices: the most natural of each sex among those that pass; every fourth of them is unseen.

    Raises:
        UserError: too few pass.
    """
    unseen: list[Screened] = []
    seen: list[Screened] = []
    for sex in "FM":
        best = _apart(
            sorted((one for one in screened if one.sex == sex and _passes(one)), key=lambda one: -one.distillmos)
        )
        if len(best) < OF_EACH_SEX:
            raise UserError(f"{counted(len(best), 'voice')} of sex {sex} pass the screening; {OF_EACH_SEX} are needed.")
        best = best[:OF_EACH_SEX]
        unseen += best[::4][:UNSEEN_OF_EACH_SEX]
        seen += [one for one in best if one not in unseen]
    return unseen, seen


def alternating(voices: Sequence[Screened]) -> list[Screened]:
    """A woman, a man, and so on, each in the order of their names, so that the first few speakers are of both sexes."""
    women, men = (sorted((one for one in voices if one.sex == sex), key=lambda one: one.voice) for sex in "FM")
    return [one for pair in zip(women, men, strict=True) for one in pair]


def _passes(one: Screened) -> bool:
    return one.wer < LARGEST_WER and one.distillmos >= LEAST_DISTILLMOS and one.voice not in WHISPERED


def _apart(ordered: Iterable[Screened]) -> list[Screened]:
    """Leave out what is too close to one before it."""
    kept: list[Screened] = []
    for one in ordered:
        if all(float(one.centre @ other.centre) < LARGEST_COSINE for other in kept):
            kept.append(one)
    return kept


def _utterances(names: Sequence[str], pool: Pool, ids: dict[str, str]) -> list[tuple[str, str, str, str]]:
    random = np.random.default_rng(SEED)
    rows = []
    for name, own in zip(names, spread(pool.others, len(names), random), strict=True):
        for text in [*(text for _, text in pool.parallel), *own]:
            speed, level = random.uniform(*SPEEDS), random.uniform(*LEVELS)
            rows.append((name, ids[text], f"{speed:.2f}", f"{level:.1f}"))
    return rows


def spread(texts: Sequence[str], speakers: int, random: np.random.Generator) -> list[list[str]]:
    """`OWN_SENTENCES` texts for each speaker; every text is said equally often, give or take one."""
    uses = np.zeros(len(texts), dtype=int)
    drawn = []
    for _ in range(speakers):
        order = np.lexsort((random.random(len(texts)), uses))[:OWN_SENTENCES]
        uses[order] += 1
        drawn.append([texts[index] for index in random.permutation(order)])
    return drawn


def _flag(value: bool) -> str:
    return "yes" if value else "no"


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    with whole_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE)
        table.writerow(header)
        table.writerows(rows)
