"""What listeners read, one file per language: `page/translations/<language>.json`, flat, the same keys in each."""

from __future__ import annotations

import json
from importlib.resources import files

from vcbench.listening.kinds import KINDS, ListeningError

TRANSLATIONS = files("vcbench.listening") / "page" / "translations"


def languages() -> list[str]:
    return sorted(path.name.removesuffix(".json") for path in TRANSLATIONS.iterdir() if path.name.endswith(".json"))


def texts(language: str) -> dict[str, str]:
    """Every text in one language.

    Raises:
        ListeningError: nobody has translated the page to it.
    """
    if language not in languages():
        raise ListeningError(
            f"The page does not speak {language!r}; it speaks {', '.join(languages())}. "
            "A copy of en.json with its values translated adds a language."
        )
    content: dict[str, str] = json.loads((TRANSLATIONS / f"{language}.json").read_text(encoding="utf-8"))
    return content


def scale(test: str, language: str) -> list[tuple[int, str]]:
    """(value, label) of a category scale from the lowest."""
    words = texts(language)
    return [(value, words[f"{test}.scale.{value}"]) for value in KINDS[test].values]
