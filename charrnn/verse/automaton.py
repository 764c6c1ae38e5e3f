"""A form of verse as an automaton over characters, which a sampler can only leave with a right poem.

The automaton is in several places at once: it does not yet know which of the ways of a regulated form the poem takes,
or which group will rhyme. A character leaves the places that take it. What must come later is looked at beforehand, so
that from every place a right end can be reached.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from charrnn.errors import CharrnnError
from charrnn.text.forms import is_ideograph
from charrnn.verse.forms import FINAL, FREE, MIDDLE, WITHIN, Form, Way
from charrnn.verse.readings import Readings

Mask = npt.NDArray[np.bool_]
"""Which characters of an alphabet, `[V]`."""
At = Literal["start", "end", "diagonal"]

PLACINGS, TRIES = 8, 200
"""The ways in which words are placed, and how many are tried to find them."""
Fixed = dict[tuple[int, int], int]
"""The characters that are asked for, by line and slot, from 0."""

LAYOUTS: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    ((MIDDLE,), (FINAL, "\n")),  # a couplet on each line
    ((MIDDLE,), (FINAL,)),  # all on one line
    (("\n",), ("\n",)),  # a line for each, without marks
)
"""How lines may be set: what stands after the first and after the second line of a couplet, one of some marks each. The
first layout is taken whose marks a model all knows."""


class Place(NamedTuple):
    """A place of the automaton: the next character is to stand here."""

    way: int
    groups: tuple[str, ...]
    """For each rhyme of the form its group; empty before the rhyme's first line and after its last one."""
    line: int
    pattern: int
    """Which of the tones that the line may have."""
    slot: int
    """The character of the line, or after the last one the mark."""


class State(NamedTuple):
    """Where the automaton is."""

    places: frozenset[Place]
    used: frozenset[int]
    """The characters that may not come again."""


@dataclass(frozen=True)
class Wish:
    """What is asked of a poem beside its form."""

    tones: bool = False
    rhyme: bool = False
    group: str = ""
    """The group of the first rhyme, or one of its characters; empty for any."""
    acrostic: str = ""
    at: At | int = "start"
    """Where a character of the acrostic stands in its line; a number counts from 1."""
    words: tuple[str, ...] = ()
    """Words that occur, each within a line."""
    seed: int = 0
    """Decides where they may stand."""
    repeat: bool = True
    """Whether a character may occur twice. Rhyme words never do."""


def _tone_of(way: Way, letter: str) -> str:
    """The tone in which the lines of a letter end: 平, also where the form does not say it, 仄, or 中 for both."""
    lines = zip(way.tones, way.rhymes, strict=False)
    tones = {pattern[-1] for line, own in lines if own == letter for pattern in line}
    return "中" if len(tones) > 1 else next(iter(tones), "平")


