"""English text to words, with numbers spelled out, and pronunciations of words that are not in a dictionary."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

if TYPE_CHECKING:
    import inflect

LONGEST_PRONUNCIATION = 20  # phones, as in g2p_en
LONGEST_NUMBER = 12  # digits; longer ones are read digit by digit
SIGNS = {"&": " and ", "%": " percent ", "+": " plus ", "=": " equals ", "@": " at ", "’": "'", "‘": "'"}  # noqa: RUF001
CURRENCIES = {"$": "dollars", "£": "pounds", "€": "euros"}
LETTERS = "abcdefghijklmnopqrstuvwxyz"
VOWELS = set("aeiouy")

# The output symbols of g2p_en's model, in its order; digits mark stress.
SYMBOLS = (
    "<pad> <unk> <s> </s> AA0 AA1 AA2 AE0 AE1 AE2 AH0 AH1 AH2 AO0 AO1 AO2 AW0 AW1 AW2 AY0 AY1 AY2 B CH D DH EH0 EH1 EH2 "
    "ER0 ER1 ER2 EY0 EY1 EY2 F G HH IH0 IH1 IH2 IY0 IY1 IY2 JH K L M N NG OW0 OW1 OW2 OY0 OY1 OY2 P R S SH T TH UH0 UH1 "
    "UH2 UW UW0 UW1 UW2 V W Y Z ZH"
)

PHONEMES = SYMBOLS.split()


class UnreadableText(ValueError):
    """A text is not in Latin script, or has no words."""


def words(text: str) -> list[str]:
    """The words of an English text in lower case (a-z and apostrophes), with numbers spelled out.

    Raises:
        UnreadableText: the text has letters of another script, or no words.
    """
    for sign, spoken in SIGNS.items():
        text = text.replace(sign, spoken)
    decomposed = unicodedata.normalize("NFKD", text.lower())
    plain = "".join(character for character in decomposed if not unicodedata.combining(character))
    plain = plain.replace("ß", "ss").replace("æ", "ae").replace("ø", "o").replace("œ", "oe").replace("ł", "l")
    foreign = sorted({character for character in plain if character.isalpha() and character not in LETTERS})
    if foreign:
        raise UnreadableText(f"the text has letters that English does not have: {' '.join(foreign[:8])}")
    found = [word.strip("'") for word in re.findall(r"[a-z']+", _spell_numbers(plain))]
    found = [word for word in found if word]
    if not found:
        raise UnreadableText(f"the text has no words: {text[:40]!r}")
    return found


def _spell_numbers(text: str) -> str:
    for sign, name in CURRENCIES.items():
        text = re.sub(rf"(?a){re.escape(sign)}\s*(\d[\d,]*(?:\.\d+)?)", rf"\1 {name}", text)
    text = re.sub(r"(?a)\b\d{1,3}(?:,\d{3})+\b", lambda match: _spoken(match[0], andword=""), text)
    text = re.sub(r"(?a)\d+(?:st|nd|rd|th)\b", lambda match: _spoken(match[0]), text)
    text = re.sub(r"(?a)(\d+)\.(\d+)", lambda match: f"{match[1]} point {' '.join(match[2])}", text)
    # "1980s" keeps its s: "nineteen eightys" is pronounced correctly.
    return re.sub(r"(?a)\d+", lambda match: _spell_number(match[0]), text)


def _spell_number(digits: str) -> str:
    if len(digits) > LONGEST_NUMBER:
        return _spoken(digits, group=1)
    number = int(digits)
    if len(digits) == 4 and (1100 <= number < 2000 or 2010 <= number < 2100):  # most likely a year
        return f"{_spoken(digits[:2])} hundred" if number % 100 == 0 else _spoken(digits, group=2, zero="oh")
    return _spoken(str(number), andword="")


def _spoken(digits: str, **options: Any) -> str:
    return f" {_engine().number_to_words(digits, **options)}"


@cache
def _engine() -> inflect.engine:
    import inflect  # imported here: it takes longer than PyTorch, and few texts have digits

    return inflect.engine()


class LettersToPhones(nn.Module):
    """The recurrent encoder and decoder of g2p_en (Park and Kim 2019), trained on the CMU dictionary, with the published weights.

    Only the weights of that package are used: its code downloads data when it is imported.
    """

    def __init__(self) -> None:
        super().__init__()
        spec = find_spec("g2p_en")
        if spec is None or not spec.submodule_search_locations:
            raise ModuleNotFoundError("The package g2p_en is missing. Install it: pip install g2p-en")
        with np.load(Path(spec.submodule_search_locations[0]) / "checkpoint20.npz", allow_pickle=False) as file:
            weights = {name: torch.from_numpy(file[name]) for name in file.files}
        self.letters = nn.Embedding.from_pretrained(weights["enc_emb"])
        self.phonemes = nn.Embedding.from_pretrained(weights["dec_emb"])
        self.encoder = _recurrent_cell(weights, "enc")
        self.decoder = _recurrent_cell(weights, "dec")
        symbols, hidden = weights["fc_w"].shape
        self.output = nn.Linear(hidden, symbols)
        self.output.load_state_dict({"weight": weights["fc_w"], "bias": weights["fc_b"]})

    @torch.inference_mode()
    def forward(self, word: str) -> list[str]:
        """ARPAbet phones without stress: the most likely one at each step."""
        symbols = ["<pad>", "<unk>", "</s>", *LETTERS]
        indices = [symbols.index(letter) if letter in symbols else 1 for letter in [*word, "</s>"]]
        state = torch.zeros(1, self.encoder.hidden_size)
        for embedding in self.letters(torch.tensor(indices)):
            state = self.encoder(embedding[None], state)
        phones: list[str] = []
        previous = PHONEMES.index("<s>")
        while len(phones) < LONGEST_PRONUNCIATION:
            state = self.decoder(self.phonemes(torch.tensor([previous])), state)
            previous = int(self.output(state).argmax())
            if PHONEMES[previous] == "</s>":
                break
            phones.append(PHONEMES[previous].rstrip("012"))
        return [phone for phone in phones if not phone.startswith("<")]


def _recurrent_cell(weights: dict[str, torch.Tensor], name: str) -> nn.GRUCell:
    hidden = weights[f"{name}_w_hh"].shape[1]
    cell = nn.GRUCell(weights[f"{name}_w_ih"].shape[1], hidden)
    cell.load_state_dict(
        {f"{kind}_{part}h": weights[f"{name}_{kind[0]}_{part}h"] for kind in ("weight", "bias") for part in "ih"}
    )
    return cell


@cache
def _letters_to_phones() -> LettersToPhones:
    return LettersToPhones()


@cache
def pronounce(word: str) -> tuple[str, ...]:
    """The predicted pronunciation of a word (a-z and apostrophes), in ARPAbet without stress."""
    return tuple(_letters_to_phones()(word))


def is_spelled(word: str) -> bool:
    """Whether an unknown word is read letter by letter, as "vctk" is."""
    return not VOWELS & set(word)
