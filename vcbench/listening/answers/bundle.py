"""The package that listeners were given, read back and verified."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vcbench.base.files import hash_file
from vcbench.listening.answers.session import Answer, Session
from vcbench.listening.kinds import KINDS, ListeningError


class Bundle:
    """A bundle's folder, verified when opened.

    Attributes:
        manifest: the content of `manifest.json`: `id`, `test`, `pages` and so on, without names of systems.
        sheets: by listener number (a string): `training` and `rounds`, each with a `page` and the `order` of its clips.
        files: relative paths of its files in POSIX form.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.files = _verified(self.folder)
        self.manifest: dict[str, Any] = json.loads((self.folder / "manifest.json").read_text(encoding="utf-8"))
        self.sheets: dict[str, Any] = json.loads((self.folder / "sheets.json").read_text(encoding="utf-8"))

    def check(self, result: Session) -> None:
        """Check that a session fits this bundle: its sheet, its clips, its scale.

        Raises:
            ListeningError: it does not; the message says where.
        """
        if result.bundle != self.manifest["id"] or result.test != self.manifest["test"]:
            raise ListeningError(
                f"The session answers {result.bundle} ({result.test}); this is {self.manifest['id']} ({self.manifest['test']})."
            )
        sheet = self.sheets.get(str(result.listener))
        if sheet is None:
            raise ListeningError(f"There is no listener {result.listener}; allowed: 1 to {len(self.sheets)}.")
        rated = [showing for one in sheet["rounds"] for showing in one]
        for name, answers, showings in [
            ("answers", result.answers, rated),
            ("training", result.training, sheet["training"]),
        ]:
            expected = [(shown["page"], clip, place) for shown in showings for place, clip in enumerate(shown["order"])]
            if [(answer.page, answer.clip, answer.position) for answer in answers] != expected:
                raise ListeningError(
                    f"Its {name} are not the clips of listener {result.listener}'s sheet in the same order."
                )
            self._check_ratings(answers)

    def _check_ratings(self, answers: list[Answer]) -> None:
        allowed = KINDS[self.manifest["test"]].values
        for answer in answers:
            if answer.rating is not None and answer.rating not in allowed:
                raise ListeningError(
                    f"Clip {answer.clip} is rated {answer.rating}; allowed: {allowed[0]} to {allowed[-1]}."
                )
        if self.manifest["test"] != "preference":
            return
        for first, second in zip(answers[::2], answers[1::2], strict=True):
            choice = (first.rating, second.rating)
            if choice not in [(None, None), (1, 0), (0, 1), *([(0, 0)] if self.manifest["no_preference"] else [])]:
                raise ListeningError(
                    f"Page {first.page} has the ratings {choice}, which this preference test does not allow."
                )


def _verified(folder: Path) -> list[str]:
    """The files that SHA256SUMS lists, each checked to be inside the folder and unchanged."""
    sums = folder / "SHA256SUMS"
    if not sums.is_file():
        raise ListeningError(f"{folder} is not a bundle: it has no SHA256SUMS. Make one with `vcbench listen build`.")
    listed = []
    for line in sums.read_text(encoding="utf-8").splitlines():
        expected, name = line.split("  ", 1)
        path = (folder / name).resolve()
        if not path.is_relative_to(folder) or not path.is_file() or hash_file(path) != expected:
            raise ListeningError(f"{folder / name} is missing or was changed. Copy the bundle again, or rebuild it.")
        listed.append(name)
    return listed
