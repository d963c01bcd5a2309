"""CSTR VCTK Corpus, versions 0.80 and 0.92 (Yamagishi, Veaux, MacDonald; University of Edinburgh).

0.80: ``wav48/p225/p225_001.wav``; 0.92: ``wav48_silence_trimmed/p225/p225_001_mic1.flac`` and ``_mic2.flac``. Both:
``txt/p225/p225_001.txt`` and ``speaker-info.txt``. In 0.92 mic1 is used where it exists (p280 and p315 have no mic2),
so that microphone and speaker are not confounded; p315 has no texts.
"""

from __future__ import annotations

from pathlib import Path

from vcbench.speech.corpora.layout import assemble, files, find_base, folders, read_text, sentence_beside, sex_of
from vcbench.speech.utterance import Corpus, Sex, Speaker, Utterance

LICENCE = "CC BY 4.0, CSTR VCTK Corpus, University of Edinburgh, https://doi.org/10.7488/ds/2645"
MICROPHONES = ("_mic1", "_mic2")  # the first one that exists is used


def load(root: Path | None) -> Corpus:
    """Load every speaker with at least one recording."""
    base = find_base("vctk", root, ("VCTK-Corpus-0.92", "VCTK-Corpus"), ("wav48_silence_trimmed/*", "wav48/*"))
    sexes = _sexes(base / "speaker-info.txt")
    newer = folders(base / "wav48_silence_trimmed")
    speakers = []
    for folder in newer or folders(base / "wav48"):
        recordings = _one_microphone(folder) if newer else {p.stem: p for p in files(folder, (".wav",))}
        utterances = tuple(
            Utterance(identity, folder.name, path, sentence_beside(base / "txt" / folder.name / f"{identity}.txt"))
            for identity, path in sorted(recordings.items())
        )
        speakers.append(Speaker(folder.name, utterances, sexes.get(folder.name)))
    return assemble("vctk", base, speakers, LICENCE, "wav48*/<speaker>/<utterance>.wav or .flac")


def _one_microphone(folder: Path) -> dict[str, Path]:
    """Utterance id to file."""
    found: dict[str, Path] = {}
    recordings = files(folder, (".flac",))
    for microphone in MICROPHONES:
        for path in recordings:
            if path.stem.endswith(microphone):
                found.setdefault(path.stem.removesuffix(microphone), path)
    return found


def _sexes(path: Path) -> dict[str, Sex | None]:
    """Lines such as ``225  23  F    English``; 0.92 writes p225, 0.80 omits the p."""
    if not path.is_file():
        return {}
    rows = [line.split() for line in read_text(path).splitlines()[1:]]
    sexes = {row[0]: sex_of(row[2]) for row in rows if len(row) > 2}
    return sexes | {f"p{name}": sex for name, sex in sexes.items() if name.isdecimal()}
