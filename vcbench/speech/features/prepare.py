"""Compute the features of a corpus: in parallel, resumable, with an outcome for every utterance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from vcbench.base.jobs import Engine, Job, JobProgress, LocalEngine
from vcbench.speech.audio import AudioError
from vcbench.speech.features.phones import ALIGNED
from vcbench.speech.utterance import Utterance

if TYPE_CHECKING:
    from vcbench.speech.features.store import FeatureStore

KINDS = ("mel", "pitch", "phones", "voice")
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
    engine: Engine = LocalEngine(),  # noqa: B008  # frozen
    report: Report = lambda done, total: None,
) -> FeatureReport:
    """Compute in parallel what is not cached yet. After an interruption, the next call continues from there.

    Args:
        needs: of "mel", "pitch", "phones" and "voice".
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
    report(done, total)
    _transcribe(store, unheard, lambda count: report(done + count, total))
    reasons = _compute(store, pending, needs, engine, lambda count: report(done + len(unheard) + count, total))
    usable = [utterance for utterance in utterances if utterance.id not in reasons] if "phones" in needs else []
    ways = [(utterance.id, store.phones_how(utterance)) for utterance in usable]
    return FeatureReport(
        rejected=[(utterance.id, reasons[utterance.id]) for utterance in utterances if utterance.id in reasons],
        fallbacks=[(identity, how) for identity, how in ways if how != ALIGNED],
    )


def _transcribe(store: FeatureStore, utterances: Sequence[Utterance], report: Callable[[int], None]) -> None:
    """Transcribe here rather than in the workers: the recogniser runs in batches, on the accelerator if there is one."""
    with store.gather():
        for begin in range(0, len(utterances), TRANSCRIPTION_BATCH):
            batch = utterances[begin : begin + TRANSCRIPTION_BATCH]
            store.transcribe([utterance for utterance in batch if not _fault(store, utterance, ())])
            for done in range(begin, begin + len(batch)):
                report(done + 1)


def _compute(
    store: FeatureStore,
    utterances: Sequence[Utterance],
    needs: Sequence[str],
    engine: Engine,
    report: Callable[[int], None],
) -> dict[str, str]:
    """By utterance that cannot be used, the reason; `report` gets the number that is done."""
    workers = min(engine.slots, len(utterances) // UTTERANCES_PER_WORKER)
    if workers <= 1:
        found = compute_share(store, utterances, needs, lambda done, total: report(done))
        return {one.id: fault for one, fault in zip(utterances, found, strict=True) if fault}
    shares = {f"features {number + 1} of {workers}": utterances[number::workers] for number in range(workers)}
    jobs = []
    for name, share in shares.items():
        alone = [replace(utterance, features=None) for utterance in share]
        jobs.append(Job(name, compute_share, {"store": store, "utterances": alone, "needs": needs}))
    counts = dict.fromkeys(shares, 0)

    def count(name: str, done: int, total: int, note: str) -> None:
        counts[name] = done
        report(sum(counts.values()))

    faults = engine.run(jobs, count, threads=1)
    if sum(counts.values()) < len(utterances):
        report(len(utterances))
    return {
        one.id: fault for name, share in shares.items() for one, fault in zip(share, faults[name], strict=True) if fault
    }


def compute_share(
    store: FeatureStore, utterances: Sequence[Utterance], needs: Sequence[str], progress: JobProgress
) -> list[str]:
    """Compute the features of a worker's share; for each utterance what is wrong with it, or an empty string."""
    faults = []
    with store.gather():
        for done, utterance in enumerate(utterances, 1):
            faults.append(_fault(store, utterance, needs))
            progress(done, len(utterances))
    return faults


def _fault(store: FeatureStore, utterance: Utterance, needs: Sequence[str]) -> str:
    """Compute features; returns what is wrong with the utterance, or an empty string."""
    try:
        store.wave(utterance)
        for kind in needs:
            getattr(store, kind)(utterance)
    except AudioError as error:
        return str(error)
    return ""
