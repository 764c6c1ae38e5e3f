"""`charrnn sample`."""

from __future__ import annotations

import re
import secrets
import sys
from collections.abc import Iterable
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from charrnn.cli.heading import Author, Fields, Title, Tune, fields_of
from charrnn.cli.opening import open_run
from charrnn.cli.options import Checkpoint, Device, Json, LearntText, Plugin, RunFolder, Strict, Unknown, unescaped
from charrnn.cli.output import show, show_bytes, show_json
from charrnn.cli.wishes import (
    Acrostic,
    AcrosticAt,
    Form,
    Original,
    Repeat,
    Rhyme,
    RhymeScheme,
    RhymeTable,
    Syllables,
    Tones,
    WithoutWords,
    Words,
)
from charrnn.errors import CharrnnError

if TYPE_CHECKING:
    from charrnn.evaluation.novelty import Novelty
    from charrnn.generation.constraints import Constraint
    from charrnn.generation.ranking import Judge
    from charrnn.generation.sampler import Sample
    from charrnn.run import Run
    from charrnn.text.vocab import Vocabulary
    from charrnn.verse.automaton import At

SEEDS = 1_000_000
"""One of so many seeds is drawn, if none is given: enough, and short to type."""
VERSE = 10_000
"""The most characters of a poem. Its form ends it."""
MAX_PROMPT = 10_000_000
"""The most bytes of a prompt."""


