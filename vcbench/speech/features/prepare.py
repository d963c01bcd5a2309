"""Compute the features of a corpus: in parallel, resumable, with an outcome for every utterance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from multiprocessing import get_context
from typing import TYPE_CHECKING

import torch

from vcbench.base.jobs import end_with_parent
from vcbench.speech.audio import AudioError
from vcbench.speech.features.phones import ALIGNED
from vcbench.speech.utterance import Utterance

if TYPE_CHECKING:
    from vcbench.speech.features.store import FeatureStore

KINDS = ("mel", "pitch", "phones")
UTTERANCES_PER_WORKER = 16  # with fewer, starting a process takes longer than it saves
TRANSCRIPTION_BATCH = 16  # recordings handed to the speech recogniser at once
Report = Callable[[int, int], None]


@dataclass(frozen=True)
class FeatureReport:
    """The outcome of preparing utterances.

    Attributes:
        rejected: (utterance id, reason) of utterances that cannot be used.
        fallbacks: (utterance id, how) of utterances whose phones are not an alignment to the corpus's own text.
    """

    rejected: list[tuple[str, str]]
    fallbacks: list[tuple[str, str]]


def prepare_features(
    store: FeatureStore,
    utterances: Sequence[Utterance],
    needs: Sequence[str],
    workers: int = 1,
    report: Report = lambda done, total: None,
) -> FeatureReport:
    """Compute in parallel what is not cached yet. After an interruption, the next call continues from there.

    Args:
        needs: of "mel", "pitch" and "phones".
        report: called with the number of utterances done and their total.

    Raises:
        CacheError: the cache cannot be written. (Unusable utterances are listed in `rejected`.)
    """
    if unknown := sorted(set(needs) - set(KINDS)):
        raise ValueError(f"Features to prepare are {', '.join(KINDS)}; received {', '.join(unknown)}.")
    pending = [utterance for utterance in utterances if not store.is_cached(utterance, needs)]
    store.save_hashes()  # the workers read the file
    unheard = [utterance for utterance in pending if "phones" in needs and store.needs_transcript(utterance)]
    done, total = len(utterances) - len(pending), len(utterances) + len(unheard)
    reasons: dict[str, str] = {}

    def finished(utterance: Utterance, reason: str = "") -> None:
        nonlocal done
        done += 1
        if reason:
            reasons[utterance.id] = reason
        report(done, total)

    report(done, total)
    _transcribe(store, unheard, finished)
    _compute(store, pending, needs, workers, finished)
    usable = [utterance for utterance in utterances if utterance.id not in reasons] if "phones" in needs else []
    ways = [(utterance.id, store.phones_how(utterance)) for utterance in usable]
    return FeatureReport(
        rejected=[(utterance.id, reasons[utterance.id]) for utterance in utterances if utterance.id in reasons],
        fallbacks=[(identity, how) for identity, how in ways if how != ALIGNED],
    )


def _transcribe(store: FeatureStore, utterances: Sequence[Utterance], finished: Callable[[Utterance], None]) -> None:
    """Transcribe here rather than in the workers: the recogniser runs in batches, on the accelerator if there is one."""
    for begin in range(0, len(utterances), TRANSCRIPTION_BATCH):
        batch = utterances[begin : begin + TRANSCRIPTION_BATCH]
        store.transcribe([utterance for utterance in batch if not _fault(store, utterance, ())])
        for utterance in batch:
            finished(utterance)


def _compute(
    store: FeatureStore,
    utterances: Sequence[Utterance],
    needs: Sequence[str],
    workers: int,
    finished: Callable[[Utterance, str], None],
) -> None:
    workers = min(workers, len(utterances) // UTTERANCES_PER_WORKER)
    if workers <= 1:
        for utterance in utterances:
            finished(utterance, _fault(store, utterance, needs))
        return
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _start_worker, (store,))
    try:
        jobs = {pool.submit(_work, replace(utterance, features=None), needs): utterance for utterance in utterances}
        for job in as_completed(jobs):
            finished(jobs[job], job.result())
    except BrokenProcessPool as error:
        raise RuntimeError(
            "A process that computed features died, probably out of memory. Finished features are kept: run the "
            "command again with fewer workers."
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _fault(store: FeatureStore, utterance: Utterance, needs: Sequence[str]) -> str:
    """Compute features; returns what is wrong with the utterance, or an empty string."""
    try:
        store.wave(utterance)
        for kind in needs:
            getattr(store, kind)(utterance)
    except AudioError as error:
        return str(error)
    return ""


_worker_store: FeatureStore


def _start_worker(store: FeatureStore) -> None:
    global _worker_store
    end_with_parent()
    torch.set_num_threads(1)
    _worker_store = store


def _work(utterance: Utterance, needs: Sequence[str]) -> str:
    return _fault(_worker_store, utterance, needs)
