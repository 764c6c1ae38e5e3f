"""Tones and rhymes of today's Chinese: the fourteen rhymes of 中華新韻 (中華詩詞學會, 2005), by Pinyin's finals."""

from __future__ import annotations

from functools import cache

from charrnn.errors import CharrnnError
from charrnn.verse.readings import Readings

RHYMES = {
    **dict.fromkeys(["a", "ia", "ua"], "麻"),
    **dict.fromkeys(["o", "e", "uo"], "波"),
    **dict.fromkeys(["ie", "ve", "ê"], "皆"),
    **dict.fromkeys(["ai", "uai"], "开"),
    **dict.fromkeys(["ei", "uei"], "微"),
    **dict.fromkeys(["ao", "iao"], "豪"),
    **dict.fromkeys(["ou", "iou"], "尤"),
    **dict.fromkeys(["an", "ian", "uan", "van"], "寒"),
    **dict.fromkeys(["en", "in", "uen", "vn"], "文"),
    **dict.fromkeys(["ang", "iang", "uang"], "唐"),
    **dict.fromkeys(["eng", "ing", "ueng", "ong", "iong"], "庚"),
    **dict.fromkeys(["i", "er", "v"], "齐"),
    "-i": "支",
    "u": "姑",
}
"""Finals, as pypinyin names them, to their rhymes. -i is the final of zhi, chi, shi, ri, zi, ci and si."""
HISSING = ("zh", "ch", "sh", "r", "z", "c", "s")
LEVEL, OBLIQUE = "12", "34"
"""The tones of Pinyin. A syllable without a tone has no reading here."""


@cache
def xinyun() -> Readings:
    """The readings of pypinyin's dictionary: first and second tone are level, third and fourth oblique.

    Raises CharrnnError where pypinyin is missing.
    """
    try:
        from pypinyin.constants import PINYIN_DICT
        from pypinyin.contrib.tone_convert import to_finals, to_initials, to_tone3
    except ImportError:
        raise CharrnnError("modern readings come with another package: pip install 'charrnn[verse]'") from None

    @cache
    def group(syllable: str) -> str:
        final = to_finals(syllable, strict=True)
        if final == "i" and to_initials(syllable, strict=True) in HISSING:
            final = "-i"
        tone = {**dict.fromkeys(LEVEL, "平"), **dict.fromkeys(OBLIQUE, "仄")}.get(to_tone3(syllable)[-1:])
        return f"{tone}聲{RHYMES[final]}" if tone and final in RHYMES else ""

    groups: dict[str, set[str]] = {f"{tone}聲{rhyme}": set() for tone in "平仄" for rhyme in RHYMES.values()}
    for code, syllables in PINYIN_DICT.items():
        for syllable in syllables.split(","):
            if name := group(syllable):
                groups[name].add(chr(code))
    level, oblique = ({name: frozenset(own) for name, own in groups.items() if name[0] == tone} for tone in "平仄")
    return Readings(level, oblique)
