"""Build a listening test: a folder to hand out, and outside it the key that says which system each clip is from."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vcbench.base.state import write_state
from vcbench.listening.design.design import HIDDEN, Design, ListenerSheet, plan
from vcbench.listening.design.package import write_package
from vcbench.listening.design.plan import dump, make_plan
from vcbench.listening.design.render import OPENING, REFERENCE, Place, render
from vcbench.listening.design.selection import by_row
from vcbench.listening.kinds import KINDS, SUFFIX, ListeningError
from vcbench.listening.options import Options
from vcbench.speech import audio

if TYPE_CHECKING:
    from vcbench.run.run import Run

FORMAT = 2
Codes = dict[Place, str]


def build(
    run: Run, test: str, out: Path, options: Options | None = None, key: Path | None = None, salt: str | None = None
) -> Path:
    """Write a blinded listening test of a run's conversions to the folder `out`, and its key to a folder outside it.

    Args:
        test: key in `vcbench.listening.kinds.KINDS`.
        options: of the test.
        key: by default ``<out>.key``.
        salt: the secret that the codes derive from; by default a new one. Give it to build the same package again.

    Returns:
        The key's folder: `key.json` (the system of each clip), `gold.json` (right answers), `analysis_plan.toml`.

    Raises:
        ListeningError: nothing to compare, numbers that do not fit, an existing folder or key, or a key inside the folder.
    """
    options, out = options or Options(), out.resolve()
    key = out.with_name(f"{out.name}{SUFFIX}") if key is None else key.resolve()
    _refuse_places(out, key)
    salt = salt or secrets.token_hex(16)
    design = plan(run, test, options)
    _refuse_contrast(design, options)
    rate = _rate(run, design)
    waves, loudness = render(run, design, rate)
    codes = {place: code("s", salt, str(place.page), place.role) for place in waves}
    identity = code(f"vcbench_{design.kind.replace('-', '_')}", salt)
    analysis = dump(make_plan(design, identity, options))
    manifest = _manifest(design, identity, options, codes, waves, salt)
    manifest |= {"rate": rate, "loudness": round(loudness, 2), "plan": _sign(salt, analysis)}
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as temporary:
        package, secret = Path(temporary) / "package", Path(temporary) / "key"
        sheets = {str(number): _sheet(sheet, design, codes, salt) for number, sheet in enumerate(design.sheets, 1)}
        hidden = {name for place, name in codes.items() if place.role == HIDDEN}
        checksum = write_package(package, manifest, sheets, {codes[one]: waves[one] for one in waves}, hidden, options)
        _write_key(secret, run, design, identity, codes, options, salt, checksum)
        (secret / "analysis_plan.toml").write_text(analysis, encoding="utf-8")
        _publish(package, out, secret, key)
    return key


def build_all(run: Run, tests: Sequence[str], out: Path, options: Options) -> Iterator[tuple[Path, Path]]:
    """Build tests of the same trials; yield each folder and key: `out`, or for several tests folders in it.

    Raises:
        ListeningError: as `build`.
    """
    for test in tests:
        folder = out if len(tests) == 1 else out / test
        yield folder, build(run, test, folder, options)


def _rate(run: Run, design: Design) -> int:
    """Hz, of the run's conversions."""
    return audio.inspect(next(iter(by_row(run.conversions)[design.rows[0]].values())).path).rate


def _publish(package: Path, out: Path, secret: Path, key: Path) -> None:
    """Both or neither appear at their places."""
    key.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(secret, key)
    try:
        package.rename(out)
    except OSError:
        shutil.rmtree(key)
        raise


def code(prefix: str, salt: str, *parts: str) -> str:
    """An opaque name, derived from the secret, that no program can mistake for a number."""
    digest = hmac.new(salt.encode(), "\x1f".join(parts).encode(), hashlib.sha256).digest()
    return f"{prefix}_{base64.b32encode(digest).decode().lower()[:10]}"


def _sign(salt: str, text: str) -> str:
    """Bind the bundle to the analysis plan without revealing its content."""
    return hmac.new(salt.encode(), text.encode(), hashlib.sha256).hexdigest()


