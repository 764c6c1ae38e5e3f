"""English verse as an automaton over characters: lines of so many syllables, whose last words rhyme.

The automaton spells words of a dictionary. It is in several places at once, since a word may be spoken in several ways.
From every place the line, and all lines after it, can be finished: words are only begun that end in time.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from charrnn.errors import CharrnnError
from charrnn.text.vocab import Vocabulary
from charrnn.verse.dictionary import LETTERS, Dictionary, Numbers, Which, cmu_lines

Mask = npt.NDArray[np.bool_]
Counts = int
"""Numbers of syllables, each a bit: 0b101 is 0 or 2."""
MARKS = ",;:.!?"
"""What may stand after a word, before a space or the end of the line."""
APOSTROPHES = "'’"
UNSAID = 0b111111 << 6
"""The syllables of a line where none are asked for: 6 to 11."""
MOST_LINES, MOST_SYLLABLES = 100, 50
NONE = -1
"""In the place of a rhyme that is not chosen yet."""


class Place(NamedTuple):
    """What has been written, if its words are spoken in one way."""

    syllables: int
    """Those of the line, before the word that is being spelt."""
    rhymes: tuple[int, ...]
    """For each letter of the scheme the number of its rhyme, or NONE."""
    used: frozenset[int]
    """The units of the dictionary that have ended a line that rhymes."""


class State(NamedTuple):
    """Where the automaton is."""

    line: int
    word: str
    """The word that is being spelt, in small letters; empty before its first one."""
    marked: bool
    """Whether a mark stands after it."""
    places: frozenset[Place]


class EnglishVerse:
    """A constraint: lines that rhyme by a scheme, such as `aabba`, or have so many syllables, such as `5-7-5`, or both.

    A letter that comes once does not rhyme. Without a number the lines have 6 to 11 syllables; one number is that of
    every line. Words are those of the dictionary, in small letters or with a capital, with single spaces, and MARKS
    after them. Words rhyme that sound alike from their last stressed vowel on, and do not sound the same. Those that
    end lines of one letter are no longer than the shortest of these lines.

    Raises CharrnnError for a scheme or syllables that are none, and where the model's alphabet does not spell enough
    words.
    """

    def __init__(
        self, vocabulary: Vocabulary, rhyme_scheme: str = "", syllables: str = "", lines: list[str] | None = None
    ) -> None:
        """`lines` are those of a dictionary of one's own (`Dictionary`) in the place of the CMU dictionary."""
        self._targets = _targets(rhyme_scheme, syllables)
        counts = Counter(rhyme_scheme.lower())
        letters = [letter for letter in counts if counts[letter] > 1]
        self._scheme = [letters.index(one) if one in letters else NONE for one in rhyme_scheme.lower()] or [NONE] * len(
            self._targets
        )
        if vocabulary.kind == "byte" or not {" ", "\n"} <= set(vocabulary.characters):
            raise CharrnnError(
                "English verse needs a model of characters that knows spaces and line ends; this one does not"
            )
        self._characters, self._size = vocabulary.characters, len(vocabulary)
        self._ids = {character: i for i, character in enumerate(vocabulary.characters)}
        self._words = words = Dictionary(cmu_lines() if lines is None else lines, *self._letters())
        self._fill = self._sums(_counts(words.syllables), max(t.bit_length() for t in self._targets))
        self._good = [self._rhyming(i, counts[letter], letter) for i, letter in enumerate(letters)]
        self._free: Which = ~words.weak
        self._cached()
        start = Place(0, (NONE,) * len(letters), frozenset())
        if not all(self._room(line, start) & 1 for line in range(len(self._targets)) if self._scheme[line] == NONE):
            raise CharrnnError(f"‹syllables={syllables}›: this model's alphabet spells no words that make such lines")
        self._begin = State(0, "", False, frozenset({start}))

    def _cached(self) -> None:
        """Keeps what is asked for again and again."""
        self._room_of = lru_cache(4096)(self._find_room)
        self._last = lru_cache(65536)(self._find_last)
        self._every = lru_cache(65536)(self._find_every)
        self._alike = lru_cache(1024)(self._find_alike)
        self._after = lru_cache(65536)(self._find_after)
        self._allowed = lru_cache(4096)(self._find_allowed)

    def begin(self) -> State:
        """Nothing is written."""
        return self._begin

    def allowed(self, state: State) -> Mask:
        """The ids after which all lines can still be finished, `[V]`; none after the last line."""
        return self._allowed(state)

    def after(self, state: State, character: int) -> State | None:
        """The state after an id."""
        return self._after(state, self._characters[character]) if character < len(self._characters) else None

    def is_over(self, state: State) -> bool:
        """Whether all lines are written."""
        return state.line == len(self._targets)

    def _find_allowed(self, state: State) -> Mask:
        mask = np.zeros(self._size, np.bool_)
        following = (*LETTERS, "’", *MARKS, " ", "\n") if state.word else (*LETTERS, *LETTERS.upper(), "’")
        for character in following:
            if character in self._ids and self._after(state, character) is not None:
                mask[self._ids[character]] = True
        mask.flags.writeable = False
        return mask

    def _find_after(self, state: State, character: str) -> State | None:
        line, word, marked, places = state
        if self.is_over(state):
            return None
        letter = "'" if character in APOSTROPHES else character.lower()
        if letter in LETTERS and len(letter) == 1:
            if marked or (letter != character and character not in APOSTROPHES and word):
                return None
            word += letter
            within = self._words.beginning(word)
            if within.start == within.stop:
                return None
            here = frozenset(one for one in places if self._can(line, one, within.start, within.stop))
            return State(line, word, False, here) if here else None
        whole = self._words.spelling(word)
        if whole.start == whole.stop:
            return None
        if character in MARKS and not marked:
            here = frozenset(one for one in places if self._can(line, one, whole.start, whole.stop))
            return State(line, word, True, here) if here else None
        if character == " ":
            there = frozenset(self._going_on(line, places, whole))
            return State(line, "", False, there) if there else None
        if character == "\n":
            there = frozenset(self._ending(line, places, whole))
            return State(line + 1, "", False, there) if there else None
        return None

    def _going_on(self, line: int, places: frozenset[Place], word: slice) -> list[Place]:
        """The places after a word that does not end its line."""
        counts = {int(count) for count in self._words.syllables[word]}
        found = [place._replace(syllables=place.syllables + count) for place in places for count in counts]
        return [place for place in found if self._room(line, place) >> place.syllables & 1]

    def _ending(self, line: int, places: frozenset[Place], word: slice) -> list[Place]:
        """The places after a word that ends its line."""
        words, letter, found = self._words, self._scheme[line], list[Place]()
        for place in places:
            for i in range(word.start, word.stop):
                reached = place.syllables + int(words.syllables[i])
                if not self._targets[line] >> reached & 1 or not self._last(*self._ending_of(line, place), i, i + 1):
                    continue
                rhymes, used = place.rhymes, place.used
                if letter != NONE:
                    rhymes = (*rhymes[:letter], int(words.rhymes[i]), *rhymes[letter + 1 :])
                    used |= {int(words.units[i])}
                found.append(Place(0, rhymes, used))
        return found

    def _can(self, line: int, place: Place, start: int, stop: int) -> bool:
        """Whether one of the words from `start` to `stop` can end the line, or go on in it."""
        every, last = self._every(start, stop), self._last(*self._ending_of(line, place), start, stop)
        return bool(
            (every << place.syllables) & self._room(line, place) or (last << place.syllables) & self._targets[line]
        )

    def _ending_of(self, line: int, place: Place) -> tuple[int, int, frozenset[int]]:
        """What decides which words may end a line: its letter, the rhyme of that, and what may not come again: units
        where there is a rhyme, and where it is still free, the rhymes of other letters.
        """
        letter = self._scheme[line]
        if letter == NONE:
            return NONE, NONE, frozenset()
        rhyme = place.rhymes[letter]
        return letter, rhyme, place.used if rhyme != NONE else frozenset(place.rhymes) - {NONE}

    def _find_every(self, start: int, stop: int) -> Counts:
        """The syllables of the entries from `start` to `stop`."""
        return _counts(self._words.syllables[start:stop])

    def _find_last(self, letter: int, rhyme: int, never: frozenset[int], start: int, stop: int) -> Counts:
        """The syllables of the entries from `start` to `stop` that may end a line of `_ending_of`."""
        words = self._words
        if rhyme != NONE:
            alike = self._alike(letter, rhyme)
            within = alike[np.searchsorted(alike, start) : np.searchsorted(alike, stop)]
            return _counts(words.syllables[[i for i in within if int(words.units[i]) not in never]])
        good = self._free if letter == NONE else self._good[letter]
        here = np.flatnonzero(good[start:stop]) + start
        if never and len(here):
            here = here[~np.isin(words.rhymes[here], list(never))]
        return _counts(words.syllables[here])

    def _find_alike(self, letter: int, rhyme: int) -> npt.NDArray[np.intp]:
        """The entries with a rhyme that may end the lines of a letter."""
        return np.flatnonzero(self._good[letter] & (self._words.rhymes == rhyme))

    def _room(self, line: int, place: Place) -> Counts:
        """With how many syllables, before a word, the line can still be finished."""
        return self._room_of(line, *self._ending_of(line, place))

    def _find_room(self, line: int, letter: int, rhyme: int, never: frozenset[int]) -> Counts:
        last = self._last(letter, rhyme, never, 0, len(self._words))
        return _before(_plus(last, self._fill), self._targets[line])

    def _rhyming(self, letter: int, count: int, name: str) -> Which:
        """Which entries may end the lines of a letter: so many of them rhyme that none of the lines is left without.

        Raises CharrnnError where there are not enough.
        """
        words, lines = self._words, [i for i, one in enumerate(self._scheme) if one == letter]
        fitting = [_before(self._fill, self._targets[line]) for line in lines]  # syllables of a last word
        in_all = int(np.bitwise_and.reduce(np.array(fitting, np.int64)))
        good: Which = ~words.weak & ((in_all >> words.syllables) & 1).astype(np.bool_)
        different = np.unique(words.rhymes[good] * len(words) + words.units[good]) // len(words)
        rhymes, sizes = np.unique(different, return_counts=True)
        enough = rhymes[sizes >= count]
        if len(enough) <= max(self._scheme):  # each letter has a rhyme of its own
            raise CharrnnError(
                f"‹rhyme_scheme›: {count} lines end on {name}, and there are not enough words that rhyme so, that fit "
                "their syllables, and that this model's alphabet spells"
            )
        return good & np.isin(words.rhymes, enough)

    @staticmethod
    def _sums(counts: Counts, most: int) -> Counts:
        """The syllables that any number of words can have together, none too."""
        sums = 1
        for _ in range(most):
            sums |= _plus(sums, counts) & ((1 << most) - 1)
        return sums

    def _letters(self) -> tuple[str, str]:
        """The letters that the alphabet can write: those with which a word begins, maybe as capitals, and others."""
        others = {"'" if one == "’" else one for one in self._ids} & set(LETTERS)
        return "".join(others | {one for one in LETTERS if one.upper() in self._ids}), "".join(others)


