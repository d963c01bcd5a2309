"""A listening test as a folder to hand out, and outside it the key that says which clip is whose."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from vcbench import audio
from vcbench.files import hash_file, write_json
from vcbench.listening import webmushra
from vcbench.listening.anchors import anchor
from vcbench.listening.clips import faded, level, padded, read_clip, write_clip
from vcbench.listening.design import ANCHOR_35, ANCHOR_70, KINDS, Design, ListeningError, Page, by_row, plan
from vcbench.metric import Conversion

if TYPE_CHECKING:
    from vcbench.run import Run

FORMAT = 1
PASS_BANDS = {ANCHOR_35: 3500.0, ANCHOR_70: 7000.0}  # Hz
REFERENCE, VOLUME = "reference", "volume"  # roles of clips that nobody rates


class Place(NamedTuple):
    """Which clip: a page's index (-1: none), the clip's role there, and its trial."""

    page: int
    role: str
    trial: str

    def __str__(self) -> str:
        return f"{self.role} in trial {self.trial or '(none)'}"


OPENING = Place(-1, VOLUME, "")


def build(
    run: Run,
    test: str,
    out: Path,
    items: int = 6,
    seed: int = 0,
    rows: Sequence[str] | None = None,
    key: Path | None = None,
    salt: str | None = None,
) -> Path:
    """Write a blinded listening test of a run's conversions to the folder `out`, and its key to a file outside it.

    Args:
        test: key in `vcbench.listening.design.KINDS`.
        items: trials in the test.
        seed: decides the choice and order of items.
        rows: what is rated; by default every system and the test's own reference rows.
        key: by default ``<out>.key.json``.
        salt: what the codes derive from; a fresh secret unless one is given, e.g. to build the same package again.

    Returns:
        The key's path.

    Raises:
        ListeningError: nothing to compare, a folder or key that exists, or a key inside the folder.
    """
    out = out.resolve()
    key = out.with_name(f"{out.name}.key.json") if key is None else key.resolve()
    _refuse_places(out, key)
    salt = secrets.token_hex(16) if salt is None else salt
    design = plan(run, test, items, seed, rows)
    converted = by_row(run.conversions)
    rate = audio.inspect(next(iter(converted[design.rows[0]].values())).path).rate
    waves, loudness = _render(run, design, converted, rate)
    codes = {place: code("s", salt, str(place.page), place.role) for place in waves}
    pages = [_manifest_page(salt, index, page, codes, waves) for index, page in enumerate(design.pages)]
    manifest = {
        "format": FORMAT,
        "id": code(f"vcbench_{test}", salt),
        "test": test,
        "name": design.name,
        "question": design.question,
        "scale": [list(point) for point in KINDS[test].scale],
        "rate": rate,
        "loudness": round(loudness, 2),
        "volume": codes[OPENING],
        "pages": pages,
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as temporary:
        folder = Path(temporary) / "package"
        _write_package(folder, design, manifest, {codes[place]: wave for place, wave in waves.items()})
        checksum = hash_file(folder / "SHA256SUMS")
        write_json(key, _key(run, design, manifest, codes, seed, salt, checksum))
        try:
            folder.rename(out)
        except OSError:
            key.unlink()
            raise
    return key


def code(prefix: str, salt: str, *parts: str) -> str:
    """An opaque name that follows from the secret alone, and that no program takes for a number."""
    digest = hmac.new(salt.encode(), "\x1f".join(parts).encode(), hashlib.sha256).digest()
    return f"{prefix}_{base64.b32encode(digest).decode().lower()[:10]}"


def _refuse_places(out: Path, key: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ListeningError(f"{out} exists and is not an empty folder. Name another --out, or remove it.")
    if key.is_relative_to(out):
        raise ListeningError(
            f"The key {key} would lie inside the package {out}, for listeners to read. Put it elsewhere."
        )
    if key.exists():
        raise ListeningError(f"{key} exists: the key of another package, which would be lost. Name another --out.")


def _render(
    run: Run, design: Design, converted: dict[str, dict[str, Conversion]], rate: int
) -> tuple[dict[Place, np.ndarray], float]:
    """Every clip, equally loud, and equally long on a page; and the common loudness in LUFS."""

    def utterance(identity: str) -> np.ndarray:
        recording = run.utterance(identity)
        return read_clip(recording.path, rate, recording.span)

    raw = {OPENING: utterance(design.volume)}
    for index, page in enumerate(design.pages):
        if page.reference is not None:
            raw[Place(index, REFERENCE, page.trial)] = utterance(page.reference)
        for role in page.roles:
            if role in PASS_BANDS:
                reference = raw[Place(index, REFERENCE, page.trial)]
                wave = faded(anchor(reference, PASS_BANDS[role], rate), rate)
            else:
                wave = read_clip(converted[role][page.trial].path, rate)
            raw[Place(index, role, page.trial)] = wave
    longest: dict[int, int] = {}
    for place, wave in raw.items():
        longest[place.page] = max(longest.get(place.page, 0), len(wave))
    return level({place: padded(wave, longest[place.page]) for place, wave in raw.items()}, rate)


def _manifest_page(
    salt: str, index: int, page: Page, codes: dict[Place, str], waves: dict[Place, np.ndarray]
) -> dict[str, Any]:
    """What the package says of a page; codes in their own order, which is nobody's."""
    return {
        "id": code("p", salt, str(index)),
        "stimuli": sorted(codes[Place(index, role, page.trial)] for role in page.roles),
        "reference": codes[Place(index, REFERENCE, page.trial)] if page.reference is not None else None,
        "samples": len(waves[Place(index, page.roles[0], page.trial)]),
    }


