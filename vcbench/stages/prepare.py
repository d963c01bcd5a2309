"""The preparation stage: check every file, split, compute features, freeze the trial list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from vcbench.base.files import hash_json
from vcbench.base.jobs import JobProgress, Progress
from vcbench.base.machine import cache_root
from vcbench.base.settings import plain_json
from vcbench.base.state import find_parquet, write_parquet
from vcbench.run.folder import TRIALS, Prepared, StoredSpeaker, StoredSplit, StoredUtterance
from vcbench.run.run import Run
from vcbench.run.trials import build_trials
from vcbench.speech.conditions import vary
from vcbench.speech.corpora.check import check_corpus
from vcbench.speech.corpora.split import split
from vcbench.speech.features.prepare import prepare_features
from vcbench.speech.utterance import Speaker, Utterance


def prepare(run: Run, progress: Progress) -> None:
    """Check every file, split, compute features, freeze the trial list."""
    before = Prepared.find(run.files)
    settings = _to_prepare(run, before.settings if before else {})
    if before is None or settings != before.settings:
        _prepare_corpus(run, settings, progress).write(run.files)
        vars(run).pop("prepared", None)  # what was read before is out of date
    if find_parquet(run.files.trials, TRIALS) is None:
        write_parquet(run.files.trials, build_trials(run.split, run.config.trials))


def _prepare_corpus(run: Run, settings: dict[str, Any], progress: Progress) -> Prepared:
    checked = check_corpus(run.corpus, run.workers, _named(progress, "check recordings"), cache_root() / "checked.json")
    parts = split(checked.corpus, run.config.corpus.split, run.config.trials.seed)
    further, further_rejected = _training_only(run, [*parts.held_out, *parts.unseen])
    groups = {name: getattr(parts, name) for name in ("training", "held_out", "unseen")}
    groups["training"] += tuple(utterance for speaker in further for utterance in speaker.utterances)
    everything = [utterance.with_features(run.store) for group in groups.values() for utterance in group]
    needs = settings["needs"]
    made = prepare_features(run.store, everything, needs, run.engine, _named(progress, "features"))
    varied = [one for one in vary(everything[: len(groups["training"])], settings["varied"]) if one.varied]
    varied_made = prepare_features(run.store, varied, needs, run.engine, _named(progress, "other recording conditions"))
    unusable = {identity for identity, _ in [*made.rejected, *varied_made.rejected]}
    usable = [utterance for utterance in everything if utterance.id not in unusable]
    speaking = {utterance.speaker for utterance in usable}
    whence = {u.id: name for name, corpus in run.training_only.items() for u in corpus.utterances}
    stored = {
        name: tuple(_storable(u, whence.get(u.id, ""), run) for u in group if u.id not in unusable)
        for name, group in groups.items()
    }
    speakers = tuple(
        StoredSpeaker(id=s.id, sex=s.sex, seen=s.seen) for s in [*parts.speakers.values(), *further] if s.id in speaking
    )
    return Prepared(
        settings=settings,
        rejected=(
            *checked.rejected,
            *further_rejected,
            *parts.rejected,
            *made.rejected,
            *varied_made.rejected,
        ),
        fallbacks=tuple(made.fallbacks),
        varied_fallbacks=tuple(varied_made.fallbacks),
        corpus_hash=hash_json(
            [run.corpus.version, [[u.id, u.text, u.span, run.store.content_hash(u)] for u in usable]]
        ),
        split=StoredSplit(**stored, speakers=speakers),
    )


def _training_only(run: Run, kept_apart: Sequence[Utterance]) -> tuple[list[Speaker], list[tuple[str, str]]]:
    """Speakers of the corpora that are only trained on, and (utterance id, reason) of what is rejected.

    Args:
        kept_apart: utterances that must not be trained on.
    """
    found: list[Speaker] = []
    rejected: list[tuple[str, str]] = []
    apart = {run.store.content_hash(replace(one, span=None)) for one in kept_apart} if run.training_only else set()
    for corpus in run.training_only.values():
        checked = check_corpus(corpus, run.workers, None, cache_root() / "checked.json")
        rejected += checked.rejected
        for speaker in checked.corpus.speakers:
            known = [u for u in speaker.utterances if run.store.content_hash(u) in apart]
            rejected += [(u.id, "The run's own corpus has this recording, and keeps it from training.") for u in known]
            found.append(replace(speaker, utterances=tuple(u for u in speaker.utterances if u not in known)))
    return found, rejected


def _storable(utterance: Utterance, further: str, run: Run) -> StoredUtterance:
    """
    Args:
        further: name of the corpus that is only trained on; empty for the run's own.
    """
    corpus = run.training_only[further] if further else run.corpus
    return StoredUtterance(
        id=utterance.id,
        speaker=utterance.speaker,
        text=utterance.text,
        span=utterance.span,
        held_out=utterance.held_out,
        path=utterance.path.relative_to(corpus.root).as_posix(),
        corpus=further,
    )


def _to_prepare(run: Run, before: dict[str, Any]) -> dict[str, Any]:
    """The corpus, and what the systems need of it; also what was prepared before, if that was of the same corpus."""
    needs, varied = run.needs
    same = {
        "corpus": plain_json(run.config.corpus),
        "corpus_version": run.corpus.version,
        "training_only_versions": [corpus.version for corpus in run.training_only.values()],
        "features": plain_json(run.config.features),
        "seed": run.config.trials.seed,
    }
    if all(before.get(name) == value for name, value in same.items()):
        needs, varied = needs | set(before["needs"]), max(varied, before["varied"])
    return same | {"needs": sorted(needs), "varied": varied}


def _named(progress: Progress, name: str) -> JobProgress:
    return lambda done, total, note="": progress(name, done, total, note)
