"""The package that listeners were given, read back and verified."""

from __future__ import annotations

import json
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, TypeAdapter

from vcbench.base.escape import brief
from vcbench.listening.answers.sealed import SealedFolder
from vcbench.listening.answers.session import Answer, Session
from vcbench.listening.kinds import KINDS, ListeningError


class Shown(BaseModel):
    page: str
    order: list[str]


class Sheet(BaseModel):
    training: list[Shown]
    rounds: list[list[Shown]]


class Page(BaseModel):
    id: str
    stimuli: list[str]


class Manifest(BaseModel):
    """What is read of `manifest.json`."""

    id: str
    test: Literal[tuple(KINDS)]  # type: ignore[valid-type]
    plan: str
    no_preference: bool
    pages: list[Page]


class Bundle:
    """A bundle's folder, verified when opened.

    Attributes:
        manifest: the content of `manifest.json`: `id`, `test`, `pages` and so on, without names of systems.
        sheets: by listener number (a string): `training` and `rounds`, each with a `page` and the `order` of its clips.
        files: relative paths of its files in POSIX form.
        seal: the SHA-256 of SHA256SUMS, by which the key knows it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self._sealed = SealedFolder(self.folder)
        self.files = self._sealed.names
        self.seal = self._sealed.seal
        self.manifest: dict[str, Any] = self._checked("manifest.json", TypeAdapter(Manifest))
        self.sheets: dict[str, Any] = self._checked("sheets.json", TypeAdapter(dict[str, Sheet]))

    def _checked(self, name: str, form: TypeAdapter[Any]) -> Any:
        """A file's JSON, which has the form."""
        content = self.read(name)
        try:
            form.validate_json(content)
            return json.loads(content)
        except (ValueError, RecursionError) as error:
            raise ListeningError(
                f"{self.folder / name} is not what `vcbench listen build` writes ({brief(str(error), 200)}). Build the test again."
            ) from error

    def read(self, name: str) -> bytes:
        """The content of SHA256SUMS or of one of `files`.

        Raises:
            ListeningError: there is no such file, or it was changed since the bundle was opened.
        """
        return self._sealed.read(name)

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
        kind = KINDS[self.manifest["test"]]
        allowed = kind.values
        for answer in answers:
            if answer.rating is not None and answer.rating not in allowed:
                raise ListeningError(
                    f"Clip {answer.clip} is rated {answer.rating}; allowed: {allowed[0]} to {allowed[-1]}."
                )
        for page, clips in groupby(answers, lambda answer: answer.page):
            ratings = tuple(answer.rating for answer in clips)
            if not kind.allows(ratings, self.manifest["no_preference"]):
                raise ListeningError(
                    f"Page {page} has the ratings {ratings}, which a test of the kind {self.manifest['test']} does not allow."
                )
