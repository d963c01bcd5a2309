"""CMU ARCTIC (Kominek and Black 2003): ``cmu_us_bdl_arctic/wav/arctic_a0001.wav``, texts in ``etc/txt.done.data``.

All speakers read the same sentences, some only the first half (``arctic_a*``).
"""

from __future__ import annotations

import re
from pathlib import Path

from vcbench.speech.corpora.layout import assemble, files, find_base, read_text, sentence
from vcbench.speech.utterance import Corpus, Sex, Speaker, Utterance

LICENCE = "Free software, CMU ARCTIC (c) 2003 Carnegie Mellon University, http://festvox.org/cmu_arctic"

VOICES: dict[str, Sex] = {
    **dict.fromkeys(("aew", "ahw", "aup", "awb", "bdl", "fem", "gka", "jmk", "ksp", "rms", "rxr"), "M"),
    **dict.fromkeys(("axb", "clb", "eey", "ljm", "lnh", "slp", "slt"), "F"),
}

PROMPT = re.compile(r'^\(\s*(\S+)\s+"(.*)"\s*\)\s*$')  # ( arctic_a0001 "Author of the danger trail, ..." )


def load(root: Path | None) -> Corpus:
    """Load every voice in the folder; an utterance's id is ``bdl-arctic_a0001``."""
    base = find_base("cmu_arctic", root, ("ARCTIC",), ("cmu_us_*_arctic/wav",))
    speakers = []
    for folder in sorted(base.glob("cmu_us_*_arctic")):
        voice = folder.name.removeprefix("cmu_us_").removesuffix("_arctic")
        texts = _prompts(folder / "etc" / "txt.done.data")
        recordings = files(folder / "wav", (".wav",))
        utterances = tuple(Utterance(f"{voice}-{path.stem}", voice, path, texts.get(path.stem)) for path in recordings)
        speakers.append(Speaker(voice, utterances, VOICES.get(voice)))
    return assemble("cmu_arctic", base, speakers, LICENCE, "cmu_us_<voice>_arctic/wav/*.wav")


def _prompts(path: Path) -> dict[str, str | None]:
    """File stem to sentence."""
    matches = (PROMPT.match(line) for line in read_text(path).splitlines()) if path.is_file() else ()
    return {match[1]: sentence(match[2].replace('\\"', '"')) for match in matches if match}
