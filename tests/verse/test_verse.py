"""What is written in a form is right by a judge that shares nothing with the automaton but the readings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from charrnn.config import ModelConfig
from charrnn.errors import CharrnnError
from charrnn.generation.constraints import Both, Unfit, Without, walk
from charrnn.generation.filters import Filters
from charrnn.generation.stepper import Stepper
from charrnn.generation.within import write
from charrnn.models import build_model
from charrnn.text.vocab import Vocabulary
from charrnn.verse.automaton import Verse, Wish
from charrnn.verse.check import judge, judge_as, lines_of
from charrnn.verse.forms import FORMS, KINDS, find_form, tones_of, tune, tunes
from charrnn.verse.learning import learn, titled
from charrnn.verse.mending import mend
from charrnn.verse.modern import xinyun
from charrnn.verse.readings import Readings, own_table, pingshui
from charrnn.verse.tables import table_of

CHARACTERS = [chr(0x4E00 + i) for i in range(240)]
MARKS = ["，", "。", "？", "\n"]
VOCABULARY = Vocabulary("char", [*CHARACTERS, *MARKS])
TUNE = ["中仄平平仄，a", "中平平仄。a", "平平中，b", "仄中平。b", "中中平，c", "仄仄中仄。c", "平仄，", "仄平。b"]
"""A tune with three rhymes: an oblique one, a level one that comes again later, and one in both tones."""


def readings(seed: int) -> Readings:
    """A table of made-up tones: six level and four oblique groups; one character in ten has two readings, some none."""
    random = np.random.default_rng(seed)
    groups: dict[str, set[str]] = {name: set() for name in [f"l{i}" for i in range(6)] + [f"o{i}" for i in range(4)]}
    for character in CHARACTERS:
        for _ in range(int(random.choice([0, 1, 1, 1, 1, 1, 1, 1, 1, 2]))):
            groups[str(random.choice(list(groups)))].add(character)
    frozen = {name: frozenset(own) for name, own in groups.items()}
    return Readings(
        {name: own for name, own in frozen.items() if name[0] == "l"},
        {name: own for name, own in frozen.items() if name[0] == "o"},
    )


class Anything(Stepper):
    """A model that prefers what it likes, whatever stands before."""

    def __init__(self, size: int, seed: int) -> None:
        self._row = (np.random.default_rng(seed).standard_normal(size) * 2).astype(np.float32)
        self._count = 0

    def like(self, one: int) -> None:
        self._row[one] = 5

    def begin(self, ids: object, count: int) -> None:
        self._count = count

    def logits(self) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        return np.tile(self._row, (self._count, 1))

    def step(self, ids: object) -> None: ...


def poems(verse: Verse, seed: int, prompt: str = "", count: int = 3) -> list[str]:
    """Poems of an automaton, in an order of characters that has nothing to do with verse."""
    alphabet = [*CHARACTERS, *MARKS]
    model = Anything(len(VOCABULARY), seed)
    generators = [np.random.default_rng([seed, i]) for i in range(count)]
    begin = [alphabet.index(character) for character in prompt]
    kept = write(model, VOCABULARY, begin, verse, Filters(), generators, 500)
    assert all(min(one.prices) >= 0 and one.log_prob <= 0 for one in kept)
    return [prompt + "".join(alphabet[i] for i in one.ids) for one in kept]


@settings(max_examples=20)
@given(st.integers(0, 50), st.sampled_from(sorted(FORMS)), st.booleans())
def test_every_poem_of_a_regulated_form_is_right(seed: int, name: str, repeat: bool) -> None:
    table, form = readings(seed), FORMS[name]
    verse = Verse(form, Wish(tones=True, rhyme=True, repeat=repeat), [*CHARACTERS, *MARKS], table, 246)
    for poem in poems(verse, seed):
        judged = judge(poem, table)
        assert judged.faults == [] and judged.form == form.name, (poem, judged)
        assert "？" not in "".join(judged.tones), "a character whose tone nobody knows"
        written = "".join(lines_of(poem))
        assert repeat or len(set(written)) == len(written)


@settings(max_examples=30)
@given(st.integers(0, 50), st.integers(1, 9), st.integers(1, 9), st.booleans())
def test_a_size_is_kept(seed: int, length: int, count: int, rhyme: bool) -> None:
    table = readings(seed)
    form = find_form(f"{length}x{count}")
    for poem in poems(Verse(form, Wish(rhyme=rhyme), [*CHARACTERS, *MARKS], table, 246), seed):
        assert [len(line) for line in lines_of(poem)] == [length] * count
        assert poem[-1] in MARKS and not poem.endswith("\n")
        if rhyme and count > 1:
            words = [line[-1] for line in lines_of(poem)[1::2]]
            assert len(set(words)) == len(words)
            assert set.intersection(*({*table.groups(word)} & table.level.keys() for word in words))


@settings(max_examples=40)
@given(
    st.integers(0, 30),
    st.sampled_from(sorted(FORMS)),
    st.lists(st.sampled_from(CHARACTERS), min_size=1, max_size=8, unique=True),
    st.sampled_from(["start", "end", "diagonal", 2, 5]),
)
def test_an_acrostic_is_right_or_refused_beforehand(seed: int, name: str, letters: list[str], at: int | str) -> None:
    table, form, acrostic = readings(seed), FORMS[name], "".join(letters)
    try:
        wish = Wish(tones=True, rhyme=True, acrostic=acrostic, at=at, repeat=False)  # type: ignore[arg-type]
        verse = Verse(form, wish, [*CHARACTERS, *MARKS], table, 246)
    except CharrnnError as refused:
        assert f"acrostic={acrostic}" in str(refused) or "acrostic_at" in str(refused)
        return
    for poem in poems(verse, seed):
        assert judge(poem, table).faults == []
        slots = {"start": [0] * 8, "end": [-1] * 8, "diagonal": list(range(8))}.get(str(at)) or [int(at) - 1] * 8
        lines = lines_of(poem)
        assert "".join(line[slot] for line, slot, _ in zip(lines, slots, acrostic, strict=False)) == acrostic
        written = "".join(lines)
        assert len(set(written)) == len(written)


def test_a_poem_goes_on_from_a_prompt_that_fits() -> None:
    table = readings(1)
    verse = Verse(FORMS["wujue"], Wish(tones=True, rhyme=True), [*CHARACTERS, *MARKS], table, 246)
    (first, *_) = poems(verse, 1)
    for cut in range(len(first)):
        for poem in poems(verse, 2, first[:cut], 2):
            assert poem.startswith(first[:cut]) and judge(poem, table).is_right
    with pytest.raises(Unfit, match="character 4 of the prompt"):
        walk(verse, [CHARACTERS.index(first[0]), CHARACTERS.index(first[1]), CHARACTERS.index(first[2]), 241])


def test_a_rhyme_group_that_is_asked_for_is_the_one_that_rhymes() -> None:
    table = readings(3)
    wish = Wish(tones=True, rhyme=True, group="l2")
    for poem in poems(Verse(FORMS["qijue"], wish, [*CHARACTERS, *MARKS], table, 246), 3):
        assert all("l2" in table.groups(line[-1]) for line in lines_of(poem)[1::2])


def test_constraints_of_ones_own_are_kept_beside_the_form() -> None:
    class Without:
        """No character of an even number."""

        def begin(self) -> int:
            return 0

        def allowed(self, state: int) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
            return (np.arange(246) % 2 == 1) | (np.arange(246) >= len(CHARACTERS))

        def after(self, state: int, character: int) -> int | None:
            return 0 if character % 2 or character >= len(CHARACTERS) else None

        def is_over(self, state: int) -> bool:
            return True

    table = readings(4)
    verse = Verse(FORMS["wujue"], Wish(tones=True), [*CHARACTERS, *MARKS], table, 246)
    alphabet = [*CHARACTERS, *MARKS]
    both = Both([verse, Without()])
    kept = write(Anything(246, 1), VOCABULARY, [], both, Filters(), [np.random.default_rng(0)], 99)
    poem = "".join(alphabet[i] for i in kept[0].ids)
    assert all(CHARACTERS.index(character) % 2 for line in lines_of(poem) for character in line)


@pytest.mark.parametrize("length", [5, 7])
@pytest.mark.parametrize("kind", "aAbB")
def test_the_tones_of_a_line_are_those_of_its_kind(kind: str, length: int) -> None:
    for line in tones_of(kind, length):
        assert len(line) == length
        assert (line[-1] == "平") == (kind in "AB")
        assert line[-4] == ("仄" if kind in "aA" else "平")


def test_couplets_are_opposed_and_adhere() -> None:
    for kinds in KINDS.values():
        second = ["仄" if kind in "aA" else "平" for kind in kinds]
        for i in range(1, 8):
            assert (second[i] != second[i - 1]) == (i % 2 == 1)


@pytest.mark.parametrize(
    ("poem", "faults"),
    [
        ("白日依山盡，黃河入海流。\n欲窮千里目，更上一層樓。", []),
        ("白日依山盡，黃河入天流。\n欲窮千里目，更上一層樓。", ["平仄"]),
        ("白日依山盡，白河入海流。\n欲窮千里目，更上一層樓。", ["孤平"]),
        ("白日依山盡，黃河入海流。\n白日依山盡，黃河入海流。", ["失黏", "重韻"]),
        ("白日依山盡，黃河入海東。\n欲窮千里目，更上一層樓。", ["出韻"]),
        ("白日依山盡，黃河入海流。\n欲窮千里目。", ["字數"]),
    ],
)
def test_the_judge_names_what_is_wrong(poem: str, faults: list[str]) -> None:
    assert sorted({fault.name for fault in judge(poem, pingshui()).faults}) == sorted(faults)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("sonnet", "no such form"),
        ("0x4", "lines of 1 to"),
        ("5x900", "lines of 1 to"),
    ],
)
def test_a_form_that_is_none_is_told(name: str, words: str) -> None:
    with pytest.raises(CharrnnError, match=words):
        find_form(name)


def test_a_form_and_a_table_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "my.yaml").write_text("lines: [3, 3, 7]\nrhymes: [1, 3]\ntones: [平中仄, 中中平, 中平中仄仄平平]\n")
    form = find_form(str(tmp_path / "my.yaml"))
    assert (form.lines, form.ways[0].rhymes, form.has_tones) == ((3, 3, 7), "a.a", True)
    (tmp_path / "table.yaml").write_text("level: {a: 東同, b: 江}\noblique: {c: 董}\n", encoding="utf-8")
    table = own_table(tmp_path / "table.yaml")
    assert table.tones("東") == {"平"} and table.tones("董") == {"仄"} and table.find("同") == "a"
    for text, words in (
        ("lines: [3]\nrhymes: [2]", "line 2: 1 to 1"),
        ("lines: [3]\ntones: [平平]", "3 of 平, 仄 and 中"),
        ("lines: []", "lines"),
        ("line: [3]", "line"),
    ):
        (tmp_path / "my.yaml").write_text(text, encoding="utf-8")
        with pytest.raises(CharrnnError, match=words):
            find_form(str(tmp_path / "my.yaml"))
    (tmp_path / "table.yaml").write_text("level: [東]", encoding="utf-8")
    with pytest.raises(CharrnnError, match="level: a mapping"):
        own_table(tmp_path / "table.yaml")


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        (Wish(acrostic="一二三四五"), "5 characters, and 4 lines"),
        (Wish(acrostic="春"), "not among the"),
        (Wish(acrostic="一", at=6), "line 1 has 5 characters"),
        (Wish(acrostic="一一", repeat=False), "stands in it twice"),
    ],
)
def test_what_cannot_be_is_refused_before_the_first_character(wish: Wish, words: str) -> None:
    with pytest.raises(CharrnnError, match=words):
        Verse(FORMS["wujue"], wish, [*CHARACTERS, *MARKS], None, 246)


def test_a_constraint_that_never_ends_a_text_leaves_the_end_to_the_length() -> None:
    class Odd:
        """Any text of odd ids."""

        def begin(self) -> int:
            return 0

        def allowed(self, state: int) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
            return np.arange(246) % 2 == 1  # 243 is a mark, 245 the boundary

        def after(self, state: int, character: int) -> int | None:
            return 0

        def is_over(self, state: int) -> bool:
            return True

    (one,) = write(Anything(246, 1), VOCABULARY, [], Odd(), Filters(), [np.random.default_rng(0)], 30)
    assert len(one.ids) == 30 and all(i % 2 for i in one.ids) and max(one.ids) < 244
    model = Anything(246, 1)
    model.like(245)
    ended = write(model, VOCABULARY, [], Odd(), Filters(), [np.random.default_rng(0)], 3000, documents=True)
    assert len(ended[0].ids) < 30, "the model ended it"


def test_a_length_that_is_too_short_for_a_form_is_told() -> None:
    verse = Verse(FORMS["wujue"], Wish(), [*CHARACTERS, *MARKS], None, 246)
    with pytest.raises(CharrnnError, match="length=10"):
        write(Anything(246, 1), VOCABULARY, [], verse, Filters(), [np.random.default_rng(0)], 10)


@settings(max_examples=40)
@given(
    st.integers(0, 30),
    st.sampled_from([*sorted(FORMS), "tune", "4x3"]),
    st.lists(st.text(st.sampled_from(CHARACTERS), min_size=1, max_size=3), min_size=1, max_size=3, unique=True),
    st.text(st.sampled_from(CHARACTERS), max_size=2),
    st.booleans(),
)
@example(1, "qijue", ["一"], "一", True)  # a rhyme word that would have to come once more
def test_words_occur_or_are_refused_beforehand(
    seed: int, name: str, words: list[str], letters: str, repeat: bool
) -> None:
    table = readings(seed)
    form = tune("tune", TUNE) if name == "tune" else find_form(name)
    try:
        wish = Wish(form.has_tones, True, "", letters, "end", tuple(words), seed, repeat)
        verse = Verse(form, wish, [*CHARACTERS, *MARKS], table, 246)
    except CharrnnError as refused:
        assert "words=" in str(refused) or "acrostic=" in str(refused)
        return
    for poem in poems(verse, seed):
        lines = lines_of(poem)
        assert all(any(word in line for line in lines) for word in words), poem
        assert "".join(line[-1] for line in lines[: len(letters)]) == letters
        assert judge_as(poem, form, table).faults == []
        assert repeat or len(set("".join(lines))) == sum(map(len, lines))


@settings(max_examples=30)
@given(st.integers(0, 50), st.booleans(), st.booleans())
def test_every_poem_to_a_tune_is_right(seed: int, tones: bool, repeat: bool) -> None:
    table, form = readings(seed), tune("a tune", TUNE)
    verse = Verse(form, Wish(tones=tones, rhyme=True, repeat=repeat), [*CHARACTERS, *MARKS], table, 246)
    for poem in poems(verse, seed):
        faults = judge_as(poem, form, table).faults
        assert all(fault.name == "平仄" for fault in faults) if not tones else faults == [], (poem, faults)
        assert [mark for mark in poem if mark in "，。？"] and poem.count("\n") == 3
        ends = [line[-1] for line in lines_of(poem)]
        words = [word for i, word in enumerate(ends) if i != 6]
        assert len(set(words)) == len(words), "no rhyme word twice"


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 20), st.sampled_from(["wujue", "tune"]), st.integers(0, 4))
def test_a_poem_is_mended_with_the_fewest_changes(seed: int, name: str, spoilt: int) -> None:
    """A right poem in which some characters were exchanged takes at most as many changes; a right one takes none."""
    table, form = readings(seed), tune("tune", TUNE) if name == "tune" else FORMS[name]
    verse = Verse(form, Wish(tones=True, rhyme=True), [*CHARACTERS, *MARKS], table, 246)
    random = np.random.default_rng(seed)
    (text,) = poems(verse, seed, count=1)
    for i in random.choice([i for i, one in enumerate(text) if one in CHARACTERS], spoilt, replace=False):
        text = text[:i] + str(random.choice(CHARACTERS)) + text[i + 1 :]
    model = build_model(ModelConfig(cell="gru", hidden_size=8, embedding_size=4), 246).eval()
    mended = mend(model, VOCABULARY, verse, text)
    assert judge_as(mended.text, form, table).is_right
    assert len(mended.changes) <= spoilt
    assert {i for i, (was, now) in enumerate(zip(text, mended.text, strict=True)) if was != now} == {
        i for i, _, _ in mended.changes
    }
    if not mended.changes:
        assert mended.text == text
    again = mend(model, VOCABULARY, verse, mended.text)
    assert again.changes == [] and again.log_prob == pytest.approx(mended.log_prob)


def test_a_poem_of_other_lines_is_not_mended() -> None:
    verse = Verse(FORMS["wujue"], Wish(tones=True, rhyme=True), [*CHARACTERS, *MARKS], readings(0), 246)
    model = build_model(ModelConfig(cell="gru", hidden_size=8, embedding_size=4), 246).eval()
    with pytest.raises(CharrnnError, match="lines of 5、5、5、5 characters, and the poem of 3、4"):
        mend(model, VOCABULARY, verse, f"{'一' * 3}，{'一' * 4}。")


def test_the_judge_of_a_form_finds_each_kind_of_fault() -> None:
    form = tune("如夢令", ["中仄中平中仄。a", "中仄中平中仄。a", "中仄仄平平，", "中仄中平平仄。a"])
    right = "昨夜雨疏風驟。\n濃睡不消殘酒。\n試問捲簾人，卻道海棠依舊。"
    table = pingshui()
    assert judge_as(right, form, table).is_right and judge_as("李清照\n" + right, form, table).is_right
    for was, now, name, line in (
        ("驟", "急", "出韻", 1),
        ("酒", "花", "平仄", 2),
        ("試問", "問", "字數", 3),
        ("依舊", "又舊", "平仄", 4),
    ):
        faults = judge_as(right.replace(was, now), form, table).faults
        assert (name, line) in {(fault.name, fault.line) for fault in faults}, (was, faults)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 50))
def test_a_tune_is_learnt_from_poems_that_keep_it(seed: int) -> None:
    """Lengths, marks and rhymes exactly; a tone is what all poems have, 中 where they have both."""
    table, form = readings(seed), tune("t", TUNE)
    verse = Verse(form, Wish(tones=True, rhyme=True), [*CHARACTERS, *MARKS], table, 246)
    written = [("t", poem) for i in range(40) for poem in poems(verse, 100 * seed + i, count=2)]
    (found,) = learn([*written, ("t", "仄仄。"), ("other", "平平，仄。")], table, least=10)
    assert (found.poems, found.of) == (80, 81)
    learnt = tune("t", found.lines)
    assert (learnt.lines, learnt.marks) == (form.lines, form.marks)
    assert learnt.ways[0].rhymes == form.ways[0].rhymes
    for line, (own,), (wanted,) in zip(found.lines, learnt.ways[0].tones, form.ways[0].tones, strict=True):
        assert all(tone in (asked, "中") or asked == "中" for tone, asked in zip(own, wanted, strict=True)), line


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ("《菩薩蠻》溫庭筠\n小山。", ("菩薩蠻", "小山。")),
        ("點絳唇\n雨恨。\n雲愁。", ("點絳唇", "雨恨。\n雲愁。")),
        ("只有", ("只有", "")),
    ],
)
def test_the_tune_stands_above_the_poem(document: str, expected: tuple[str, str]) -> None:
    assert titled(document) == expected


def test_the_tunes_that_come_with_charrnn() -> None:
    assert len(tunes()) >= 100
    pusaman = find_form("菩薩蠻")
    assert pusaman is find_form("菩萨蛮") and pusaman.lines == (7, 7, 5, 5, 5, 5, 5, 5)
    assert pusaman.ways[0].rhymes == "aabbccdd" and pusaman.source == "574 of 585 poems"
    for name, form in tunes().items():
        (way,) = form.ways
        assert len(form.lines) == len(way.rhymes) == len(way.tones) == len(form.marks) > 1, name
        assert set(way.rhymes) - {"."}, f"{name} does not rhyme"
        assert form.marks[-1] == "。", name
    with pytest.raises(CharrnnError, match="菩萨蛮"):
        find_form("菩萨曼")


def test_the_parts_in_which_ci_rhyme_hold_every_group() -> None:
    table = pingshui()
    parts = table.rhymes("中", in_ci=True)
    assert len(parts) == 19
    assert set().union(*parts.values()) == {*table.level, *table.oblique}
    assert len(table.rhymes("平", in_ci=True)) == 14 and len(table.rhymes("仄", in_ci=True)) == 19
    assert table.find("東", "仄", in_ci=True) == table.find("夢", "仄", in_ci=True)


def test_characters_that_the_package_lacks_are_there() -> None:
    table = pingshui()
    assert table.groups("溪") == table.groups("西") and table.tones("啼") == {"平"} and table.tones("劒") == {"仄"}


@pytest.mark.parametrize(
    ("one", "other", "rhyme"),
    [
        ("花", "家", True),
        ("诗", "知", True),
        ("诗", "梨", False),
        ("东", "明", True),
        ("月", "雪", True),
        ("人", "冷", False),
    ],
)
def test_rhymes_of_today(one: str, other: str, rhyme: bool) -> None:
    table = xinyun()
    assert bool(table.groups(one) & table.groups(other)) == rhyme
    assert table.tones("雪") == {"仄"} and table.tones("花") == {"平"} and table.tones("长") == {"平", "仄"}


def test_each_table_has_a_name() -> None:
    assert table_of("pingshui") is pingshui() and table_of("xinyun") is xinyun()
    with pytest.raises(CharrnnError, match=r"nothing\.yaml"):
        table_of("nothing.yaml")


@given(st.integers(0, 20), st.lists(st.text(st.sampled_from(CHARACTERS[:4]), min_size=1, max_size=3), max_size=4))
def test_no_word_that_was_forbidden_occurs(seed: int, words: list[str]) -> None:
    """Of an alphabet so small that each of them would come at once."""
    vocabulary = Vocabulary("char", CHARACTERS[:6])
    model = Anything(len(vocabulary), seed)
    (one,) = write(model, vocabulary, [], Without(words, vocabulary), Filters(), [np.random.default_rng(seed)], 60)
    text = vocabulary.decode(one.ids)
    assert len(text) == 60 and not any(word in text for word in words)
    assert set(text) - set(CHARACTERS[:4]), "what is not forbidden is written"


def test_tones_may_be_given_as_the_form() -> None:
    pattern = "仄仄平平仄，平平仄仄平。a 中平平仄仄，仄仄仄平平。a"
    form = find_form(pattern)
    assert form.has_tones and form.lines == (5, 5, 5, 5)
    assert form.ways == tune("", ["仄仄平平仄，", "平平仄仄平。a", "中平平仄仄，", "仄仄仄平平。a"]).ways
    assert judge_as("白日依山盡，黃河入海流。欲窮千里目，更上一層樓。", form, pingshui()).is_right
    assert not judge_as("白日依山盡，黃河入海東。欲窮千里目，更上一層樓。", form, pingshui()).is_right
    for broken in ("仄仄平平仄", "仄仄平平a，", "仄仄平平仄，" * 201):
        with pytest.raises(CharrnnError, match="no such form"):
            find_form(broken)
