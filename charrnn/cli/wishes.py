"""The options of `charrnn sample` for what texts must keep: a form of verse, an acrostic, words, nothing copied."""

from __future__ import annotations

from typing import Annotated

import typer

Form = Annotated[
    str | None,
    typer.Option(
        "--form",
        help="A form of verse that every poem keeps: a name or a tune of ci (`charrnn forms list`), a size such as "
        "5x8 for eight lines of five, tones such as 仄仄平平仄，平平仄仄平。a, or a YAML file. Default: none.",
    ),
]
Tones = Annotated[bool, typer.Option("--tones", help="Keep the tones of --form.")]
Rhyme = Annotated[
    str | None,
    typer.Option(
        "--rhyme",
        metavar="any|pingshui|xinyun|GROUP",
        help="Rhyme where --form does: in any group of the table (--rhyme-table), of Pingshui or of today's "
        "readings, or in one, such as 東. Default: no rhyme.",
    ),
]
Acrostic = Annotated[
    str | None,
    typer.Option(
        "--acrostic",
        help="Characters that stand one in each line, of --form or of any text. Default: none.",
    ),
]
AcrosticAt = Annotated[
    str,
    typer.Option(
        "--acrostic-at",
        metavar="start|end|diagonal|N",
        help="Where in its line each character of --acrostic stands; N counts from 1.",
    ),
]
Words = Annotated[
    str | None,
    typer.Option(
        "--words",
        metavar="WORD,WORD",
        help="Words that occur in every poem of --form, each within a line; --seed decides where. Default: none.",
    ),
]
Repeat = Annotated[
    bool | None,
    typer.Option(
        "--repeat-characters/--no-repeat-characters",
        help="Whether a character may occur twice in a poem. Default: no with --tones, yes otherwise and in ci.",
    ),
]
RhymeTable = Annotated[
    str | None,
    typer.Option(
        "--rhyme-table",
        metavar="TABLE|FILE",
        help="What decides tones and rhymes: pingshui, xinyun (today's readings), or a YAML file of yours: level "
        "and oblique, each {group: characters}. Default: pingshui for forms with tones and for classical corpora, "
        "else xinyun.",
    ),
]
RhymeScheme = Annotated[
    str | None,
    typer.Option(
        "--rhyme-scheme",
        metavar="LETTERS",
        help="English lines that rhyme where their letters are the same, such as aabba. Default: none.",
    ),
]
Syllables = Annotated[
    str | None,
    typer.Option(
        "--syllables",
        metavar="N-N-N",
        help="English lines of so many syllables, such as 5-7-5, or one number for all lines of --rhyme-scheme. "
        "Default: none.",
    ),
]
WithoutWords = Annotated[
    str | None,
    typer.Option("--without", metavar="WORDS", help="Words that may not occur, with commas between. Default: none."),
]
Original = Annotated[
    int | None,
    typer.Option(
        "--original",
        metavar="N",
        help="Write no run of N characters, from 2, that stands in the corpus the model has learnt from. Default: any.",
    ),
]
