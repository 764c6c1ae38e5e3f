"""What can be asked of the server: the bodies of its requests, from which its description is made too."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from charrnn.errors import CharrnnError
from charrnn.mistakes import Place, mistakes


def _whole(text: str) -> str:
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("a text without halves of surrogate pairs")
    return text


String = Annotated[str, AfterValidator(_whole)]


class Asked(BaseModel):
    """What every request has."""

    model_config = ConfigDict(extra="forbid", strict=True)


Body = TypeVar("Body", bound=Asked)


class OfRun(Asked):
    """A request about a run."""

    run: String | None = Field(None, description="The name of a run; none is the first.")


class Streamed(OfRun):
    """A request whose answer may come line by line."""

    stream: bool = Field(False, description="Answer in lines of JSON, as they come (application/x-ndjson).")


class Verse(Asked):
    """What a text is to keep: a form of verse, and what does not occur."""

    form: String | None = Field(None, description="A form of verse: a name, a tune of ci, or a size such as 5x8.")
    tones: bool = Field(False, description="Keep the tones of the form.")
    rhyme: String | None = Field(None, description="`any`, or a group or a character of it.")
    rhyme_table: Literal["pingshui", "xinyun"] | None = Field(None, description="What decides tones and rhymes.")
    acrostic: String = Field("", max_length=200, description="Characters that stand one in each line.")
    acrostic_at: Literal["start", "end", "diagonal"] | int = Field("start", description="Where, or a place from 1.")
    words: list[String] = Field([], max_length=20, description="Words that occur, each within a line.")
    repeat_characters: bool | None = Field(None, description="Whether a character may occur twice.")
    without: list[String] = Field([], max_length=1000, description="Words that do not occur, with or without a form.")
    original: int | None = Field(
        None, description="Write no run of so many characters, 2 to 4,096, that stands in the training text."
    )

    @property
    def binds(self) -> bool:
        """Whether anything of it is asked for."""
        return any(getattr(self, name) != known.default for name, known in Verse.model_fields.items())


class Sample(Streamed, Verse):
    """A text to be written."""

    prompt: String | None = Field(None, description="The text to continue; none is the config's.")
    length: int | None = Field(None, description="The most characters after the prompt; none is the config's.")
    temperature: float | None = Field(None, description="0 to 100; none is the config's.")
    top_k: int | None = Field(None, description="Draw from so many likeliest characters.")
    top_p: float | None = Field(None, description="Draw from the likeliest with this probability together.")
    repetition_penalty: float | None = Field(None, description="Above 1, the last 64 characters become less likely.")
    seed: int | None = Field(None, description="The same seed gives the same texts; none draws one.")
    samples: int = Field(1, description="How many texts.")
    stop: String | None = Field(None, min_length=1, description="End a text after this.")
    unknown: Literal["error", "replace", "skip", "keep"] = Field(
        "error", description="What to do with characters that the model knows in no form."
    )
    strict: bool = Field(False, description="Take no other form of a character.")


class Next(OfRun, Verse):
    """A text, of which the likeliest next characters are asked."""

    text: String = Field(description="The text so far.")
    count: int = Field(10, ge=1, le=100, description="How many characters.")
    seed: int = Field(0, description="That of the text, which decides where words stand.")


class Score(Streamed):
    """A text whose surprise is asked."""

    text: String = Field(min_length=1, description="The text.")


class Fill(Streamed):
    """A text with blanks."""

    text: String = Field(description="A text in which each blank is one character.")
    blanks: String = Field("＿_", min_length=1, max_length=20, description="The characters that mark a blank.")
    samples: int = Field(1, ge=1, le=100, description="The most different texts.")
    best: bool = Field(False, description="Search the likeliest instead of drawing (bidirectional models).")
    seed: int = Field(0, description="The same one draws the same fillings.")
    unknown: Literal["error", "replace", "skip", "keep"] = Field("error", description="As for a sample.")
    strict: bool = Field(False, description="As for a sample.")


class Novelty(OfRun):
    """A text of which is asked what is copied."""

    text: String = Field(min_length=1, description="The text.")
    given: int = Field(0, ge=0, description="Its first characters that do not count, such as those of a prompt.")


class Check(Asked):
    """Poems to be judged."""

    text: String = Field(description="Poems, with blank lines between.")
    form: String | None = Field(None, description="Their form; none is the regulated one with such lines.")
    rhyme_table: Literal["pingshui", "xinyun"] = Field("pingshui", description="What decides tones and rhymes.")
    stream: bool = Field(False, description="Answer in lines of JSON.")


def parsed(body: bytes, kind: type[Body]) -> Body:
    """The request of a body. Raises CharrnnError for anything else."""
    try:
        document: Any = json.loads(body)
    except RecursionError:
        raise CharrnnError("the body: too many brackets within brackets") from None
    except ValueError as error:  # also what is not UTF-8, and numbers of thousands of digits
        raise CharrnnError(f"the body: JSON was expected: {error}") from None
    if not isinstance(document, dict):
        raise CharrnnError("the body: a JSON object was expected")
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        raise mistakes(error, kind, document, Place("the body")) from None
