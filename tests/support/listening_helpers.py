"""A finished run with short synthetic speech, and sessions that answer a bundle built from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import soundfile
import yaml

from tests.support.made_speech import speechlike
from tests.support.recordings import FakeRun
from vcbench.api.conversion import Conversion
from vcbench.listening.answers.bundle import Bundle
from vcbench.listening.answers.session import canonical, checksum
from vcbench.listening.options import Options
from vcbench.speech.utterance import Speaker, Utterance

RATE = 22050


SYSTEMS = ["flowvc", "again_vc", "third_system"]


ROWS = [*SYSTEMS, "source", "oracle", "target", "world"]


SMALL = Options(items=2, listeners=2, per_item=2, training=1)
CONDITIONS = ["seen->seen", "seen->unseen"]


def make_run(folder: Path, same_words: bool = True, seconds: float = 0.8, trials: int = 6) -> FakeRun:
    utterances, rows, conversions = {}, [], []
    for index in range(trials):
        source, target = f"a{index}", f"b{index}"
        for identity, speaker, pitch, rate in [
            (source, "anna", 210, 16000), (target, "bert", 110, 44100), (f"e{index}", "bert", 115, 24000),
            (f"r{index}", "bert", 120, 22050),
        ]:  # fmt: skip
            path = folder / "corpus" / f"{identity}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, speechlike(seconds + 0.1 * index, pitch + index, rate, 0.4), rate)
            text = f"Sentence number {index}." if same_words or speaker == "anna" else f"Other words {identity}."
            utterances[identity] = Utterance(identity, speaker, path, text)
        trial = f"t{index:04d}"
        rows.append(
            {
                "trial": trial, "condition": CONDITIONS[index % 2], "source": source, "source_speaker": "anna",
                "target_speaker": "bert", "references": [f"r{index}"], "enrolment": [f"e{index}"], "target_utterance": target,
            }
        )  # fmt: skip
        for number, row in enumerate(ROWS):
            path = folder / "converted" / row / f"{trial}.flac"
            path.parent.mkdir(parents=True, exist_ok=True)
            wave = speechlike(seconds + 0.1 * index + 0.05 * number, 150 + 20 * number, RATE, 0.05 + 0.13 * number)
            soundfile.write(path, wave, RATE, subtype="PCM_16")
            conversions.append(
                Conversion(
                    row, trial, CONDITIONS[index % 2], path, "hash", utterances[source], utterances[source],
                    Speaker("bert", (utterances[f"r{index}"],)), (utterances[f"e{index}"],),
                )
            )  # fmt: skip
    return FakeRun(
        folder=folder,
        trials=pd.DataFrame(rows),
        conversions=conversions,
        utterances=utterances,
        systems=list(SYSTEMS),
        rows=list(ROWS),
    )


def make_session(bundle: Bundle, listener: int = 1, session: int = 1, rating: int | None = 3) -> dict[str, Any]:
    """A session as the page writes it, with the same rating for every clip and without a checksum."""
    time = "2030-01-02T03:04:05.678Z"

    def answers(showings: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [
            {
                "page": shown["page"], "clip": clip, "position": place, "rating": rating, "plays": 1, "heard": True,
                "shown": time, "rated": None if rating is None else time,
            }
            for shown in showings
            for place, clip in enumerate(shown["order"])
        ]  # fmt: skip

    sheet = bundle.sheets[str(listener)]
    return {
        "format": 1, "bundle": bundle.manifest["id"], "test": bundle.manifest["test"], "listener": listener,
        "session": f"{session:032x}", "language": "en", "consented": time, "started": time, "ended": time,
        "answers": answers([shown for one in sheet["rounds"] for shown in one]), "training": answers(sheet["training"]),
    }  # fmt: skip


def signed(document: dict[str, Any]) -> bytes:
    """A session with its checksum, as sent."""
    return canonical({**document, "checksum": checksum(document)})


def read_package(package: Path, listener: int = 1) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Manifest, key, and one listener's webMUSHRA configuration, empty if webMUSHRA cannot run the test."""
    manifest = json.loads((package / "manifest.json").read_text())
    key = json.loads((package.with_name(f"{package.name}.key") / "key.json").read_text())
    path = package / "webmushra" / f"listener_{listener:03d}.yaml"
    config = yaml.safe_load(path.read_text()) if path.is_file() else {}
    return manifest, key, config
