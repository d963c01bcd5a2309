"""The frozen trial list: who is converted to whom, with which recordings, the same for every system."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd
from pydantic import Field

from vcbench.base.errors import UserError
from vcbench.base.files import hash_json
from vcbench.base.nouns import counted
from vcbench.base.settings import Strict
from vcbench.speech.corpora.split import Split
from vcbench.speech.utterance import Speaker, Utterance

CONDITIONS = ("seen->seen", "seen->unseen", "unseen->unseen")  # many-to-many, many-to-any, one-shot


class TrialError(UserError):
    """The corpus is too small for the trials asked for."""


class TrialSettings(Strict):
    """How many trials, and how many recordings of the target each has.

    Attributes:
        seed: decides the split and the trials. It is not the run's seed, which decides the training: runs with several
            training seeds are compared on the same trials.
        per_condition: trials of each condition, spread evenly over the sex pairs.
        references: recordings of the target that the system is given.
        enrolment: other recordings of the target, against which speaker similarity is measured.
    """

    seed: int = Field(0, ge=0)
    per_condition: int = Field(12, ge=1)
    references: int = Field(1, ge=1)
    enrolment: int = Field(3, ge=1)
    conditions: tuple[str, ...] = CONDITIONS


def build_trials(split: Split, settings: TrialSettings) -> pd.DataFrame:
    """The trial list, a row per trial, in a fixed order.

    Columns: trial, condition, sex_pair ("F->M"), source (utterance id), source_speaker, target_speaker, references and
    enrolment (lists of utterance ids), target_utterance (for the rows `target` and `oracle`: the source's
    sentence spoken by the target if the corpus is parallel). No source was trained on. References,
    enrolment and target_utterance of a trial are different recordings.

    Raises:
        TrialError: too few speakers or recordings; it says how many there are and how many are needed.
    """
    unknown = set(settings.conditions) - set(CONDITIONS)
    if unknown:
        raise TrialError(f"trials.conditions has {sorted(unknown)}; allowed: {', '.join(CONDITIONS)}.")
    random = np.random.default_rng(settings.seed)
    pools = _Pools(split)
    rows = []
    for condition in settings.conditions:
        source_kind, target_kind = condition.split("->")
        pairs = _balanced_pairs(
            pools.speakers(source_kind), pools.speakers(target_kind), settings.per_condition, random
        )
        if not pairs:
            raise TrialError(
                f"No pair of different speakers for {condition}: the corpus has {len(pools.speakers('seen'))} seen and "
                f"{counted(len(pools.speakers('unseen')), 'unseen speaker')}. Use a larger corpus, or remove it "
                f"from trials.conditions."
            )
        for source_speaker, target_speaker in pairs:
            rows.append(_trial(pools, condition, source_speaker, target_speaker, settings, random))
    table = pd.DataFrame(rows)
    table.insert(0, "trial", [f"t{index:04d}" for index in range(len(table))])
    return table


def trials_hash(trials: pd.DataFrame) -> str:
    """SHA-256 of the list, independent of the file format."""
    plain = trials.assign(references=trials["references"].map(list), enrolment=trials["enrolment"].map(list))
    return hash_json(plain.to_dict(orient="records"))


class _Pools:
    """Each speaker's utterances by role."""

    def __init__(self, split: Split) -> None:
        self._split = split
        self._groups = {"training": split.training, "held_out": split.held_out, "unseen": split.unseen}
        self._by_speaker: dict[tuple[str, str], list[Utterance]] = {}
        for group, utterances in self._groups.items():
            for utterance in utterances:
                self._by_speaker.setdefault((group, utterance.speaker), []).append(utterance)
        self.trained = {utterance.id for utterance in split.training}
        self.uses: Counter[str] = Counter()

    def speakers(self, kind: str) -> list[Speaker]:
        group = "held_out" if kind == "seen" else "unseen"
        ids = sorted({utterance.speaker for utterance in self._groups[group]})
        return [self._split.speakers[speaker] for speaker in ids]

    def sources(self, speaker: Speaker) -> list[Utterance]:
        """Utterances that were not trained on; held-out sentences are preferred for unseen speakers too."""
        unseen = self._by_speaker.get(("unseen", speaker.id), [])
        own = self._by_speaker.get(("held_out", speaker.id), []) or [u for u in unseen if u.held_out] or unseen
        return sorted(own, key=lambda utterance: utterance.id)

    def recordings(self, speaker: Speaker) -> list[Utterance]:
        """All recordings of a target, those not trained on first."""
        groups = ("held_out", "unseen", "training")
        return [
            u for group in groups for u in sorted(self._by_speaker.get((group, speaker.id), []), key=lambda u: u.id)
        ]

    def least_used(self, utterances: Sequence[Utterance], random: np.random.Generator) -> Utterance:
        fewest = min(self.uses[utterance.id] for utterance in utterances)
        candidates = [utterance for utterance in utterances if self.uses[utterance.id] == fewest]
        chosen = candidates[random.integers(len(candidates))]
        self.uses[chosen.id] += 1
        return chosen