def sample(
    run: RunFolder,
    prompt: Annotated[
        str | None,
        typer.Option(
            help=r"The text to continue; \n is a line end, \t a tab, \\ a backslash; - reads standard input. Default: "
            "the config's."
        ),
    ] = None,
    prompt_file: Annotated[
        Path | None,
        typer.Option(
            help="A UTF-8 file with the text to continue, or any for a model of bytes; - is standard input. "
            "Default: --prompt."
        ),
    ] = None,
    length: Annotated[
        int | None, typer.Option(help="The most characters to write after the prompt. Default: the config's.")
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option(
            help="A factor, 0 to 100. Below 1: more careful; above 1: bolder; 0: always the likeliest. Default: the "
            "config's."
        ),
    ] = None,
    top_k: Annotated[
        int | None, typer.Option(help="Draw only from the K likeliest characters. Default: the config's.")
    ] = None,
    top_p: Annotated[
        float | None,
        typer.Option(
            help="Draw only from the likeliest characters that together have this probability. Default: the config's."
        ),
    ] = None,
    repetition_penalty: Annotated[
        float | None,
        typer.Option(
            help="A factor, 1 to 100. Above 1: the last 64 characters become less likely. Default: the config's."
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            help="The same seed gives the same texts, however many there are. Default: another one each time, which is "
            "printed."
        ),
    ] = None,
    samples: Annotated[int, typer.Option(help="How many texts to write, side by side.")] = 1,
    stop: Annotated[
        str | None,
        typer.Option(help=r"End a text after this is written; \n, \t and \\ are as in --prompt. Default: none."),
    ] = None,
    unknown: Unknown = "error",
    strict: Strict = False,
    title: Title = None,
    author: Author = None,
    tune: Tune = None,
    field: Fields = None,
    best_of: Annotated[
        int,
        typer.Option(
            "--best-of",
            help="Write so many texts for each that is shown: the one that is likely, does not repeat itself, and has "
            "few faults in its --form.",
        ),
    ] = 1,
    without: WithoutWords = None,
    original: Original = None,
    novelty: Annotated[
        bool,
        typer.Option("--novelty", help="Tell on standard error how much of what is written stands in the corpus."),
    ] = False,
    corpus_text: LearntText = None,
    form: Form = None,
    tones: Tones = False,
    rhyme: Rhyme = None,
    acrostic: Acrostic = None,
    acrostic_at: AcrosticAt = "start",
    words: Words = None,
    repeat_characters: Repeat = None,
    rhyme_table: RhymeTable = None,
    rhyme_scheme: RhymeScheme = None,
    syllables: Syllables = None,
    stream: Annotated[
        bool | None,
        typer.Option("--stream/--no-stream", help="Show characters as they are written. Default: on a terminal."),
    ] = None,
    checkpoint: Checkpoint = "best",
    plugin: Plugin = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Write with a trained model. Only the text goes to standard output."""
    from charrnn.text.prompts import check_unknown

    check_unknown(unknown, strict)
    if stop == "":
        raise CharrnnError('--stop "": a text of one character or more was expected')
    if prompt is not None and prompt_file is not None:
        raise CharrnnError("give --prompt or --prompt-file, not both")

    opened = open_run(run, device, checkpoint, quiet=as_json)
    vocabulary = opened.vocabulary
    text = _prompt(prompt, prompt_file, vocabulary.kind == "byte", opened.config.corpus.encoding)
    drawn = secrets.randbelow(SEEDS) if seed is None else seed
    how: dict[str, Any] = {
        "length": length,
        "temperature": temperature,
        "top_k": top_k,
        "top_p": top_p,
        "repetition_penalty": repetition_penalty,
        "seed": drawn,
        "stop": None if stop is None else unescaped(stop),
        "unknown": unknown,
        "strict": strict,
    }
    verse: Constraint | None = None
    judge: Judge | None = None
    english = rhyme_scheme is not None or syllables is not None
    if english and (tones or any(one is not None for one in (form, acrostic, rhyme, words)) or acrostic_at != "start"):
        raise CharrnnError("--rhyme-scheme and --syllables are English verse, without --form and what belongs to it")
    if form is not None:
        verse = opened.verse(
            form,
            tones=tones,
            rhyme=rhyme,
            acrostic=acrostic or "",
            acrostic_at=_place(acrostic_at),
            words=_words(words or ""),
            seed=drawn,
            repeat_characters=repeat_characters,
            rhyme_table=rhyme_table,
        )
        judge = opened.judge(form, rhyme=rhyme, rhyme_table=rhyme_table) if best_of > 1 else None
        text = "" if text is None else text  # the config's prompt may be no beginning of a poem
        how["length"] = VERSE if length is None else length
    elif english:
        verse = opened.english_verse(rhyme_scheme or "", syllables or "")
        text = "" if text is None else text
        how["length"] = VERSE if length is None else length
    elif tones or rhyme is not None or words is not None or acrostic_at != "start":
        raise CharrnnError("--tones, --rhyme, --words and --acrostic-at belong to a form of verse: give --form too")
    elif acrostic is not None:
        how["length"] = VERSE if length is None else length
        verse = opened.acrostic(acrostic, length=how["length"])
        text = "" if text is None else text
    below = form or (None if acrostic is None and not english else "")
    fields = fields_of(opened, title, author, tune, field, below)
    if without is not None:
        from charrnn.generation.constraints import Both, Without

        absent = Without(_words(without), vocabulary)
        verse = absent if verse is None else Both([verse, absent])
    if corpus_text is not None:
        opened.find_text(corpus_text)
    plain = verse is None and fields is None and original is None and best_of == 1 and not novelty
    if stream is None:
        stream = sys.stdout.isatty() and samples == 1 and not as_json and plain
    if stream and not plain:
        raise CharrnnError(
            "--stream shows a text as it comes, without --form, --acrostic, --rhyme-scheme, --syllables, --without, "
            "--original, --novelty, --best-of, and a heading"
        )
    if stream:
        if samples != 1 or as_json:
            raise CharrnnError("--stream shows one text as it comes, without --samples and --json")
        pieces = opened.pieces(text, **how)
        if vocabulary.kind == "byte":
            _show_bytes((piece.data for piece in pieces), vocabulary)
        else:
            for piece in pieces:
                show(piece.text, end="")
                sys.stdout.flush()
            show("")
        _tell_seed(seed, drawn)
        return
    people = opened.learnt.held_out() if novelty else None  # before, since it may be refused
    written = opened.sample(
        text, samples=samples, constraint=verse, original=original, best_of=best_of, fields=fields, judge=judge, **how
    )
    shared = [opened.novelty(*_judged(one, opened, text)) for one in written] if novelty else []
    if as_json:
        documents = [_facts(one, vocabulary) | {"step": opened.checkpoint.step} for one in written]
        show_json([one | _shared(own, people) for one, own in zip_longest(documents, shared)])
        return
    if vocabulary.kind == "byte":
        between = bytes(vocabulary.encode("\n\n"))
        _show_bytes([between.join(one.data or b"" for one in written)], vocabulary)
    else:
        _show_texts([one.text.removesuffix("\n") if acrostic is not None or english else one.text for one in written])
    given = {
        "the form": form,
        "the acrostic": None if form else acrostic,
        "the verse": english or None,
        "--original": original,
    }
    if asked := [what for what, value in given.items() if value is not None]:
        _tell_price(" and ".join(asked), [one.constraint_bits or 0.0 for one in written])
    if novelty:
        from charrnn.cli.novelty import told
        from charrnn.terminal import say

        say(told(shared, people))
    _tell_seed(seed, drawn)


def _judged(one: Sample, run: Run, prompt: str | bytes | None) -> tuple[str | bytes, int]:
    """What a model wrote, and how much of it was given: a heading counts as given."""
    prompt = run.config.sampling.prompt if prompt is None else prompt
    if one.fields is not None and run.headings is not None:
        prompt = one.text.removesuffix(run.headings.below(one.text)) + str(prompt)
    if one.data is None:
        return one.text, len(prompt)
    return one.data, len(prompt if isinstance(prompt, bytes) else run.vocabulary.encode(prompt, "replace"))


def _shared(one: Novelty | None, people: Novelty | None) -> dict[str, Any]:
    """What a text shares with the corpus, and what people's texts share, for JSON; nothing if that was not asked."""
    from charrnn.cli.novelty import document

    if one is None:
        return {}
    return {"novelty": document(one) | {"held_out": None if people is None else document(people)["share"]}}


def _show_bytes(pieces: Iterable[bytes], vocabulary: Vocabulary) -> None:
    """Writes bytes, and nothing else. A terminal gets their text, in which the others are escaped."""
    decoder = vocabulary.decoder("backslashreplace")
    for data in pieces:
        if sys.stdout.isatty():
            show("".join(map(decoder.add, data)), end="")
        else:
            show_bytes(data)
        sys.stdout.flush()
    if sys.stdout.isatty():
        show(decoder.end())


def _show_texts(texts: list[str]) -> None:
    """Writes texts with an empty line between. On a terminal a number stands above each of several: texts have empty
    lines too.
    """
    if sys.stdout.isatty() and len(texts) > 1:
        texts = [f"--- {number} of {len(texts)} ---\n{text}" for number, text in enumerate(texts, 1)]
    show("\n\n".join(texts))


def _facts(one: Sample, vocabulary: Vocabulary) -> dict[str, Any]:
    """A sample for JSON, which holds text only: bytes that are none are in base64."""
    from base64 import b64encode

    text = one.text if one.data is None else vocabulary.text_of(one.data)
    told = {"base64": b64encode(one.data).decode("ascii")} if one.data is not None and text is None else {"text": text}
    price = {} if one.constraint_bits is None else {"constraint_bits": one.constraint_bits}
    fields = {} if one.fields is None else {"fields": dict(one.fields)}
    ranked = {} if one.rank is None else {"rank": one.rank.document()}
    return {**told, **fields, "log_prob": one.log_prob, **price, **ranked, "seed": one.seed, "index": one.index}


def _tell_price(asked: str, bits: list[float]) -> None:
    from charrnn.terminal import say

    say(f"{asked} took {sum(bits) / len(bits):.2f} bits per character from what the model would have written")


def _words(given: str) -> list[str]:
    """Words between commas."""
    return [word.strip() for word in re.split("[,，、]", given) if word.strip()]


def _place(at: str) -> At | int:
    """Where the characters of an acrostic stand. Raises CharrnnError for anything else."""
    if at in ("start", "end", "diagonal"):
        return cast("At", at)
    if at.isascii() and at.isdigit() and int(at) > 0:
        return int(at)
    raise CharrnnError(f"--acrostic-at {at}: start, end, diagonal or a number from 1 was expected")


def _tell_seed(given: int | None, drawn: int) -> None:
    from charrnn.terminal import say

    if given is None:
        say(f"seed {drawn} (the same text again: --seed {drawn})")


def _decoded(data: bytes, name: str, encoding: str, bad: int) -> str:
    """The text of a prompt that is not UTF-8, from its byte `bad` on. Its encoding is named on standard error."""
    from io import BytesIO

    from charrnn.terminal import say
    from charrnn.text.presumed import encoding_of

    try:
        found = encoding_of(BytesIO(data), name, encoding)
        text = data.decode(found).removeprefix("\ufeff")
    except (CharrnnError, UnicodeError):
        raise CharrnnError(f"--prompt-file {name}: not UTF-8 at byte {bad}; save it as UTF-8") from None
    say(f"{name}: read as {found}")
    return text


def _prompt(prompt: str | None, file: Path | None, raw: bool, encoding: str) -> str | bytes | None:
    """The prompt that was given; None if none was.

    A file that is not UTF-8 is in the `encoding` of the corpus, or surely in another. `raw` takes its bytes.
    """
    if file is None and prompt != "-":
        return None if prompt is None else unescaped(prompt)
    from charrnn.files import read_given

    name = "standard input" if file is None or str(file) == "-" else str(file)
    try:
        data = read_given(Path(name), MAX_PROMPT) if name != "standard input" else sys.stdin.buffer.read(MAX_PROMPT + 1)
        if len(data) > MAX_PROMPT:
            raise CharrnnError(f"{name}: larger than {MAX_PROMPT:,} bytes")
        text = data.decode("utf-8-sig")
    except CharrnnError as error:
        raise CharrnnError(f"--prompt-file {error.message}") from None
    except OSError as error:
        raise CharrnnError(f"--prompt-file {name}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        if raw:
            return data
        text = _decoded(data, name, encoding, error.start)
    return text.removesuffix("\n").removesuffix("\r")  # editors and echo end a file with a line end