def _counts(syllables: Numbers) -> Counts:
    """Numbers of syllables as bits."""
    return int(np.bitwise_or.reduce(1 << syllables)) if len(syllables) else 0


def _plus(one: Counts, other: Counts) -> Counts:
    """The sums of one number of each."""
    sums = 0
    for i in range(other.bit_length()):
        if other >> i & 1:
            sums |= one << i
    return sums


def _before(counts: Counts, targets: Counts) -> Counts:
    """The numbers to which one of `counts` can be added, so that a target is reached."""
    found = 0
    for i in range(counts.bit_length()):
        if counts >> i & 1:
            found |= targets >> i
    return found


def _targets(scheme: str, syllables: str) -> list[Counts]:
    """For each line how many syllables it may have. Raises CharrnnError for what is no scheme and no syllables."""
    if scheme and not re.fullmatch(rf"[A-Za-z]{{1,{MOST_LINES}}}", scheme):
        raise CharrnnError(
            f"‹rhyme_scheme={scheme[:60]}›: a letter for each line was expected, the same for lines that rhyme, such "
            f"as aabba; at most {MOST_LINES}"
        )
    if not syllables:
        if not scheme:
            raise CharrnnError("a rhyme scheme or syllables were expected")
        return [UNSAID] * len(scheme)
    numbers = syllables.split("-")
    if not all(re.fullmatch(r"[1-9]\d?", one) and int(one) <= MOST_SYLLABLES for one in numbers):
        raise CharrnnError(
            f"‹syllables={syllables[:60]}›: a number of syllables for each line was expected, 1 to {MOST_SYLLABLES}, "
            "such as 5-7-5, or one for all lines"
        )
    if len(numbers) == 1 and scheme:
        numbers *= len(scheme)
    if (scheme and len(numbers) != len(scheme)) or len(numbers) > MOST_LINES:
        raise CharrnnError(
            f"‹syllables={syllables[:60]}›: {len(numbers)} lines, and ‹rhyme_scheme={scheme}› has {len(scheme)}"
            if scheme
            else f"‹syllables›: {len(numbers)} lines, and at most {MOST_LINES} were expected"
        )
    return [1 << int(one) for one in numbers]