def _balanced_pairs(
    sources: list[Speaker], targets: list[Speaker], count: int, random: np.random.Generator
) -> list[tuple[Speaker, Speaker]]:
    """`count` pairs of different speakers: cycling over the sex pairs, with the least used speakers first in each."""
    pairs = [(source, target) for source, target in itertools.product(sources, targets) if source.id != target.id]
    by_sexes: dict[tuple[str, str], list[tuple[Speaker, Speaker]]] = {}
    for source, target in pairs:
        by_sexes.setdefault((source.sex or "?", target.sex or "?"), []).append((source, target))
    uses: Counter[tuple[str, ...]] = Counter()
    chosen = []
    for sexes in itertools.islice(itertools.cycle(sorted(by_sexes)), count if pairs else 0):
        group = by_sexes[sexes]
        keys = [
            (uses["pair", s.id, t.id], max(uses["source", s.id], uses["target", t.id]), random.random())
            for s, t in group
        ]
        source, target = group[min(range(len(group)), key=keys.__getitem__)]
        uses.update([("pair", source.id, target.id), ("source", source.id), ("target", target.id)])
        chosen.append((source, target))
    return chosen


def _trial(
    pools: _Pools,
    condition: str,
    source_speaker: Speaker,
    target_speaker: Speaker,
    settings: TrialSettings,
    random: np.random.Generator,
) -> dict[str, object]:
    source = pools.least_used(pools.sources(source_speaker), random)
    recordings = pools.recordings(target_speaker)
    needed = 1 + settings.references + settings.enrolment
    if len(recordings) < needed:
        raise TrialError(
            f"Target speaker {target_speaker.id} has {counted(len(recordings), 'recording')}; a trial needs {needed}: "
            f"1 as target utterance, {settings.references} as reference and {settings.enrolment} as enrolment. "
            "Lower trials.references or trials.enrolment."
        )
    same_words = [u for u in recordings if source.text is not None and u.text == source.text]
    fresh = [u for u in recordings if u.id not in pools.trained]
    candidates = same_words or fresh or recordings
    target_utterance = candidates[random.integers(len(candidates))]
    # Enrolment prefers recordings that were not trained on; the references come from the other end.
    others = [u for u in random.permutation(np.array(recordings, dtype=object)) if u.id != target_utterance.id]
    others.sort(key=lambda u: u.id in pools.trained)
    enrolment, references = others[: settings.enrolment], others[-settings.references :]
    return {
        "condition": condition,
        "sex_pair": f"{source_speaker.sex or '?'}->{target_speaker.sex or '?'}",
        "source": source.id,
        "source_speaker": source_speaker.id,
        "target_speaker": target_speaker.id,
        "references": [utterance.id for utterance in references],
        "enrolment": [utterance.id for utterance in enrolment],
        "target_utterance": target_utterance.id,
    }
