"""Forms of verse and acrostics for a run, and the mending of poems."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from charrnn.errors import CharrnnError
from charrnn.generation.filters import Filters
from charrnn.run.opened import Opened

if TYPE_CHECKING:  # imported only where they are needed: writing on a CPU does without PyTorch, and begins at once
    from charrnn.generation.acrostic import Acrostic
    from charrnn.generation.ranking import Judge
    from charrnn.verse.automaton import At, Verse
    from charrnn.verse.english import EnglishVerse
    from charrnn.verse.forms import Form
    from charrnn.verse.mending import Mended
    from charrnn.verse.readings import Readings


OWN_TEXTS, OWN_TEXT = 8, 300
"""How many texts of how many characters tell how a model sets its lines."""


class Verses(Opened):
    """What a run may be asked to keep, as constraints for `sample`, and the mending of a poem."""

    def verse(
        self,
        form: str,
        *,
        tones: bool = False,
        rhyme: str | None = None,
        acrostic: str = "",
        acrostic_at: At | int = "start",
        words: Sequence[str] = (),
        seed: int = 0,
        repeat_characters: bool | None = None,
        rhyme_table: str | Path | None = None,
    ) -> Verse:
        """A form of verse as a constraint for `sample`: every poem is right (docs/verse.md).

        `form` is a name (wujue, 七律, a tune of ci such as 菩萨蛮), a size (5x8) or a YAML file. `tones` asks for the
        tones of the form, `rhyme` for rhymes: `any` group, or a group or a character of it, such as 東. The characters
        of an `acrostic` stand one in each line, at its `start`, `end`, on the `diagonal`, or at a place from 1.
        Each of the `words` occurs in a line, at one of a few places that follow from `seed`. Characters may occur twice
        unless `repeat_characters` is false, which it is by default for regulated verse.
        `rhyme_table` says what decides tones and rhymes: `pingshui`, the default for forms with tones and for classical
        corpora; `xinyun`, the readings of today; or a YAML file. The names of tables may stand for `any` too.

        Raises CharrnnError where no poem is possible, for a form that is not known, and where a table is missing.
        """
        from charrnn.verse.automaton import Verse, Wish
        from charrnn.verse.forms import find_form
        from charrnn.verse.tables import ANY

        if acrostic_at not in ("start", "end", "diagonal") and not isinstance(acrostic_at, int):
            raise CharrnnError(f"‹acrostic_at={acrostic_at}›: start, end, diagonal or a number from 1 was expected")
        found = find_form(form)
        readings = None
        if tones or rhyme is not None:
            readings = self._readings(found, rhyme, rhyme_table)
        group = "" if rhyme is None or rhyme in ANY else str(rhyme)
        letters = self.vocabulary.decode(self.read_prompt(acrostic, remedy="choose others").ids) if acrostic else ""
        repeat = found.is_ci or not tones if repeat_characters is None else repeat_characters
        asked = tuple(self.vocabulary.decode(self.read_prompt(word, remedy="choose others").ids) for word in words)
        wish = Wish(tones, rhyme is not None, group, letters, acrostic_at, asked, seed, repeat)
        if self.vocabulary.kind == "byte":
            raise CharrnnError(f"‹form={form}›: {self.path} is a model of bytes; verse needs one of characters")
        return Verse(found, wish, self.vocabulary.characters, readings, len(self.vocabulary))

    def judge(self, form: str, *, rhyme: str | None = None, rhyme_table: str | Path | None = None) -> Judge:
        """What finds the faults of a poem, by the rules of `charrnn verse check`, for the `judge` of `sample`.

        A character that came before in the poem is one too (重字), but not in ci, nor where it is doubled (悠悠). Tones
        and rhymes are judged only where the package of their table is installed. The parameters are those of `verse`.
        """
        from charrnn.verse.check import faults_of
        from charrnn.verse.forms import find_form

        found = find_form(form)
        try:
            readings = self._readings(found, rhyme, rhyme_table)
        except CharrnnError:  # a form without tones and rhymes needs none
            readings = None
        return partial(faults_of, form=found, readings=readings)

    def _readings(self, form: Form, rhyme: str | None, rhyme_table: str | Path | None) -> Readings:
        """The table that decides tones and rhymes."""
        from charrnn.verse.tables import CLASSICAL, TABLES, table_of

        usual = "pingshui" if form.has_tones or self.config.corpus.name in CLASSICAL else "xinyun"
        return table_of(rhyme_table or (rhyme if rhyme in TABLES else usual))

    def acrostic(self, letters: str, *, length: int = 10_000) -> Acrostic:
        """A constraint for `sample`: lines of any text, of which each begins with one of the letters.

        Between two lines stands what the model most often writes there: some texts of its own tell. All lines together
        have at most `length` characters. Raises CharrnnError for a letter that the model does not know, where it knows
        no line ends, and where the lines have no room.
        """
        from charrnn.generation.acrostic import Acrostic, usual_break

        known = self.vocabulary.decode(self.read_prompt("".join(letters.split()), remedy="choose others").ids)
        Acrostic(known, self.vocabulary, length)  # what is refused is refused before anything is written
        begun = self.sampler(Filters.of(self.config.sampling)).sample([], OWN_TEXT, seed=0, samples=OWN_TEXTS)
        return Acrostic(known, self.vocabulary, length, usual_break(one.text for one in begun))

    def english_verse(self, rhyme_scheme: str = "", syllables: str = "") -> EnglishVerse:
        """English verse as a constraint for `sample`: lines that rhyme, or have so many syllables, or both.

        `rhyme_scheme` has a letter for each line, the same for lines that rhyme, such as `aabba`; `syllables` a number
        for each line, such as `5-7-5`, or one for all. Raises CharrnnError where these are something else, where the
        dictionary is missing, and where the alphabet does not spell enough of its words.
        """
        from charrnn.verse.english import EnglishVerse

        return EnglishVerse(self.vocabulary, rhyme_scheme, syllables)

    def mend(self, text: str, form: str, *, rhyme_table: str | Path | None = None) -> Mended:
        """A poem with the fewest changed characters after which it is right in its form, with tones and rhymes.

        Of all such changes the likeliest that a beam search finds are taken. Raises CharrnnError where the text does
        not have the lines of the form, and for a bidirectional model.
        """
        from charrnn.verse.forms import find_form
        from charrnn.verse.mending import mend

        if not self.model.causal:
            raise CharrnnError(f"{self.path}: a bidirectional model mends no poem; take one that reads left to right")
        tones = find_form(form).has_tones
        verse = self.verse(form, tones=tones, rhyme="any", repeat_characters=True, rhyme_table=rhyme_table)
        return mend(self.model, self.vocabulary, verse, text)
