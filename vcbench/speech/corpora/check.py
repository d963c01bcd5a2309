"""Check every recording and transcript of a corpus before any long computation."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from vcbench.base.nouns import counted
from vcbench.base.state import find_state, write_memo
from vcbench.speech import audio
from vcbench.speech.audio_header import inspect
from vcbench.speech.utterance import Corpus, CorpusError

VERSION = 1  # of cached results; raise it when the check rejects other files than before
FOREIGN_SHARE = 0.1  # of a transcript's letters that may be non-Latin, e.g. a name or a symbol


@dataclass(frozen=True)
class Checked:
    """The result of a check.

    Attributes:
        corpus: without rejected utterances and without speakers who have no others.
        rejected: (utterance id, reason).
    """

    corpus: Corpus
    rejected: list[tuple[str, str]]


def check_corpus(
    corpus: Corpus,
    workers: int = 1,
    report: Callable[[int, int], None] | None = None,
    cache: Path | None = None,
) -> Checked:
    """Decode every file, `workers` at a time; of a corpus that is part of this software, read the headers alone.

    An utterance is rejected if its audio is unusable (see `vcbench.speech.audio`), or if its transcript is not in Latin script,
    because phone alignment and word error rates know only English. Without its transcript it would be accepted.

    Args:
        report: called with the number of files done and their total.
        cache: JSON file of earlier results by path, size and modification time; read and written.

    Raises:
        CorpusError: no utterance is usable; the message has the first reasons.
    """
    paths = sorted({utterance.path for utterance in corpus.utterances})
    known = _read_cache(cache)
    results: dict[Path, tuple[float, str]] = {}
    pool = ThreadPoolExecutor(workers)  # threads suffice: decoding releases the interpreter lock
    try:
        found = pool.map(_look if corpus.version else lambda path: _check_file(path, known), paths)
        for done, (path, result) in enumerate(zip(paths, found, strict=True), 1):
            results[path] = result
            if report:
                report(done, len(paths))
    finally:
        pool.shutdown(cancel_futures=True)
        if cache and not corpus.version:
            _write_cache(cache, known, results)
    return _sift(corpus, results)


def _sift(corpus: Corpus, results: dict[Path, tuple[float, str]]) -> Checked:
    rejected: list[tuple[str, str]] = []
    speakers = []
    for speaker in corpus.speakers:
        kept = []
        for utterance in speaker.utterances:
            reason = results[utterance.path][1] or foreign_script(utterance.text or "")
            if reason:
                rejected.append((utterance.id, reason))
                continue
            kept.append(utterance)
        if kept:
            speakers.append(replace(speaker, utterances=tuple(kept)))
    if not speakers:
        reasons = "".join(f"\n  {identity}: {reason}" for identity, reason in rejected[:5])
        raise CorpusError(
            f"None of the {counted(len(rejected), 'utterance')} of {corpus.name} at {corpus.root} is usable:{reasons}"
        )
    return Checked(replace(corpus, speakers=tuple(speakers)), rejected)


def foreign_script(text: str) -> str:
    """Why a transcript cannot be used; empty if it is in Latin script."""
    letters = [character for character in text if character.isalpha()]
    foreign = [character for character in letters if not _is_latin(character)]
    if len(foreign) <= FOREIGN_SHARE * len(letters):
        return ""
    script = unicodedata.name(foreign[0], "unknown").split()[0].capitalize()
    return (
        f"The transcript is not in Latin script ({script}): {text[:40]!r}. Words are aligned and scored in English. "
        "Write it in Latin letters, or remove it: speech recognition then provides a transcript."
    )


@lru_cache(maxsize=4096)
def _is_latin(character: str) -> bool:
    return "LATIN" in unicodedata.name(character, "")


def _stamp(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def _look(path: Path) -> tuple[float, str]:
    """As `_check_file`, without decoding."""
    try:
        return inspect(path).seconds, ""
    except audio.AudioError as error:
        return 0.0, str(error)


def _check_file(path: Path, known: dict[str, list]) -> tuple[float, str]:
    """Seconds, and why the file cannot be used (empty if it can)."""
    if path.is_file() and str(path) in known and known[str(path)][:2] == _stamp(path):
        _, _, seconds, reason = known[str(path)]
        return seconds, reason
    try:
        wave, rate = audio.decode(path)
    except audio.AudioError as error:
        return 0.0, str(error)
    return len(wave) / rate, ""


def _read_cache(cache: Path | None) -> dict[str, list]:
    """Path to size, modification time in ns, seconds, reason."""
    content = None if cache is None else find_state(cache)
    return content["files"] if content and content["version"] == VERSION else {}


def _write_cache(cache: Path, known: dict[str, list], results: dict[Path, tuple[float, str]]) -> None:
    files = {str(path): [*_stamp(path), *result] for path, result in results.items() if path.is_file()}
    write_memo(cache, {"version": VERSION, "files": known | files})
