"""A study's listening tests: packages of its first seed's recordings, whose keys use the tables' row labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from vcbench.api.conversion import Conversion
from vcbench.base.nouns import counted
from vcbench.listening.answers.key import read_key
from vcbench.listening.design.build import build, recordings
from vcbench.listening.design.design import plan
from vcbench.listening.design.selection import of_condition
from vcbench.listening.kinds import SUFFIX, ListeningError
from vcbench.listening.options import Options
from vcbench.run.run import Run
from vcbench.studies.study import Study

FOLDER = "listening"  # in the study's output


class Labelled(Run):
    """A run with renamed rows.

    Args:
        names: the new name of each row.
    """

    def __init__(self, run: Run, names: Mapping[str, str]) -> None:
        super().__init__(run.folder, run.config)
        self._run, self._names = run, names

    @property
    def systems(self) -> list[str]:
        return [self._names[row] for row in self._run.systems]

    @property
    def rows(self) -> list[str]:
        return [self._names[row] for row in self._run.rows]

    @cached_property
    def conversions(self) -> list[Conversion]:
        return [replace(one, system=self._names[one.system]) for one in self._run.conversions]


def check_trials(study: Study, run: Run) -> None:
    """Refuse a test that needs more trials than a prepared run has.

    Raises:
        ListeningError: too few trials; it says how many there are and how many are needed.
    """
    for test, options in study.listening.items():
        there = len(of_condition(run.trials, options.condition))
        asked = options.items + options.training + options.gold
        if asked > there:
            raise ListeningError(
                f"listening.{test} asks for {counted(asked, 'trial')} ({counted(options.items, 'item')}, "
                f"{options.training + options.gold} for training "
                f"and gold pages); the run has {there}{f' of {options.condition}' if options.condition else ''}. "
                f"Lower listening.{test}.items, or raise trials.per_condition."
            )


def build_tests(study: Study, view: Run, out: Path) -> None:
    """Build each test as ``listening/<test>`` in the study's output, its key next to it; an existing one is kept.

    Raises:
        ListeningError: an existing test was built with other options or recordings.
    """
    run = Labelled(view, study.rows)
    for test, options in study.listening.items():
        folder = out / FOLDER / test
        key = folder.with_name(f"{test}{SUFFIX}")
        if (key / "key.json").is_file():
            _refuse_other(run, test, options, key)
        else:
            build(run, test, folder, options, key)


def _refuse_other(run: Run, test: str, options: Options, key: Path) -> None:
    content = read_key(key)
    differing = [
        what
        for what, own in (
            ("options", options.model_dump(mode="json")),
            ("recordings", recordings(run, plan(run, test, options))),
        )
        if content[what] != own
    ]
    if differing:
        raise ListeningError(
            f"The listening test {key} was built with other {' and '.join(differing)}. Listeners may have it: move it and its "
            "bundle away, or give the study another --out."
        )
