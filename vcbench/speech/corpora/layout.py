"""Shared functions of the corpus loaders: sorted listings, texts, tables, and errors that name the expected layout."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from vcbench.base.nouns import counted
from vcbench.speech.utterance import Corpus, CorpusError, Sex, Speaker

UTF8_WITH_MARK = "utf-8-sig"  # some editors begin a file with a byte order mark


def folders(path: Path) -> list[Path]:
    """The folders in a folder, sorted, without hidden ones; empty if the folder does not exist."""
    return sorted(p for p in path.iterdir() if p.is_dir() and not p.name.startswith(".")) if path.is_dir() else []


def files(path: Path, suffixes: Sequence[str]) -> list[Path]:
    """The files in a folder with one of the suffixes (lower case), sorted, without hidden ones."""
    if not path.is_dir():
        return []
    return sorted(p for p in path.iterdir() if p.suffix.lower() in suffixes and p.is_file() and p.name[0] != ".")


def find_base(corpus: str, root: Path | None, inner: Sequence[str], expected: Sequence[str]) -> Path:
    """The folder of `root`, or of `root`/`inner`, that has an `expected` folder (a glob pattern).

    Raises:
        CorpusError: the root is not given, does not exist, or has none of the expected folders; the message lists what it has.
    """
    if root is None:
        raise CorpusError(
            f"The corpus {corpus} needs its folder: give --corpus-root DIR, or download it with --download."
        )
    if not root.is_dir():
        raise CorpusError(f"The corpus root {root} is not a folder.")
    for base in (root, *(root / name for name in inner)):
        if any(path.is_dir() for pattern in expected for path in base.glob(pattern)):
            return base
    raise CorpusError(
        f"{root} does not have the layout of {corpus}: expected {' or '.join(expected)}; found {_contents(root)}."
    )


def _contents(folder: Path) -> str:
    names = sorted(path.name + "/" * path.is_dir() for path in folder.iterdir())
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "") if names else "nothing"


def read_text(path: Path) -> str:
    """Read a text file in UTF-8."""
    try:
        return path.read_text(encoding=UTF8_WITH_MARK)
    except UnicodeDecodeError as error:
        raise CorpusError(
            f"{path} is not UTF-8 text ({error.reason} at byte {error.start}). Convert it to UTF-8."
        ) from error


def sentence(text: str) -> str | None:
    """A transcript with single spaces; None if it is empty."""
    return " ".join(text.split()) or None


def sentence_beside(path: Path) -> str | None:
    """The transcript in a file; None if the file is missing or empty."""
    return sentence(read_text(path)) if path.is_file() else None


def read_table(path: Path, columns: Sequence[str]) -> list[list[str]]:
    """Rows of a tab-separated file, only the given `columns`, which its first line must name."""
    lines = [line.split("\t") for line in read_text(path).splitlines() if line.strip()]
    header = [name.strip() for name in lines[0]] if lines else []
    missing = [column for column in columns if column not in header]
    if missing:
        raise CorpusError(
            f"{path}: the first line must name the columns {', '.join(columns)}, separated by tabs; "
            f"missing: {', '.join(missing)}; received: {', '.join(header) or 'nothing'}."
        )
    places = [header.index(column) for column in columns]
    for number, line in enumerate(lines[1:], 2):
        if len(line) <= max(places):
            raise CorpusError(f"{path}: row {number} has {counted(len(line), 'column')}; {len(header)} are needed.")
    return [[line[place].strip() for place in places] for line in lines[1:]]


def sex_of(word: str) -> Sex | None:
    """F, M or None from a table's F, f, female, M or male."""
    letter = word.strip()[:1].upper()
    return "F" if letter == "F" else "M" if letter == "M" else None


def identifier(name: str) -> str:
    """A name with each character that an id may not have replaced by an underscore."""
    return re.sub(r"[^A-Za-z0-9_./-]", "_", name)


def assemble(name: str, root: Path, speakers: Iterable[Speaker], licence: str, expected: str) -> Corpus:
    """A corpus of the speakers who have utterances.

    Args:
        expected: where recordings should be, for the error.

    Raises:
        CorpusError: no speaker has an utterance, or an id occurs twice.
    """
    kept = tuple(speaker for speaker in speakers if speaker.utterances)
    for kind, ids in (("speaker", [s.id for s in kept]), ("utterance", [u.id for s in kept for u in s.utterances])):
        twice = [identity for identity, count in Counter(ids).items() if count > 1]
        if twice:
            raise CorpusError(
                f"{root}: the {kind} {twice[0]!r} occurs twice ({counted(len(twice), 'duplicate id')}). Rename "
                f"or remove one of each pair."
            )
    if not kept:
        raise CorpusError(f"{root} has no recording: for {name}, expected {expected}; found {_contents(root)}.")
    return Corpus(name, root, kept, licence)
