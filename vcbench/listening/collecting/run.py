"""Start the server as the command line asks."""

from __future__ import annotations

from pathlib import Path

from vcbench.base.nouns import counted
from vcbench.listening.answers.bundle import Bundle
from vcbench.listening.answers.key import open_key
from vcbench.listening.collecting.crowd import Crowd, make_crowd
from vcbench.listening.collecting.server import Serving, make_server
from vcbench.listening.collecting.study import Accepted, Study
from vcbench.listening.kinds import ListeningError

ARRIVAL = "scripts/arrival.js"
__all__ = ["make_crowd", "make_study", "serve"]


def make_study(bundle: Bundle, results: Path, crowd: Crowd, key: Path | None = None) -> Study:
    """A study with the traps of its key.

    Raises:
        ListeningError: an old bundle, or participants are to be stopped by traps that nobody knows.
    """
    if ARRIVAL not in bundle.files:
        raise ListeningError(
            f"{bundle.folder} was built by an older vcbench, whose page knows no crowd. Build the test again."
        )
    traps: Accepted = {}
    if key is not None:
        gold = open_key(key, bundle.folder).gold
        traps = {page: about["accepted"] for page, about in gold.items() if about["purpose"] == "trap"}
    if crowd.stop_after is not None and len(traps) < crowd.stop_after:
        raise ListeningError(
            f"Nobody can be stopped after {counted(crowd.stop_after, 'wrong trap')}: "
            + (
                f"the test has {len(traps)}. Build it with more --traps."
                if key
                else "give --key, which knows the answers."
            )
        )
    return Study(bundle, results, crowd, traps)


def serve(
    folder: Path,
    results: Path,
    host: str,
    port: int,
    crowd: Crowd | None = None,
    key: Path | None = None,
    base_path: str = "",
    proxies: str = "127.0.0.1",
) -> None:
    """Serve until interrupted.

    Raises:
        ListeningError: no bundle, results inside it, or options that do not fit.
    """
    bundle = Bundle(folder)
    study = make_study(bundle, results, crowd, key) if crowd is not None else None
    make_server(bundle, results, host, port, Serving(study, base_path, proxies)).run()
