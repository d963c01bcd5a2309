"""A webMUSHRA configuration that webMUSHRA's own parser reads.

Its parser knows a part of YAML: nested blocks must not begin on their parent's line, escapes beyond \\" and \\\\ come out
wrong, and flow collections must not be broken over lines. So a top-level key stands on its line, and every page is
JSON on one line, with its letters as they are.

webMUSHRA adds the hidden reference to a `mushra` page by itself and calls it ``reference`` in its results; every other
clip is known by its code. Only its `mushra` results carry a session, hence the required `listener_id`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from vcbench.listening.design import KINDS, Design

NAMES = {"mos": "Naturalness", "similarity": "Speaker similarity", "mushra": "Comparison"}
INSTRUCTIONS = {
    "mos": "You will hear one recording at a time. Listen to its end, then say how natural it sounds: like a person "
    "speaking, or distorted and artificial. What is said, and the quality of the room, do not matter.",
    "similarity": "Each page has a recording of a speaker, and below it a second recording. Listen to both to their ends, "
    "then say whether they could be of the same speaker. What is said, and how good the recordings sound, do not matter.",
    "mushra": "Each page has a reference and several recordings, one of which is the reference again. Say of each how "
    "close it is to the reference. You may switch between them as often as you like.",
}


def configuration(design: Design, identity: str, pages: list[dict[str, Any]], volume: str) -> dict[str, Any]:
    """The configuration of a package that lies in webMUSHRA's ``configs/<identity>/``.

    Args:
        identity: the package's id.
        pages: of the manifest: `id`, `stimuli` (codes), `reference` (a code or None).
        volume: code of the clip to set the volume by.
    """

    def path(code: str) -> str:
        return f"configs/{identity}/audio/{code}.wav"

    name, instruction = NAMES[design.kind], INSTRUCTIONS[design.kind]
    opening: list[Any] = [{"type": "generic", "id": "instructions", "name": name, "content": instruction}]
    if design.kind == "similarity":
        # Its recordings of the speaker are played by the browser, on which webMUSHRA's own volume has no effect.
        opening[0]["content"] += f" Set your device's volume by this recording. {_player(path(volume))}"
    else:
        content = "Play the recording and set a volume that is comfortable. Do not change it afterwards."
        opening.append(
            {
                "type": "volume", "id": "volume", "name": "Volume", "content": content, "stimulus": path(volume),
                "defaultVolume": 0.5,
            }
        )  # fmt: skip
    rated = [_page(design, page, path) for page in pages]
    return {
        "testname": name,
        "testId": identity,
        "language": "en",
        "bufferSize": 2048,
        "stopOnErrors": True,
        "showButtonPreviousPage": False,
        "remoteService": "service/write.php",
        "pages": [*opening, ["random", *rated], _finish()],
    }


def _page(design: Design, page: dict[str, Any], path: Callable[[str], str]) -> dict[str, Any]:
    test = KINDS[design.kind]
    common = {"id": page["id"], "name": NAMES[design.kind], "content": design.question}
    if test.together:
        return {
            "type": "mushra", **common, "reference": path(page["reference"]), "createAnchor35": False,
            "createAnchor70": False, "randomize": True, "showConditionNames": False, "showWaveform": False,
            "enableLooping": True, "strict": True, "stimuli": {code: path(code) for code in page["stimuli"]},
        }  # fmt: skip
    if page["reference"]:
        common["content"] = f"{design.question} The speaker: {_player(path(page['reference']))}"
    return {
        "type": "likert_single_stimulus", **common, "mustRate": True, "mustPlayback": "ended",
        "stimuli": {code: path(code) for code in page["stimuli"]},
        "response": [{"value": value, "label": label} for value, label in test.scale],
    }  # fmt: skip


def _player(path: str) -> str:
    return f"<audio controls preload='auto' src='{path}'></audio>"


def _finish() -> dict[str, Any]:
    listener = {"type": "text", "label": "Your listener number or code", "name": "listener_id", "optional": False}
    return {
        "type": "finish", "name": "Thank you", "content": "Please send your answers.", "popupContent": "Your answers were sent.",
        "showResults": False, "showErrors": True, "writeResults": True, "questionnaire": [listener],
    }  # fmt: skip


def dump(content: dict[str, Any]) -> str:
    """The configuration in the part of YAML that webMUSHRA's parser reads."""
    lines = [f"{key}: {_line(value)}" for key, value in content.items() if key != "pages"]
    lines += ["pages:", *(f"  - {_line(page)}" for page in content["pages"])]
    return "\n".join(lines) + "\n"


def _line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
