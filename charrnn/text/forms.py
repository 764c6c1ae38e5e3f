"""The forms in which one character is written: composed or not, wide, curly, traditional, a capital."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from functools import cache
from itertools import chain

ALIKE = ("'’‘‚‛′`´", '"”“„‟″', "-‐‑‒–—―−", "·・•‧", ".。")
"""Characters that stand for each other. Of quotation marks the closing one comes first."""
OPENING = {"'": "‘", '"': "“"}
"""What a straight quotation mark is at the beginning of a word."""
CONVERSIONS = ("s2t", "t2s", "s2tw", "t2tw")
"""OpenCC's conversions between simplified and traditional characters."""


class Forms:
    """The other forms of the characters of one text.

    The text decides some: a straight quotation mark opens or closes, and 头发 is 頭髮 where 发 alone is 發.
    """

    def __init__(self, text: str, knows: Callable[[str], bool]) -> None:
        """`knows` says whether the model knows all characters of a form."""
        self._text, self._knows = text, knows
        self._converted: list[str] | None = None
        self._found: dict[tuple[object, ...], str | None] = {}

    def find(self, character: str, at: int) -> str | None:
        """The first form of the character at this place of the text that is known; None if none is."""
        opens, converted = self._opens(at), self._conversions(character, at)
        key = (character, opens, *converted)
        if key not in self._found:
            first = [*_simple(character, opens), *converted]
            second = (form for one in first for form in _simple(one, opens))
            self._found[key] = next((form for form in chain(first, second) if self._knows(form)), None)
        return self._found[key]

    def nearest(self, character: str, at: int) -> str | None:
        """A known form of the letter without its marks; None if none is."""
        bare = "".join(c for c in unicodedata.normalize("NFKD", character) if not unicodedata.combining(c))
        if not bare or bare == character:
            return None
        return bare if self._knows(bare) else self.find(bare, at)

    def _opens(self, at: int) -> bool:
        before = self._text[at - 1 : at]
        return not before or before.isspace() or before in "([{-–—"

    def _conversions(self, character: str, at: int) -> list[str]:
        if not any(map(is_ideograph, character)):
            return []
        if self._converted is None:
            self._converted = [convert(self._text) for convert in _converters()]
        there = [text[at : at + len(character)] for text in self._converted if len(text) == len(self._text)]
        return [*there, *_conversions_alone(character)]


def look_alike(one: str, other: str) -> bool:
    """Whether two characters are the same but for their normal form."""
    return unicodedata.normalize("NFC", one) == unicodedata.normalize("NFC", other)


def is_ideograph(character: str) -> bool:
    """Whether a character is a Chinese one."""
    return "\u3400" <= character <= "\u9fff" or "\U00020000" <= character <= "\U0003ffff"


def simplifies() -> bool:
    """Whether OpenCC is there."""
    return bool(_converters())


def _simple(text: str, opens: bool) -> Iterator[str]:
    """The forms that Unicode tells, the nearest first."""
    yield unicodedata.normalize("NFC", text)
    yield unicodedata.normalize("NFD", text)
    if opens and text in OPENING:
        yield OPENING[text]
    for family in ALIKE:
        if text in family:
            yield from family
    if text in _wide():
        yield _wide()[text]
    yield unicodedata.normalize("NFKC", text)
    yield unicodedata.normalize("NFKD", text)
    yield text.lower()
    yield text.upper()


@cache
def _wide() -> dict[str, str]:
    """Characters of another width than the usual one, by the usual one."""
    wide = [chr(code) for code in range(0xFF01, 0xFFEF)] + ["\u3000"]
    return {unicodedata.normalize("NFKC", character): character for character in wide}


@cache
def _converters() -> tuple[Callable[[str], str], ...]:
    try:
        from opencc import OpenCC
    except ImportError:
        return ()
    return tuple(OpenCC(name).convert for name in CONVERSIONS)


def variants(character: str) -> list[str]:
    """The other forms that OpenCC has for a character on its own; none without OpenCC."""
    return [form for form in dict.fromkeys(_conversions_alone(character)) if form != character]


def are_variants(one: str, other: str) -> bool:
    """Whether two texts are the same, or traditional and simplified forms of each other."""

    def same(a: str, b: str) -> bool:
        return a == b or b in variants(a) or a in variants(b)

    return len(one) == len(other) and all(map(same, one, other))


@cache
def _conversions_alone(character: str) -> list[str]:
    return [convert(character) for convert in _converters()]
