"""CHECKS.md: what was measured of masters and corpus, as a page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import soundfile

from vcbench.base.nouns import counted
from vcbench.speech.corpora.mini import VERSION, Voice, read_sayings, read_voices
from vcbench.speech.corpora.mini.make.measure import Vectors, closest_pair, equal_error_rate
from vcbench.speech.corpora.mini.make.measured import SAMPLE, Measured


def page(measured: Mapping[str, Measured], people: dict[str, Vectors], audio: Path) -> str:
    """
    Args:
        people: centres of real speakers.
        audio: the folder of the corpus's recordings.
    """
    voices = read_voices()
    return "\n".join(
        [*_summary(measured, people), "", *_size(audio), "", *_coding(measured), "", *_table(voices, measured), ""]
    )


def _summary(measured: Mapping[str, Measured], people: dict[str, Vectors]) -> list[str]:
    centres = {speaker: one.centre for speaker, one in measured.items()}
    cosine, first, second = closest_pair(centres)
    real, one, other = closest_pair(people)
    worst = max(measured, key=lambda speaker: _rate(measured[speaker].words))
    everything = np.concatenate([own.words for own in measured.values()])
    opinions = np.concatenate([own.opinions for own in measured.values()])
    return [
        f"# Checks of the corpus `mini`, version {VERSION}",
        "",
        "Written by `python -m vcbench.speech.corpora.mini.make check`. GE2E is resemblyzer's encoder; its cosines are between the "
        "mean embeddings of two speakers. Words are recognised by Whisper tiny.en (int8). DistillMOS goes from 1 to 5 and is "
        f"measured on {SAMPLE} recordings of each speaker.",
        "",
        "| | |",
        "|---|---|",
        f"| speakers, recordings | {len(measured)}, {len(everything)} |",
        f"| GE2E equal error rate, any two recordings | {equal_error_rate(_vectors(measured)):.2%} |",
        f"| closest two speakers | {cosine:.3f} ({first}, {second}) |",
        f"| closest two of {counted(len(people), 'real speaker')} of librispeech-mini | {real:.3f} ({one}, {other}) |",
        f"| word error rate, all | {_rate(everything):.1%} |",
        f"| word error rate, worst speaker | {_rate(measured[worst].words):.1%} ({worst}) |",
        f"| DistillMOS, median of recordings | {np.median(opinions):.2f} |",
    ]


def _vectors(measured: Mapping[str, Measured]) -> dict[str, list[Vectors]]:
    return {speaker: list(one.vectors) for speaker, one in measured.items()}


def _rate(words: np.ndarray) -> float:
    return float(words[:, 0].sum() / words[:, 1].sum())


def _size(audio: Path) -> list[str]:
    files = [saying.file(audio) for saying in read_sayings()]
    seconds = [soundfile.info(file).duration for file in files]
    size = sum(file.stat().st_size for file in files)
    return [
        f"The recordings take {size / 1e6:.1f} MB ({size / len(files) / 1000:.1f} kB each, "
        f"{8 * size / sum(seconds) / 1000:.0f} kbit/s) and last {sum(seconds) / 60:.0f} minutes: "
        f"{np.mean(seconds):.1f} s each, {min(seconds):.1f} to {max(seconds):.1f} s."
    ]


def _coding(measured: Mapping[str, Measured]) -> list[str]:
    own = list(measured.values())
    same = np.concatenate([np.sum(one.vectors[one.sample] * one.master_vectors, axis=1) for one in own])
    before = {speaker: list(one.master_vectors) for speaker, one in measured.items()}
    after = {speaker: list(one.vectors[one.sample]) for speaker, one in measured.items()}
    words = [np.concatenate(part) for part in ([o.master_words for o in own], [o.words[o.sample] for o in own])]
    opinions = [np.concatenate(part) for part in ([o.master_opinions for o in own], [o.opinions for o in own])]
    return [
        "## What the coding costs",
        f"{SAMPLE} recordings of each speaker, before (FLAC) and after (Ogg Opus). The GE2E embedding of a recording and that of its "
        f"master have a cosine of {same.mean():.3f} on average, {same.min():.3f} at least.",
        "",
        "| | before | after |",
        "|---|---|---|",
        f"| GE2E equal error rate | {equal_error_rate(before):.2%} | {equal_error_rate(after):.2%} |",
        f"| word error rate | {_rate(words[0]):.1%} | {_rate(words[1]):.1%} |",
        f"| DistillMOS, mean | {opinions[0].mean():.2f} | {opinions[1].mean():.2f} |",
        f"| DistillMOS, median | {np.median(opinions[0]):.2f} | {np.median(opinions[1]):.2f} |",
    ]


def _table(voices: list[Voice], measured: Mapping[str, Measured]) -> list[str]:
    names = [voice.id for voice in voices]
    centres = np.stack([measured[name].centre for name in names])
    cosines = centres @ centres.T - 2 * np.eye(len(names))
    lines = [
        "## Speakers",
        "| speaker | sex | seen | WER (%) | DistillMOS | closest other speaker |",
        "|---|---|---|---|---|---|",
    ]
    for row, voice in enumerate(voices):
        own = measured[voice.id]
        nearest = int(cosines[row].argmax())
        lines.append(
            f"| {voice.id} | {voice.sex} | {'yes' if voice.seen else 'no'} | {100 * _rate(own.words):.1f} | "
            f"{own.opinions.mean():.2f} | {names[nearest]} ({cosines[row, nearest]:.2f}) |"
        )
    return lines
