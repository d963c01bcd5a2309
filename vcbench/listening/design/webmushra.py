"""A listener's webMUSHRA configuration, in the subset of YAML that webMUSHRA's parser reads.

In that subset nested blocks must not start on their parent's line, escapes other than \\" and \\\\ are read wrongly, and
flow collections must not span lines. So each top-level key has its own line, and every page or block of pages is JSON
on one line, with characters unescaped.

webMUSHRA shuffles a list that begins with ``random``: here the rounds of a sheet, each a list of pages that keeps its
order, so that carry-over stays balanced. It adds the hidden reference to a `mushra` page itself and calls it
``reference`` in its results; every other clip has its code. Only `mushra` results carry a session, hence the required
`listener_id`. webMUSHRA can neither ask which of two clips is closer to a third nor how much better one of two is: that is a
single-stimulus page of the third clip, or of B, with the others as players in its text. A page gets one answer, so there is
no best-worst scaling.
"""

from __future__ import annotations

import html
import json
from typing import Any

from vcbench.listening.kinds import KINDS
from vcbench.listening.texts import scale, texts

PREFERENCES = {1: "choice.a", 2: "choice.b", 0: "choice.none"}


def can_say(test: str) -> bool:
    """Whether webMUSHRA can ask what this test asks."""
    return KINDS[test].answer != "best-worst"


class Writer:
    """Writes the configurations of a package that is copied to webMUSHRA's ``configs/<id>/``.

    Args:
        manifest: of the bundle.
        hidden: codes of hidden references, which webMUSHRA adds itself.
        consent: the consent form; ``None`` for the template.
    """

    def __init__(self, manifest: dict[str, Any], hidden: set[str], consent: str | None) -> None:
        self._manifest = manifest
        self._test = manifest["test"]
        self._kind = KINDS[self._test]
        self._hidden = hidden
        self._pages = {page["id"]: page for page in manifest["pages"]}
        self._words = texts(manifest["language"])
        self._consent = consent or self._words["consent.template"]

    def configuration(self, sheet: dict[str, Any]) -> dict[str, Any]:
        """The configuration of one listener, from their sheet."""
        rounds = [[self._page(shown) for shown in one] for one in sheet["rounds"]]
        blocks = [one[0] if len(one) == 1 else one for one in rounds]
        return {
            "testname": self._words[f"{self._test}.name"],
            "testId": self._manifest["id"],
            "language": self._manifest["language"],
            "bufferSize": 2048,
            "stopOnErrors": True,
            "showButtonPreviousPage": False,
            "remoteService": "service/write.php",
            "pages": [
                *self._opening(),
                *(self._page(shown) for shown in sheet["training"]),
                {
                    "type": "generic",
                    "id": "begin",
                    "name": self._words["begin.heading"],
                    "content": self._begin(rounds),
                },
                ["random", *blocks],
                self._finish(),
            ],
        }

    def _opening(self) -> list[dict[str, Any]]:
        words, volume = self._words, self._path(self._manifest["volume"])
        instruction = words[f"{self._test}.instruction"]
        paragraphs = "".join(f"<p>{html.escape(text)}</p>" for text in self._consent.strip().split("\n\n"))
        consent = {
            "type": "consent", "id": "consent", "name": words["consent.heading"], "mustConsent": True,
            "content": paragraphs.replace("\n", " "),
        }  # fmt: skip
        if self._kind.pairs or (self._kind.reference and self._kind.answer != "sliders"):
            # The browser plays some of its recordings, and webMUSHRA's volume control has no effect on those.
            instruction += f" {words['webmushra.volume']} {_player(volume)}"
            return [consent, {"type": "generic", "id": "instructions", "name": words["title"], "content": instruction}]
        return [
            consent,
            {"type": "generic", "id": "instructions", "name": words["title"], "content": instruction},
            {
                "type": "volume", "id": "volume", "name": words["volume.heading"], "content": words["volume.text"],
                "stimulus": volume, "defaultVolume": 0.5,
            },
        ]  # fmt: skip

    def _begin(self, rounds: list[list[Any]]) -> str:
        return self._words["begin.text"].format(total=sum(len(one) for one in rounds))

    def _page(self, shown: dict[str, Any]) -> dict[str, Any]:
        page, words = self._pages[shown["page"]], self._words
        common = {"id": page["id"], "name": words[f"{self._test}.name"]}
        if self._kind.answer == "sliders":
            return {
                "type": "mushra", **common, "content": words[f"{self._manifest['name']}.question"],
                "reference": self._path(page["reference"]), "createAnchor35": False, "createAnchor70": False,
                "randomize": True, "showConditionNames": False, "showWaveform": False, "enableLooping": True, "strict": True,
                "stimuli": {code: self._path(code) for code in shown["order"] if code not in self._hidden},
            }  # fmt: skip
        stimulus, content, response = self._question(page, shown["order"])
        return {
            "type": "likert_single_stimulus", **common, "content": content, "mustRate": True, "mustPlayback": "ended",
            "stimuli": {stimulus: self._path(stimulus)}, "response": response,
        }  # fmt: skip

    def _question(self, page: dict[str, Any], order: list[str]) -> tuple[str, str, list[dict[str, Any]]]:
        """The stimulus of a single-stimulus page, its text, and the possible answers."""
        words = self._words
        question = words[f"{self._test}.question"]
        third = words[
            "clip.x" if self._kind.discriminates else "clip.reference" if self._test == "dmos" else "clip.speaker"
        ]
        if self._kind.answer == "choice":
            offered = {value: key for value, key in PREFERENCES.items() if value or self._manifest["no_preference"]}
            answers = [{"value": value, "label": words[key]} for value, key in offered.items()]
        else:
            steps = scale(self._test, self._manifest["language"])
            answers = [{"value": value, "label": label} for value, label in steps]
        if self._kind.pairs:
            played = dict(zip((words["clip.a"], words["clip.b"]), order, strict=True)) | {third: page["reference"]}
        else:
            played = {third: page["reference"], words["clip.one"]: order[0]}
        named = [(name, code) for name, code in played.items() if code]
        players = [f"{name}: {_player(self._path(code))}" for name, code in named[:-1]]
        last, stimulus = named[-1]
        return stimulus, " ".join([question, *players, *([f"{last}:"] if self._kind.pairs else [])]), answers

    def _finish(self) -> dict[str, Any]:
        words = self._words
        listener = {"type": "text", "label": words["webmushra.listener"], "name": "listener_id", "optional": False}
        return {
            "type": "finish", "name": words["finish.heading"], "content": words["webmushra.finish"],
            "popupContent": words["webmushra.sent"], "showResults": False, "showErrors": True, "writeResults": True,
            "questionnaire": [listener],
        }  # fmt: skip

    def _path(self, code: str) -> str:
        return f"configs/{self._manifest['id']}/audio/{code}.wav"


def _player(path: str) -> str:
    return f"<audio controls preload='auto' src='{path}'></audio>"


def dump(content: dict[str, Any]) -> str:
    """The configuration in the subset of YAML that webMUSHRA's parser reads."""
    lines = [f"{key}: {_line(value)}" for key, value in content.items() if key != "pages"]
    lines += ["pages:", *(f"  - {_line(page)}" for page in content["pages"])]
    return "\n".join(lines) + "\n"


def _line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
