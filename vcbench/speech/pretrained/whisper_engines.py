"""The two libraries that run Whisper: log-mel spectrograms in, text out."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

MAXIMUM_TOKENS = 224  # per window: half of the decoder's context, as in openai-whisper
BATCH = 16  # windows at once on a GPU


class Decoder(Protocol):
    """What a Transcriber needs from an engine: the text of each mel (n_mels, frames), decoded independently."""

    n_mels: int

    def __call__(self, mels: Sequence[Tensor]) -> list[str]: ...


class FasterWhisper:
    """CTranslate2: one window per thread, on as many threads as PyTorch has, so that the number of threads changes no result."""

    def __init__(self, folder: Path, model: str, device: str, beam: int, precision: str, language: str) -> None:
        from faster_whisper import WhisperModel
        from faster_whisper.tokenizer import Tokenizer
        from faster_whisper.transcribe import get_suppressed_tokens

        self._threads = torch.get_num_threads() if device == "cpu" else 1
        whisper = WhisperModel(
            str(folder),
            device=device,
            compute_type=precision,
            cpu_threads=1,
            num_workers=self._threads,
            local_files_only=True,
        )
        self._model = whisper.model
        self.n_mels = self._model.n_mels
        self._tokenizer = Tokenizer(
            whisper.hf_tokenizer, self._model.is_multilingual, task="transcribe", language=language
        )
        self._prompt = [*self._tokenizer.sot_sequence, self._tokenizer.no_timestamps]
        self._options = {
            "beam_size": beam,
            "max_length": len(self._prompt) + MAXIMUM_TOKENS,
            "suppress_blank": True,
            "suppress_tokens": get_suppressed_tokens(self._tokenizer, [-1]),
        }

    def __call__(self, mels: Sequence[Tensor]) -> list[str]:
        with ThreadPoolExecutor(self._threads) as pool:
            return list(pool.map(self._decode, mels))

    def _decode(self, mel: Tensor) -> str:
        from ctranslate2 import StorageView

        encoded = self._model.encode(StorageView.from_array(mel[None].contiguous().numpy()))
        (result,) = self._model.generate(encoded, [self._prompt], **self._options)
        return self._tokenizer.decode(result.sequences_ids[0])


class OpenAIWhisper:
    """PyTorch: on a GPU in batches of fixed size, padded with silence, so that other recordings do not change the rounding."""

    def __init__(self, folder: Path, model: str, device: str, beam: int, precision: str, language: str) -> None:
        from whisper import DecodingOptions

        self._model = _load_openai_whisper(folder, model).to(device).eval()
        self.n_mels = self._model.dims.n_mels
        self._batch = 1 if device == "cpu" else BATCH
        self._device = device
        self._options = DecodingOptions(
            language=language,
            temperature=0.0,
            beam_size=None if beam == 1 else beam,
            without_timestamps=True,
            fp16=precision == "float16",
        )

    @torch.inference_mode()
    def __call__(self, mels: Sequence[Tensor]) -> list[str]:
        from whisper import decode

        texts: list[str] = []
        for begin in range(0, len(mels), self._batch):
            group = torch.stack(list(mels[begin : begin + self._batch])).to(self._device)
            silence = group.new_full((self._batch - len(group), *group.shape[1:]), float(group.min()))
            texts += [
                result.text for result in decode(self._model, torch.cat([group, silence]), self._options)[: len(group)]
            ]
        return texts


def _load_openai_whisper(folder: Path, model: str) -> Any:
    """openai-whisper's own file, from which only tensors are read, or faster-whisper's file, converted."""
    from whisper import load_model

    from vcbench.speech.pretrained.whisper_weights import load_openai_whisper

    file = folder / f"{model}.pt"
    return load_model(str(file), device="cpu") if file.is_file() else load_openai_whisper(folder / "model.bin")
