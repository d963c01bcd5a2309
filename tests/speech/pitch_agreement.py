"""How fast trackers of F0 are on one thread, and how far they agree, on the embedded corpus or a folder of recordings.

    python tests/speech/pitch_agreement.py --utterances 30
    python tests/speech/pitch_agreement.py --recordings FOLDER --utterances 30

"dio" and "harvest" are the methods of `PitchSettings`; "crepe-tiny" and "crepe-full" (Kim et al. 2018, by torchcrepe, whose
package has the weights) are there if torchcrepe is installed. Of each pair of trackers: the share of frames that one calls voiced
and the other does not; among the frames that both call voiced the gross errors, where F0 differs by more than a fifth; and
the median difference of the others. Where two agree and a third does not, the third is probably wrong: "alone" is the share of
frames in which a tracker's voicing is that of no other.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from importlib.util import find_spec
from itertools import combinations
from pathlib import Path

import numpy as np
import torch

from vcbench.speech import audio
from vcbench.speech.corpora import load_corpus
from vcbench.speech.features.pitch import pitch
from vcbench.speech.features.settings import MelSettings, PitchSettings

MEL = MelSettings()
RATE = MEL.sampling_rate
GROSS = 0.2
CREPE_RATE, CREPE_HOP = 16_000, 160
CREPE_VOICED = 0.21  # periodicity; the threshold that torchcrepe's documentation uses
Contour = tuple[np.ndarray, np.ndarray]  # log-F0 and voicing, as of `pitch`
Tracker = Callable[[np.ndarray], Contour]


def world(method: str) -> Tracker:
    return lambda wave: pitch(wave.astype(np.float64), PitchSettings(method=method), MEL)


def crepe(size: str) -> Tracker:
    import torchcrepe

    low, high = PitchSettings().low, PitchSettings().high

    def track(wave: np.ndarray) -> Contour:
        samples = torch.from_numpy(audio.resample(wave, RATE, CREPE_RATE))[None]
        f0, periodicity = torchcrepe.predict(
            samples, CREPE_RATE, CREPE_HOP, low, high, size, batch_size=256, return_periodicity=True
        )
        periodicity = torchcrepe.filter.median(periodicity, 3)[0].numpy()
        times = (np.arange(len(wave) // MEL.hop) + 0.5) * MEL.hop / RATE
        nearest = (times * CREPE_RATE / CREPE_HOP).round().astype(int).clip(max=len(periodicity) - 1)
        voiced = periodicity[nearest] > CREPE_VOICED
        return np.where(voiced, np.log(f0[0].numpy()[nearest]), 0.0), voiced

    return track


def waves(folder: Path | None, count: int) -> list[np.ndarray]:
    """Recordings of as many speakers as there are, trimmed."""
    if folder is None:
        paths = [own.utterances[0].path for own in load_corpus("mini").speakers]
    else:
        paths = sorted(path for kind in ("flac", "wav") for path in folder.rglob(f"*.{kind}"))
    chosen = np.random.default_rng(0).permutation(len(paths))[:count]
    return [audio.trim_silence(audio.read(paths[index], RATE), RATE) for index in sorted(chosen)]


def compare(first: Contour, second: Contour) -> str:
    both = first[1] & second[1]
    ratio = np.exp(np.abs(first[0][both] - second[0][both])) - 1
    fine = ratio[ratio <= GROSS]
    return (
        f"voicing differs in {np.mean(first[1] != second[1]):.1%} of frames, gross errors {np.mean(ratio > GROSS):.2%}, "
        f"median of the others {1200 * np.log2(1 + np.median(fine)):.1f} cents"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recordings", type=Path, help="folder; by default the embedded corpus")
    parser.add_argument("--utterances", type=int, default=30)
    known = ["dio", "harvest", *(["crepe-tiny", "crepe-full"] if find_spec("torchcrepe") else [])]
    parser.add_argument("--trackers", nargs="+", default=known, choices=known)
    given = parser.parse_args()
    torch.set_num_threads(1)
    trackers = {name: crepe(name[6:]) if name.startswith("crepe") else world(name) for name in given.trackers}
    spoken = waves(given.recordings, given.utterances)
    seconds = sum(map(len, spoken)) / RATE
    print(f"{len(spoken)} recordings, {seconds:.0f} s, of {given.recordings or 'the embedded corpus'}")
    found: dict[str, Contour] = {}
    for name, track in trackers.items():
        track(spoken[0][:RATE])  # loads what it needs
        begun = time.process_time()
        parts = [track(wave) for wave in spoken]
        factor = (time.process_time() - begun) / seconds
        found[name] = np.concatenate([f0 for f0, _ in parts]), np.concatenate([voiced for _, voiced in parts])
        print(
            f"{name}: {factor:.4f} s of one core for a second of speech; {found[name][1].mean():.1%} voiced", flush=True
        )
    for first, second in combinations(found, 2):
        print(f"{first} and {second}: {compare(found[first], found[second])}")
    votes = np.stack([voiced for _, voiced in found.values()])
    if len(votes) > 2:
        for name, (_, voiced) in found.items():
            print(f"{name} alone in its voicing: {np.mean((votes == voiced).sum(0) == 1):.1%} of frames")


if __name__ == "__main__":
    main()