def _key(
    run: Run,
    design: Design,
    manifest: dict[str, Any],
    codes: dict[Place, str],
    seed: int,
    salt: str,
    checksum: str,
) -> dict[str, Any]:
    pages = {
        shown["id"]: {"trial": page.trial, "condition": page.condition, "reference": page.reference}
        for shown, page in zip(manifest["pages"], design.pages, strict=True)
    }
    clips = {
        name: {"page": manifest["pages"][place.page]["id"], "trial": place.trial, "role": place.role}
        for place, name in codes.items()
        if place != OPENING
    }
    return {
        "format": FORMAT,
        "id": manifest["id"],
        "sums": checksum,
        "test": design.kind,
        "name": design.name,
        "run": str(run.folder),
        "corpus": run.corpus.name,
        "systems": [row for row in design.rows if row in run.systems],
        "references": [row for row in design.rows if row not in run.systems],
        "seed": seed,
        "salt": salt,
        "pages": pages,
        "clips": clips,
    }


def _write_package(folder: Path, design: Design, manifest: dict[str, Any], waves: dict[str, np.ndarray]) -> None:
    (folder / "audio").mkdir(parents=True)
    for name in sorted(waves):  # so that neither times nor the folder's order follow the systems
        write_clip(folder / "audio" / f"{name}.wav", waves[name], manifest["rate"])
    config = webmushra.configuration(design, manifest["id"], manifest["pages"], manifest["volume"])
    texts = {
        "manifest.json": json.dumps(manifest, indent=2) + "\n",
        f"webmushra/{design.kind}.yaml": webmushra.dump(config),
        "README.txt": README.format(name=design.name, id=manifest["id"], test=design.kind),
    }
    (folder / "webmushra").mkdir()
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    sums = [f"{hash_file(path)}  {path.relative_to(folder).as_posix()}\n" for path in files]
    (folder / "SHA256SUMS").write_text("".join(sums), encoding="utf-8")


README = """\
A blinded listening test: {name}.

Clips are equally loud, and named by codes; which is whose stands in the key, which is not in this folder and is not to
be where listeners can read it. `sha256sum -c SHA256SUMS` tells whether the package is as it was written.

To run it with webMUSHRA (https://github.com/audiolabs/webMUSHRA) or pymushra:
1. Copy this folder to webMUSHRA's configs/{id}/
2. Open /?config={id}/webmushra/{test}.yaml

Try the whole test yourself first, and give each listener a number or code to enter on the last page.
"""