def _refuse_places(out: Path, key: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ListeningError(f"{out} exists and is not an empty folder. Choose another --out, or remove it.")
    if key.is_relative_to(out):
        raise ListeningError(
            f"The key {key} would be inside the package {out}, where listeners can read it. Choose another place."
        )
    if key.exists():
        raise ListeningError(f"{key} exists: it is the key of another package and would be lost. Choose another --out.")


def _refuse_contrast(design: Design, options: Options) -> None:
    unknown = [row for row in options.contrast or () if row not in design.rows]
    if unknown or (options.contrast and len(set(options.contrast)) < 2):
        raise ListeningError(
            f"The primary contrast {options.contrast} does not name two rows of the test; it has {', '.join(design.rows)}."
        )


def _page_code(salt: str, index: int) -> str:
    return code("p", salt, str(index))


def _manifest(
    design: Design, identity: str, options: Options, codes: Codes, waves: dict[Place, np.ndarray], salt: str
) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "id": identity,
        "test": design.kind,
        "answer": KINDS[design.kind].answer,
        "values": list(KINDS[design.kind].values),
        "name": design.name,
        "language": options.language,
        "no_preference": options.no_preference and KINDS[design.kind].no_preference,
        "volume": codes[OPENING],
        "pages": _manifest_pages(design, codes, waves, salt),
    }


def _manifest_pages(design: Design, codes: Codes, waves: dict[Place, np.ndarray], salt: str) -> list[dict[str, Any]]:
    """The pages as the package lists them: pages and clips sorted by code, so that the order reveals nothing."""
    pages = []
    for index, page in enumerate(design.pages):
        places = [Place(index, role, page.trial) for role in page.roles]
        pages.append(
            {
                "id": _page_code(salt, index),
                "stimuli": sorted(codes[place] for place in places),
                "reference": codes[Place(index, REFERENCE, page.trial)] if page.compares else None,
                "samples": len(waves[places[0]]),
            }
        )
    return sorted(pages, key=lambda page: page["id"])


def _sheet(sheet: ListenerSheet, design: Design, codes: Codes, salt: str) -> dict[str, Any]:
    def shown(index: int, order: tuple[str, ...]) -> dict[str, Any]:
        trial = design.pages[index].trial
        return {"page": _page_code(salt, index), "order": [codes[Place(index, role, trial)] for role in order]}

    return {
        "training": [shown(*showing) for showing in sheet.training],
        "rounds": [[shown(*showing) for showing in one] for one in sheet.rounds],
    }


def recordings(run: Run, design: Design) -> dict[str, dict[str, str]]:
    """Hashes of the rated recordings, by row and trial."""
    converted = by_row(run.conversions)
    trials = dict.fromkeys(page.trial for page in design.pages if page.purpose == "rated")
    return {row: {trial: converted[row][trial].audio_hash for trial in trials} for row in design.rows}


def _write_key(
    folder: Path,
    run: Run,
    design: Design,
    identity: str,
    codes: Codes,
    options: Options,
    salt: str,
    checksum: str,
) -> None:
    ids = [_page_code(salt, index) for index in range(len(design.pages))]
    fields = ("trial", "condition", "reference", "purpose", "repeated")
    shown = [{name: getattr(page, name) for name in fields} for page in design.pages]
    key = {
        "format": FORMAT,
        "id": identity,
        "sums": checksum,
        "test": design.kind,
        "name": design.name,
        "values": [KINDS[design.kind].values[0], KINDS[design.kind].values[-1]],
        "run": str(run.folder),
        "corpus": run.corpus.title,
        "systems": [row for row in design.rows if row in run.systems],
        "references": [row for row in design.rows if row not in run.systems],
        "options": options.model_dump(mode="json"),
        "recordings": recordings(run, design),
        "salt": salt,
        "pages": dict(zip(ids, shown, strict=True)),
        "clips": {
            name: {"page": ids[place.page], "trial": place.trial, "role": place.role}
            for place, name in codes.items()
            if place != OPENING
        },
    }
    write_state(folder / "key.json", key)
    write_state(folder / "gold.json", _gold(design, ids, codes))


def _gold(design: Design, ids: list[str], codes: Codes) -> dict[str, Any]:
    """By page, the answers that are right."""
    return {
        ids[index]: {
            "purpose": page.purpose,
            "accepted": {
                codes[Place(index, role, page.trial)]: list(values)
                for role, values in zip(page.roles, page.accepted, strict=True)
            },
        }
        for index, page in enumerate(design.pages)
        if page.accepted
    }
