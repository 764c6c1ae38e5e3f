"""English verse: every text is right by a judge that is written apart, and no way of writing it ends nowhere."""

from __future__ import annotations

import re
import sys
from importlib import metadata
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import charrnn
from charrnn.cli import main
from charrnn.errors import CharrnnError
from charrnn.text.vocab import Vocabulary
from charrnn.verse import dictionary
from charrnn.verse.english import EnglishVerse

LINES = (
    """
a AH0
the DH AH0
cat K AE1 T
hat HH AE1 T
bat B AE1 T # an animal
I AY1
night N AY1 T
knight N AY1 T
light L AY1 T
delight D IH0 L AY1 T
read R EH1 D
read(2) R IY1 D
reed R IY1 D
red R EH1 D
bed B EH1 D
fire F AY1 ER0
fire(2) F AY1 R
table T EY1 B AH0 L
able EY1 B AH0 L
don't D OW1 N T
tree T R IY1
(paren P ER1 AH0 N
x EH1 K S
zigzag Z IH1 G Z AE2 G
x-ray EH1 K S R EY2
hm HH M
""".replace("I AY1", "i AY1")
    .strip()
    .splitlines()
)
ALPHABET = sorted(set("abcdefghijklmnopqrstuvwxyI'TN ,.\n"))  # no z
SCHEMES = [("aabba", "4-4-3-3-5"), ("abab", ""), ("", "5-7-5"), ("abcb", "6"), ("aaa", "2"), ("a", "")]