class Verse:
    """The automaton of a form, for the characters that a model knows (a `generation.constraints.Constraint`)."""

    def __init__(
        self, form: Form, wish: Wish, characters: Sequence[str], readings: Readings | None, size: int | None = None
    ) -> None:
        """`characters` are those of the ids from 0, of `size` in all. Raises CharrnnError where no poem is possible."""
        self.form, self.wish, self.readings = form, wish, readings
        self._characters = list(characters)
        self._size = size or len(self._characters)
        if (wish.tones or wish.rhyme) and readings is None:
            raise ValueError("tones and rhymes need readings")
        if wish.tones and not form.has_tones:
            raise CharrnnError(
                f"‹tones›: the form {form.name} has no tones; a regulated form, a tune of ci, or a file with tones has"
            )
        self._masks: dict[object, Mask] = {}
        self._books: dict[tuple[str, str, str], dict[str, Mask]] = {}
        self._unions: dict[frozenset[Place], Mask] = {}
        self._enough: dict[tuple[int, str], list[str]] = {}
        self._sizes: dict[int, int] = {}
        self._ideographs = self._mask(is_ideograph)
        self._set = {c: i for i, c in enumerate(self._characters)}
        self._layout = self._find_layout()
        self._fixed: list[Fixed] = []
        self._all: list[Way] = []
        for way in self._asked_for():
            for fixed in self._placed(way, self._acrostic()):
                self._all.append(way)
                self._fixed.append(fixed)
        self._letters = sorted({letter for way in self._all for letter in way.rhymes} - {FREE})
        self._ways = self._possible()

    # What a poem may be

    def _asked_for(self) -> list[Way]:
        """The ways of the form, without tones and rhymes where nobody asks for them."""
        wish, count = self.wish, len(self.form.lines)
        ways: dict[object, Way] = {}
        for way in self.form.ways:
            rhymes = way.rhymes if wish.rhyme else FREE * count
            endings = tuple(_tone_of(way, letter) for letter in rhymes)
            ways[(rhymes, way.tones if wish.tones else endings)] = Way(rhymes, way.tones, way.name)
        return list(ways.values())

    def _rhymes_of(self, way: int, letter: str) -> dict[str, Mask]:
        """The groups in which the lines of a letter may rhyme, each with the known characters in it."""
        tone = _tone_of(self._all[way], letter)
        if (key := ("rhymes", tone, letter)) not in self._books:
            assert self.readings is not None
            rhymes = self.readings.rhymes(tone, self.form.is_ci)
            if self.wish.group and letter == self._letters[0]:
                wanted = self.readings.find(self.wish.group, tone, self.form.is_ci)
                rhymes = {wanted: rhymes[wanted]}
            self._books[key] = {name: self._of(groups) for name, groups in rhymes.items()}
        return self._books[key]

    def _of(self, groups: frozenset[str]) -> Mask:
        """The known characters of some groups."""
        mask = np.zeros(self._size, np.bool_)
        mask[[i for i, own in self._groups.items() if not groups.isdisjoint(own)]] = True
        return mask

    @cached_property
    def _groups(self) -> dict[int, frozenset[str]]:
        assert self.readings is not None
        return {i: self.readings.groups(self._characters[i]) for i in np.flatnonzero(self._ideographs).tolist()}

    @cached_property
    def _by_tone(self) -> dict[str, Mask]:
        if not self.wish.tones:
            return dict.fromkeys("平仄中", self._ideographs)
        assert self.readings is not None
        found = {tone: np.zeros(self._size, np.bool_) for tone in "平仄中"}
        for i in np.flatnonzero(self._ideographs):
            for tone in self.readings.tones(self._characters[i]):
                found[tone][i] = found["中"][i] = True
        return found

    def _placed(self, way: Way, acrostic: Fixed) -> list[Fixed]:
        """Some ways in which the words may stand beside the acrostic: `PLACINGS` of them, drawn by chance.

        Raises CharrnnError for a word that the model cannot write, or that finds no place.
        """
        if not self.wish.words:
            return [acrostic]
        for word in self.wish.words:
            if unknown := [character for character in word if not self._ideographs[self._set.get(character, -1)]]:
                raise CharrnnError(f"‹words={word}›: {unknown[0]}: no Chinese character that this model knows")
        random, found = np.random.default_rng(self.wish.seed), []
        for _ in range(TRIES):
            fixed: Fixed | None = dict(acrostic)
            for i in random.permutation(len(self.wish.words)):
                fixed = None if fixed is None else self._beside(way, fixed, self.wish.words[i], random)
            if fixed is not None and fixed not in found:
                found.append(fixed)
            if len(found) == PLACINGS:
                break
        return found

    def _beside(self, way: Way, fixed: Fixed, word: str, random: np.random.Generator) -> Fixed | None:
        """What is fixed and a word, where it fits, of all such places one by chance; None where it fits nowhere."""
        spots = [(line, slot) for line, length in enumerate(self.form.lines) for slot in range(length - len(word) + 1)]
        for i in random.permutation(len(spots)):
            line, slot = spots[i]
            own = {(line, slot + j): self._set[character] for j, character in enumerate(word)}
            both = fixed | own
            clashes = any(fixed.get(spot, one) != one for spot, one in own.items())
            if clashes or (not self.wish.repeat and len({*both.values()}) < len(both)):
                continue
            if any(self._fits(way, both, line, p) for p in range(len(self._patterns(way, line)))):
                return both
        return None

    def _acrostic(self) -> Fixed:
        """The characters of the acrostic by line and slot. Raises CharrnnError where one has no place."""
        fixed: Fixed = {}
        wish, lines = self.wish, self.form.lines
        if len(wish.acrostic) > len(lines):
            raise CharrnnError(f"‹acrostic={wish.acrostic}›: {len(wish.acrostic)} characters, and {len(lines)} lines")
        for line, character in enumerate(wish.acrostic):
            if character not in self._set:
                raise CharrnnError(
                    f"‹acrostic={wish.acrostic}›: {character}: not among the {len(self._characters):,} characters that "
                    "this model knows"
                )
            slot = {"start": 0, "end": lines[line] - 1, "diagonal": line}.get(str(wish.at))
            slot = int(wish.at) - 1 if slot is None else slot
            if not 0 <= slot < lines[line]:
                raise CharrnnError(f"‹acrostic_at={wish.at}›: line {line + 1} has {lines[line]} characters")
            fixed[line, slot] = self._set[character]
        if not wish.repeat and len(set(fixed.values())) < len(fixed):
            raise CharrnnError(f"‹acrostic={wish.acrostic}›: a character stands in it twice; allow ‹repeat_characters›")
        return fixed

    def _possible(self) -> dict[int, list[list[int]]]:
        """For each way that can be gone to its end, the patterns that each line may take. Raises CharrnnError if none
        can.
        """
        found: dict[int, list[list[int]]] = {}
        refused: list[str] = []
        for way, own in enumerate(self._all):
            lines = [
                [p for p in range(len(self._patterns(own, line))) if self._fits(own, self._fixed[way], line, p)]
                for line in range(len(self.form.lines))
            ]
            if bad := [line for line, patterns in enumerate(lines) if not patterns]:
                refused.append(self._reason(bad[0], self._fixed[way]))
            elif not all(self._groups_of(way, letter) for letter in set(own.rhymes) - {FREE}):
                refused.append("no rhyme group has enough of the characters that this model knows, and those asked for")
            elif again := self._again(way):
                refused.append(f"{again} would rhyme, and stand further on again")
            else:
                found[way] = lines
        if not found:
            given = f"‹acrostic={self.wish.acrostic}›: " if self.wish.acrostic else ""
            given += f"‹words={','.join(self.wish.words)}›: " if self.wish.words else ""
            why = refused[0] if refused else "the words find no places whose tones they have"
            raise CharrnnError(f"{given}no poem of the form {self.form.name} can be so: {why}")
        return found

    def _again(self, way: int) -> str:
        """A character that is asked for as a rhyme word and once more behind it; nothing where there is none."""
        if self.wish.rhyme:
            for (line, slot), one in self._fixed[way].items():
                is_rhyme = slot == self.form.lines[line] - 1 and self._all[way].rhymes[line] != FREE
                if is_rhyme and any(other == one and spot > (line, slot) for spot, other in self._fixed[way].items()):
                    return self._characters[one]
        return ""

    def _reason(self, line: int, given: Fixed) -> str:
        """Why a line cannot be written, in words."""
        if not self._ideographs.any():
            return "this model knows no Chinese characters"
        fixed = [self._characters[one] for (own, _), one in given.items() if own == line]
        if not fixed:
            return f"line {line + 1}: this model knows too few characters with such tones"
        assert self.readings is not None  # without tones every character fits
        tones = "".join(sorted(self.readings.tones(fixed[0])))
        return f"line {line + 1}: {fixed[0]} has " + (
            f"the tone {tones}, which does not fit" if tones else "no known tone"
        )

    def _patterns(self, way: Way, line: int) -> tuple[str, ...]:
        return way.tones[line] if self.wish.tones else ("中" * self.form.lines[line],)

    def _fits(self, way: Way, fixed: Fixed, line: int, pattern: int) -> bool:
        """Whether every slot of a line has a character."""
        tones = self._patterns(way, line)[pattern]
        for slot, tone in enumerate(tones):
            mask, one = self._by_tone[tone], fixed.get((line, slot))
            if not (mask.any() if one is None else mask[one]):
                return False
        return True

    def _groups_of(self, way: int, letter: str) -> list[str]:
        """The groups that have enough known characters for all lines of a letter, the fixed ones among them."""
        if (way, letter) not in self._enough:
            lines = [line for line, own in enumerate(self._all[way].rhymes) if own == letter]
            fixed = [(line, self._fixed[way].get((line, self.form.lines[line] - 1))) for line in lines]
            self._enough[way, letter] = [
                name
                for name in self._rhymes_of(way, letter)
                if all(self._words(way, line, name).sum() >= len(lines) for line in lines)
                and all(self._words(way, line, name)[one] for line, one in fixed if one is not None)
            ]
        return self._enough[way, letter]

    def _words(self, way: int, line: int, group: str) -> Mask:
        """The characters of a group that may end a line."""
        own = self._all[way]
        ends = "".join(sorted({pattern[-1] for pattern in self._patterns(own, line)}))
        if (key := ("words", own.rhymes[line], _tone_of(own, own.rhymes[line]), ends, group)) not in self._masks:
            tones = np.any([self._by_tone[end] for end in ends], axis=0)
            self._masks[key] = self._rhymes_of(way, own.rhymes[line])[group] & tones
        return self._masks[key]

    # The automaton

    def begin(self) -> State:
        """Before the first character."""
        none = ("",) * len(self._letters)
        places = {Place(way, none, 0, pattern, 0) for way, lines in self._ways.items() for pattern in lines[0]}
        return State(frozenset(places), frozenset())

    def allowed(self, state: State) -> Mask:
        """The characters that may come, `[V]`. `after` refuses some of them."""
        union = self._unions.get(state.places)
        if union is None:
            union = np.zeros(self._size, np.bool_)
            for place in state.places:
                union |= self._mask_of(place)
            self._unions[state.places] = union
        if not state.used:
            return union
        mask = union.copy()
        mask[list(state.used)] = False
        return mask

    def after(self, state: State, character: int) -> State | None:
        """The state after a character; None where no right poem goes on so."""
        places: set[Place] = set()
        used = state.used
        counts = False
        for place in state.places:
            if self._mask_of(place)[character] and not self._comes_later(place, character):
                counts = counts or place.slot < self.form.lines[place.line]
                places.update(self._next(place, character))
        if not places:
            return None
        if counts:
            if character in used:
                return None
            if not self.wish.repeat or (self.wish.rhyme and self.is_rhyme(state)):
                used = used | {character}
        if self.wish.rhyme and used is not state.used:
            places = {place for place in places if self._has_rhymes(place, used)}
        return State(frozenset(places), used) if places else None

    def is_over(self, state: State) -> bool:
        """Whether the poem is whole."""
        return any(place.line == len(self.form.lines) for place in state.places)

    def line_of(self, state: State) -> int:
        """The line, from 0, in which the next character or mark stands; the number of lines at the end."""
        return min(place.line for place in state.places)

    def is_rhyme(self, state: State) -> bool:
        """Whether the next character is a rhyme word, in one of the ways that are still open."""
        return any(self._letter(place) != FREE for place in state.places)

    def _comes_later(self, place: Place, character: int) -> bool:
        """Whether a character must stand further on, and may not do so if it stands here."""
        if self.wish.repeat and self._letter(place) == FREE:
            return False
        here = place.line, place.slot
        return any(one == character and spot > here for spot, one in self._fixed[place.way].items())

    def _letter(self, place: Place) -> str:
        """The letter of the rhyme of which the next character is a word; `FREE` where it is none."""
        at_end = place.line < len(self.form.lines) and place.slot == self.form.lines[place.line] - 1
        return self._all[place.way].rhymes[place.line] if at_end else FREE

    def _names(self, place: Place, letter: str) -> list[str]:
        """The groups in which the next character may rhyme; none where it is no rhyme word."""
        if letter == FREE:
            return []
        known = place.groups[self._letters.index(letter)]
        return [known] if known else self._groups_of(place.way, letter)

    def _mask_of(self, place: Place) -> Mask:
        if place.line == len(self.form.lines):
            return self._masks.setdefault("nothing", np.zeros(self._size, np.bool_))
        length = self.form.lines[place.line]
        if place.slot >= length:
            return self._marks(self._marks_after(place.line)[place.slot - length])
        fixed, letter = self._fixed[place.way].get((place.line, place.slot)), self._letter(place)
        tone = self._patterns(self._all[place.way], place.line)[place.pattern][place.slot]
        names = self._names(place, letter)
        key = (tone, fixed, letter, _tone_of(self._all[place.way], letter) if names else "", *names)
        if key not in self._masks:
            mask = self._by_tone[tone].copy()
            if letter != FREE:
                mask &= np.any([self._words(place.way, place.line, name) for name in names], axis=0)
            if fixed is not None:
                only = np.zeros_like(mask)
                only[fixed] = mask[fixed]
                mask = only
            self._masks[key] = mask
        return self._masks[key]

    def _next(self, place: Place, character: int) -> list[Place]:
        """The places after a character that a place takes."""
        names = self._names(place, self._letter(place))
        return self._behind(place, [name for name in names if self._words(place.way, place.line, name)[character]])

    def _behind(self, place: Place, names: Sequence[str]) -> list[Place]:
        """The places after any character, which rhymes in the groups of these names if it is a rhyme word."""
        length, letter = self.form.lines[place.line], self._letter(place)
        groups = [place.groups]
        if letter != FREE:
            at = self._letters.index(letter)
            if letter not in self._all[place.way].rhymes[place.line + 1 :]:
                names = [""]  # it was the last: whatever rhymed, what comes is the same
            groups = [(*place.groups[:at], name, *place.groups[at + 1 :]) for name in names]
        end = length + len(self._marks_after(place.line))
        if place.slot + 1 < end:
            return [place._replace(slot=place.slot + 1, groups=own) for own in groups]
        line = place.line + 1
        if line == len(self.form.lines):
            return [place._replace(line=line, pattern=0, slot=0, groups=own) for own in groups]
        return [
            place._replace(line=line, pattern=pattern, slot=0, groups=own)
            for pattern in self._ways[place.way][line]
            for own in groups
        ]

    # Without marks, for who reads a poem whose marks are as they are

    def onwards(self, place: Place, character: int | None = None) -> list[Place]:
        """The places of the next character of a line, or of the end, after a character; with None after any that may
        stand in the place.
        """
        mask = self._mask_of(place)
        if character is None:
            names = self._names(place, self._letter(place))
            places = self._behind(
                place, [name for name in names if (mask & self._words(place.way, place.line, name)).any()]
            )
        else:
            places = self._next(place, character) if mask[character] else []
        return self._past_marks(places) if mask.any() else []

    def after_marks(self, state: State, character: int) -> State | None:
        """The state at the next character of a line, or at the end, after a character; None where none goes on."""
        after = self.after(state, character)
        return None if after is None else State(frozenset(self._past_marks(list(after.places))), after.used)

    def _past_marks(self, places: list[Place]) -> list[Place]:
        """The places at the next character of a line, or at the end, behind the marks at which these stand."""
        while any(map(self._is_mark, places)):
            places = [after for place in places for after in self._behind(place, [])]
        return places

    def _is_mark(self, place: Place) -> bool:
        return place.line < len(self.form.lines) and place.slot >= self.form.lines[place.line]

    def _has_rhymes(self, place: Place, used: frozenset[int]) -> bool:
        """Whether the groups have characters left for all rhymes to come. Larger ones than the poem always have."""
        for letter, group in zip(self._letters, place.groups, strict=True):
            lines = [
                line
                for line, own in enumerate(self._all[place.way].rhymes)
                if own == letter and (line > place.line or (line == place.line and place.slot < self.form.lines[line]))
            ]
            for words in [self._words(place.way, line, group) for line in lines] if group else []:
                size = self._sizes.setdefault(id(words), int(words.sum()))
                if size < sum(self.form.lines) and size - int(words[list(used)].sum()) < len(lines):
                    return False
        return True

    # Marks

    def _marks_after(self, line: int) -> tuple[str, ...]:
        """The marks after a line, each as the characters of which one stands there. The last line breaks no line."""
        marks = self._layout[line % 2]
        if self.form.is_ci:
            within = self.form.marks[line] == "，"
            marks = ((WITHIN,) if self._layout[0] == (MIDDLE,) else self._layout[0]) if within else self._layout[1]
        if line < len(self.form.lines) - 1:
            return marks
        return tuple(mark for mark in self._layout[1] if mark != "\n")

    def _marks(self, marks: str) -> Mask:
        if marks not in self._masks:
            self._masks[marks] = self._mask(marks.__contains__)
        return self._masks[marks]

    def _find_layout(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        for layout in LAYOUTS:
            if all(self._marks(mark).any() for marks in layout for mark in marks):
                return layout
        raise CharrnnError(f"‹form›: a model that knows neither the marks {FINAL} nor line ends writes no verse")

    def _mask(self, holds: Callable[[str], bool]) -> Mask:
        mask = np.zeros(self._size, np.bool_)
        mask[: len(self._characters)] = [len(c) == 1 and holds(c) for c in self._characters]
        return mask
