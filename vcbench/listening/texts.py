"""The texts that listeners read: one flat file per language, `page/translations/<language>.json`, all with the same keys."""

from __future__ import annotations

import json
from importlib.resources import files

from vcbench.listening.kinds import KINDS, ListeningError

TRANSLATIONS = files("vcbench.listening") / "page" / "translations"


def languages() -> list[str]:
    return sorted(path.name.removesuffix(".json") for path in TRANSLATIONS.iterdir() if path.name.endswith(".json"))


def texts(language: str) -> dict[str, str]:
    """All texts in one language.

    Raises:
        ListeningError: there is no translation.
    """
    if language not in languages():
        raise ListeningError(
            f"There is no translation for {language!r}; available: {', '.join(languages())}. "
            "To add a language, copy en.json and translate its values."
        )
    content: dict[str, str] = json.loads((TRANSLATIONS / f"{language}.json").read_text(encoding="utf-8"))
    return content


def scale(test: str, language: str) -> list[tuple[int, str]]:
    """(value, label) for each step of a category scale, lowest first."""
    words = texts(language)
    return [(value, words[f"{test}.scale.{value}"]) for value in KINDS[test].values]