def sounds_of(lines: list[str]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for line in lines:
        match = re.match(r"([a-z']+)(?:\(\d\))? ([^#]+)", line)
        if match:
            found.setdefault(match[1], set()).add(match[2].strip())
    return found


def rhyming_part(sounds: str) -> str:
    """From the last vowel that is stressed, or else the last vowel, on."""
    parts = sounds.split()
    for digits in ("12", "0"):
        for i in reversed(range(len(parts))):
            if parts[i][-1] in digits:
                return " ".join(part.rstrip("012") for part in parts[i:])
    raise AssertionError(sounds)


def plain(sounds: str) -> str:
    return re.sub("[012]", "", sounds)


def is_right(text: str, scheme: str, syllables: str, sounds: dict[str, set[str]]) -> bool:
    """Whether the words of a text can be spoken so that all is as it was asked for."""
    lines = text.split("\n")
    if lines.pop() != "":
        return False
    asked = [int(n) for n in syllables.split("-")] if syllables else []
    if scheme and len(asked) <= 1:
        asked = asked * len(scheme)
    if len(lines) != len(scheme or asked):
        return False
    ends: list[set[str]] = []
    for i, line in enumerate(lines):
        words = [word.lower().replace("’", "'") for word in re.findall(r"[A-Za-z'’]+", line)]
        if re.sub(r"[A-Za-z'’]+[,;:.!?]?( (?=[A-Za-z'’])|$)", "", line) or not words or words[-1] in dictionary.WEAK:
            return False
        if any(re.search("[A-Z]", word[1:]) for word in line.split()) or any(word not in sounds for word in words):
            return False
        sums = {0}
        for word in words[:-1]:
            sums = {s + len(re.findall("[012]", p)) for s in sums for p in sounds[word]}
        wanted = {asked[i]} if asked else set(range(6, 12))
        ends.append({p for p in sounds[words[-1]] if {s + len(re.findall("[012]", p)) for s in sums} & wanted})
    last = [re.findall(r"[A-Za-z'’]+", line)[-1].lower() for line in lines]
    for spoken in product(*ends):
        parts = [rhyming_part(one) for one in spoken]
        pairs = [(i, j) for j in range(len(lines)) for i in range(j)] if scheme else []
        alike = [(i, j) for i, j in pairs if scheme[i].lower() == scheme[j].lower()]
        if all(parts[i] == parts[j] and plain(spoken[i]) != plain(spoken[j]) and last[i] != last[j] for i, j in alike):
            return True
    return False


def walk(verse: EnglishVerse, vocabulary: Vocabulary, generator: np.random.Generator, most: int = 3000) -> str:
    """A text by an unskilled hand: any allowed character, but few marks, so that it comes to an end."""
    state, ids = verse.begin(), list[int]()
    while not verse.is_over(state):
        allowed = np.flatnonzero(verse.allowed(state))
        assert len(allowed), repr(vocabulary.decode(ids))
        assert len(ids) < most
        ids.append(int(generator.choice(allowed)))
        after = verse.after(state, ids[-1])
        assert after is not None
        state = after
    assert not verse.allowed(state).any()
    return vocabulary.decode(ids)


@pytest.mark.parametrize(("scheme", "syllables"), SCHEMES)
def test_any_way_ends_in_a_right_text(scheme: str, syllables: str) -> None:
    vocabulary = Vocabulary("char", ALPHABET)
    verse = EnglishVerse(vocabulary, scheme, syllables, LINES)
    generator, sounds = np.random.default_rng(0), sounds_of(LINES)
    texts = {walk(verse, vocabulary, generator) for _ in range(150)}
    assert len(texts) > 50
    for text in texts:
        assert is_right(text, scheme, syllables, sounds), text
    assert not any("z" in text for text in texts)


@pytest.mark.parametrize(("scheme", "syllables"), [("aa", "2"), ("", "2-1"), ("aa", "2-3"), ("aba", "1")])
def test_every_right_text_can_be_written_and_no_other(scheme: str, syllables: str) -> None:
    """All lines of up to three words, against the judge."""
    lines = [line for line in LINES if line.split()[0].partition("(")[0] in ("the", "night", "knight", "light", "read")]
    lines += ["red R EH1 D", "reed R IY1 D", "delight D IH0 L AY1 T"]
    vocabulary = Vocabulary("char", sorted(set("thenigkldrad \n")))
    verse, sounds = EnglishVerse(vocabulary, scheme, syllables, lines), sounds_of(lines)
    some = [" ".join(words) for n in (1, 2, 3) for words in product(sounds, repeat=n)]
    count = len(scheme) or 2
    if count > 2:
        some = list(sounds)
    right = 0
    for chosen in product(some, repeat=count):
        text = "\n".join(chosen) + "\n"
        state: Any = verse.begin()
        for one in vocabulary.encode(text):
            state = verse.after(state, one) if state is not None else None
        written = state is not None and verse.is_over(state)
        assert written == is_right(text, scheme, syllables, sounds), text
        right += written
    assert right > 3


def test_allowed_and_after_say_the_same() -> None:
    vocabulary = Vocabulary("char", ALPHABET)
    verse, generator = EnglishVerse(vocabulary, "aabb", "5", LINES), np.random.default_rng(1)
    state = verse.begin()
    while not verse.is_over(state):
        mask = verse.allowed(state)
        assert mask.shape == (len(vocabulary),)
        assert mask.tolist() == [verse.after(state, i) is not None for i in range(len(vocabulary))]
        following = verse.after(state, int(generator.choice(np.flatnonzero(mask))))
        assert following is not None
        state = following


@pytest.mark.parametrize(("scheme", "syllables"), [("aabba", "9-9-6-6-9"), ("", "5-7-5"), ("ababcdcdefefgg", "10")])
def test_the_real_dictionary(scheme: str, syllables: str) -> None:
    try:
        metadata.version(dictionary.PACKAGE)
    except metadata.PackageNotFoundError:
        pytest.skip("needs charrnn[english]")
    vocabulary = Vocabulary("char", sorted(set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'’,;:.!? \n-")))
    verse, sounds = EnglishVerse(vocabulary, scheme, syllables), sounds_of(dictionary.cmu_lines())
    generator = np.random.default_rng(2)
    for _ in range(5):
        text = walk(verse, vocabulary, generator)
        assert is_right(text, scheme, syllables, sounds), text


@pytest.mark.parametrize(
    ("scheme", "syllables", "match"),
    [
        ("a1", "", "^rhyme_scheme=a1: a letter for each line"),
        ("a" * 101, "", "at most 100"),
        ("", "", "a rhyme scheme or syllables"),
        ("", "5-x", "^syllables=5-x: a number of syllables"),
        ("", "0", "^syllables=0: a number"),
        ("", "99", "1 to 50"),
        ("", "-".join(["5"] * 101), "101 lines"),
        ("ab", "5-7-5", "^syllables=5-7-5: 3 lines, and rhyme_scheme=ab has 2"),
        ("aaaaaaaaaa", "", "10 lines end on a, and there are not enough words"),
        ("aabbccddee", "1", "not enough words"),
    ],
)
def test_what_cannot_be_is_refused_at_once(scheme: str, syllables: str, match: str) -> None:
    with pytest.raises(CharrnnError, match=match):
        EnglishVerse(Vocabulary("char", ALPHABET), scheme, syllables, LINES)


@pytest.mark.parametrize("alphabet", ["abcdefgh\n", "abcdefgh ", "春夏秋冬 \n"])
def test_an_alphabet_that_spells_nothing_is_told(alphabet: str) -> None:
    with pytest.raises(CharrnnError, match=r"spaces and line ends|spells no words"):
        EnglishVerse(Vocabulary("char", sorted(alphabet)), "", "5", ["the DH AH0", "at AE1 T", "is IH1 Z"])
    with pytest.raises(CharrnnError, match="a model of characters"):
        EnglishVerse(Vocabulary("byte"), "", "5", LINES)


def test_the_dictionary_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dictionary, "PACKAGE", "no-such-package")
    dictionary.cmu_lines.cache_clear()
    with pytest.raises(CharrnnError, match=r"charrnn\[english\]"):
        EnglishVerse(Vocabulary("char", ALPHABET), "aa")
    dictionary.cmu_lines.cache_clear()


def test_the_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    Path("text.txt").write_text("The cat had a hat.\nI don't like the night, " * 60, encoding="utf-8")
    model = {"cell": "rnn", "hidden_size": 8, "embedding_size": 4}
    training = {"steps": 2, "batch_size": 4, "window": 8}
    charrnn.train({"corpus": {"path": "text.txt"}, "model": model, "training": training}, out="run", quiet=True)
    monkeypatch.setattr("charrnn.verse.english.cmu_lines", lambda: LINES)

    def command(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["charrnn", "sample", "run", *arguments])
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", sys.stdout)
            patch.setattr(sys, "stderr", sys.stderr)
            try:
                main()
                code = 0
            except SystemExit as left:
                code = int(str(left.code))
        return (code, *capsys.readouterr())

    code, out, told = command("--rhyme-scheme", "abab", "--syllables", "4", "--prompt", "The ", "--seed", "1")
    assert code == 0 and out.startswith("The ") and "bits per character" in told
    assert is_right(out, "abab", "4", sounds_of(LINES))
    for wrong, message in (
        (["--syllables", "5", "--form", "5x8"], "without --form"),
        (["--syllables", "2", "--prompt", "zzz"], "not in the model's vocabulary"),
        (["--syllables", "2", "--prompt", "The cat had"], "--prompt: ' ', its character 8, does not fit"),
        (["--syllables", "five"], "--syllables five: a number"),
    ):
        code, out, told = command(*wrong)
        assert (code, out) == (2, "") and message in told and told.count("\n") == 1
