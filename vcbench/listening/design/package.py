"""Write the folder to hand out: the page with its data, clips, webMUSHRA configurations, and checksums."""

from __future__ import annotations

import base64
import json
import shutil
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np

from vcbench.base.files import hash_file, write_json
from vcbench.listening.design.clips import write_clip
from vcbench.listening.design.webmushra import Writer, can_say, dump
from vcbench.listening.options import Options
from vcbench.listening.texts import languages, texts


def write_package(
    folder: Path,
    manifest: dict[str, Any],
    sheets: dict[str, Any],
    waves: dict[str, np.ndarray],
    hidden: set[str],
    options: Options,
) -> str:
    """Write everything that listeners may see; return the SHA-256 of SHA256SUMS.

    Args:
        sheets: by listener number (a string).
        waves: (samples,) by code.
        hidden: codes of hidden references.
    """
    with as_file(files("vcbench.listening") / "page") as page:
        shutil.copytree(page, folder, ignore=shutil.ignore_patterns("translations", "__pycache__"))
    write_json(folder / "manifest.json", manifest)
    write_json(folder / "sheets.json", sheets)
    _write_clips(folder, waves, manifest["rate"])
    _write_scripts(folder, manifest, sheets, options)
    _write_texts(folder, manifest, len(sheets), options)
    _write_webmushra(folder, manifest, sheets, hidden, options.consent)
    return _write_sums(folder)


def _write_clips(folder: Path, waves: dict[str, np.ndarray], rate: int) -> None:
    """Write each clip as a WAV file, and as a script: a page opened from file:// can load nothing else."""
    for name in ("audio", "clips"):
        (folder / name).mkdir()
    for name in sorted(waves):  # so that neither times nor the order in the folder reveal the systems
        path = folder / "audio" / f"{name}.wav"
        write_clip(path, waves[name], rate)
        content = base64.b64encode(path.read_bytes()).decode()
        (folder / "clips" / f"{name}.js").write_text(f'vcbench.receive("{name}", "{content}");\n', encoding="utf-8")


def _write_scripts(folder: Path, manifest: dict[str, Any], sheets: dict[str, Any], options: Options) -> None:
    contents = {
        "data": {"manifest": manifest, "sheets": sheets, "consent": options.consent},
        "translations": {language: texts(language) for language in languages()},
        "collector": options.collector,
    }
    for name, content in contents.items():
        text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
        (folder / f"{name}.js").write_text(f"vcbench.{name} = {text};\n", encoding="utf-8")


def _write_texts(folder: Path, manifest: dict[str, Any], listeners: int, options: Options) -> None:
    consent = options.consent or texts(options.language)["consent.template"]
    other = WEBMUSHRA if can_say(manifest["test"]) else NO_WEBMUSHRA
    readme = README.format(
        name=manifest["name"], listeners=listeners, webmushra=other.format(id=manifest["id"], test=manifest["test"])
    )
    (folder / "consent.txt").write_text(f"{consent}\n", encoding="utf-8")
    (folder / "README.txt").write_text(readme, encoding="utf-8")


def _write_webmushra(
    folder: Path, manifest: dict[str, Any], sheets: dict[str, Any], hidden: set[str], consent: str | None
) -> None:
    if not can_say(manifest["test"]):
        return
    (folder / "webmushra").mkdir()
    writer = Writer(manifest, hidden, consent)
    for number, sheet in sheets.items():
        text = dump(writer.configuration(sheet))
        (folder / "webmushra" / f"listener_{int(number):03d}.yaml").write_text(text, encoding="utf-8")


def _write_sums(folder: Path) -> str:
    """List the SHA-256 of every file; return that of the list."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    sums = [f"{hash_file(path)}  {path.relative_to(folder).as_posix()}\n" for path in paths]
    (folder / "SHA256SUMS").write_text("".join(sums), encoding="utf-8")
    return hash_file(folder / "SHA256SUMS")


WEBMUSHRA = """\
- webMUSHRA (https://github.com/audiolabs/webMUSHRA) or pymushra: copy this folder to webMUSHRA's configs/{id}/ and
  give listener 7 the address /?config={id}/webmushra/listener_007.yaml
"""

NO_WEBMUSHRA = """\

webMUSHRA cannot run this test ({test}): its pages have one answer, and this one needs two.
"""

README = """\
A blinded listening test: {name}, for {listeners} listeners.

Clips are equally loud and named by codes. The key says which system each clip is from; it is not in this folder. Keep it
where listeners cannot read it. `sha256sum -c SHA256SUMS` checks that the package is unchanged.

Each listener has a number, 1 to {listeners}, and their own sheet: give every number to one person.
Try the whole test yourself first. Unless you gave your own, the consent form (consent.txt) is a template with gaps in
[BRACKETS]: fill it in and build the package again with --consent FILE.

To run it, one of:
- Open index.html in a browser, from this folder or from any web server. At the end the listener downloads a file with
  the answers and sends it to you. index.html?listener=7 fills in the number, &lang=de chooses the language.
- `vcbench listen serve THIS_FOLDER --results RESULTS` serves the same page and collects the answers.
{webmushra}
The analysis plan in the key folder is fixed. If you must change it, do so before the first listener, and report it.
"""
