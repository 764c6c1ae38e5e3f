"""`/v1/completions` and `/v1/models`, in the shape of the OpenAI API, so that its clients write with a run.

A token is a character. What that API has and a character model has not is refused by name, not passed over.
"""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from charrnn.desk import requests
from charrnn.desk.api import Desk, Route, unless_left
from charrnn.desk.errors import Answer, last_line, line
from charrnn.desk.orders import Portion
from charrnn.desk.requests import Asked, String, parsed
from charrnn.desk.shelf import Served
from charrnn.desk.stops import Stops
from charrnn.desk.streams import streamed
from charrnn.desk.written import Written
from charrnn.errors import CharrnnError

MAX_TOKENS = 16
"""What the OpenAI API writes if nothing is said."""


class Completion(requests.Verse):
    """A text to be completed."""

    model: String = Field(description="The name of a run.")
    prompt: String | list[String] = Field("", description="The text to continue, or several.")
    max_tokens: int | None = Field(None, description="The most characters; none is 16, in verse as many as it has.")
    temperature: float | None = Field(None, description="0 to 100; none is the config's.")
    top_p: float | None = Field(None, description="Draw from the likeliest with this probability together.")
    n: int = Field(1, ge=1, description="How many texts for each prompt.")
    stream: bool = Field(False, description="Answer in server-sent events.")
    stream_options: dict[str, bool] | None = Field(None, description="include_usage: a last event with the counts.")
    stop: String | list[String] | None = Field(None, description="Up to 4 texts before which a text ends.")
    seed: int | None = Field(None, description="The same seed gives the same texts.")
    echo: bool = Field(False, description="Begin the text with the prompt.")
    logprobs: int | None = Field(None, description="0: with ln p of each character.")
    user: str | None = Field(None, description="Passed over.")
    best_of: int | None = Field(None, description="Only as many as n.")
    suffix: str | None = Field(None, description="Refused: the model reads from left to right.")
    frequency_penalty: float | None = Field(None, description="Only 0: see repetition_penalty.")
    presence_penalty: float | None = Field(None, description="Only 0: see repetition_penalty.")
    logit_bias: dict[str, float] | None = Field(None, description="Only empty: see without.")
    top_k: int | None = Field(None, description="Not of OpenAI: draw from so many likeliest characters.")
    repetition_penalty: float | None = Field(None, description="Not of OpenAI: as for a sample.")
    unknown: str = Field("error", pattern="^(error|replace|skip|keep)$", description="Not of OpenAI: as for a sample.")


def _check(asked: Completion) -> None:
    """Raises CharrnnError for what is not there."""
    for name, remedy in (("frequency_penalty", "repetition_penalty"), ("presence_penalty", "repetition_penalty")):
        if getattr(asked, name):
            raise CharrnnError(f"{name}: only 0 is known here; there is {remedy}, from 1 on")
    if asked.logit_bias:
        raise CharrnnError("logit_bias: is not known here; there is `without`, a list of words that do not occur")
    if asked.suffix:
        raise CharrnnError("suffix: the model reads from left to right; /api/fill fills blanks")
    if asked.best_of not in (None, asked.n):
        raise CharrnnError("best_of: only as many as n are written here")
    if asked.logprobs:
        raise CharrnnError("logprobs: 0 was expected; /api/next tells what else was likely")
    if asked.logprobs is not None and asked.echo:
        raise CharrnnError("echo: has no logprobs of the prompt; /api/score has them")


class _Choice:
    """One of the texts as it comes."""

    def __init__(self, stops: Sequence[str], wants_bits: bool, echoed: str) -> None:
        self._stops, self._wants_bits = Stops(stops), wants_bits
        self._echo = self._offset = echoed
        self.tokens, self.over = 0, False

    def take(self, portion: Portion) -> dict[str, Any] | None:
        """What is sent of a portion; None for nothing yet."""
        if self.over:
            return None
        self.tokens += len(portion.bits)
        text, bits = self._stops.take(portion.text, portion.bits, bool(portion.end))
        end = "stop" if self._stops.found else {"stop": "stop", "length": "length", "closed": "length"}.get(portion.end)
        self.over = end is not None
        if not text and not end:
            return None
        said: dict[str, Any] = {"text": self._echo + text, "finish_reason": end, "logprobs": None}
        if self._wants_bits:
            said["logprobs"] = {
                "tokens": [*text],
                "token_logprobs": [-own * math.log(2) for own in bits],
                "top_logprobs": None,
                "text_offset": [*range(len(self._offset), len(self._offset) + len(text))],
            }
        self._offset += text
        self._echo = ""
        return said


async def completions(request: Request, desk: Desk) -> Response:
    """Completes texts."""
    asked = parsed(await desk.body(request), Completion)
    _check(asked)
    served = desk.shelf.find(asked.model)
    prompts = [asked.prompt] if isinstance(asked.prompt, str) else asked.prompt
    if not 1 <= len(prompts) * asked.n <= desk.limits.texts:
        raise CharrnnError(f"‹n={asked.n}›: 1 to {desk.limits.texts} texts in all were expected")
    stops = [asked.stop] if isinstance(asked.stop, str) else asked.stop or []
    if len(stops) > 4 or not all(stops):
        raise CharrnnError("‹stop›: up to 4 texts of one character or more were expected")

    async def order() -> list[Written]:
        made: list[Written] = []
        try:
            for prompt in prompts:
                made.append(await desk.order(served, _as_sample(asked, prompt)))  # noqa: PERF401 (what is made is cancelled)
        except BaseException:
            for one in made:
                one.cancel()
            raise
        return made

    written = await unless_left(request, order)
    echoed = [one.prompt if asked.echo else "" for one in written]
    choices = [[_Choice(stops, asked.logprobs is not None, own) for _ in range(asked.n)] for own in echoed]
    pieces = _pieces(written, choices)
    head = {"id": f"cmpl-{uuid.uuid4().hex}", "object": "text_completion", "created": int(time.time())}
    head["model"] = served.name

    def cancel() -> None:
        for one in written:
            one.cancel()

    def usage() -> dict[str, int]:
        read = sum(len(one.orders[0].prompt) for one in written)
        new = sum(choice.tokens for own in choices for choice in own)
        return {"prompt_tokens": read, "completion_tokens": new, "total_tokens": read + new}

    if asked.stream:
        counted = usage if (asked.stream_options or {}).get("include_usage") else None
        return streamed(_events(head, pieces, counted), "text/event-stream", desk.limits.patience, cancel)
    return Answer(await unless_left(request, lambda: _whole(head, pieces, usage)))


def _as_sample(asked: Completion, prompt: str) -> requests.Sample:
    verse = {name: getattr(asked, name) for name in requests.Verse.model_fields}
    length = asked.max_tokens if asked.max_tokens is not None or asked.form is not None else MAX_TOKENS
    return requests.Sample(
        prompt=prompt,
        length=length,
        temperature=asked.temperature,
        top_k=asked.top_k,
        top_p=asked.top_p,
        repetition_penalty=asked.repetition_penalty,
        seed=asked.seed,
        samples=asked.n,
        unknown=asked.unknown,  # type: ignore[arg-type]
        **verse,
    )


async def _pieces(
    written: Sequence[Written], choices: Sequence[Sequence[_Choice]]
) -> AsyncGenerator[dict[str, Any], None]:
    """What is sent of each text, prompt by prompt. A text that is over is no longer written."""
    try:
        for number, (one, own) in enumerate(zip(written, choices, strict=True)):
            async for index, portion in one:
                said = own[index].take(portion)
                if own[index].over:
                    one.orders[index].cancelled = True
                if said is not None:
                    yield {"index": number * len(own) + index, **said}
                if all(choice.over for choice in own):
                    break
    finally:
        for one in written:
            one.cancel()


async def _events(
    head: dict[str, Any], pieces: AsyncGenerator[dict[str, Any], None], usage: Any
) -> AsyncGenerator[bytes, None]:
    try:
        async for piece in pieces:
            yield b"data: " + line({**head, "choices": [piece]}) + b"\n"
        if usage is not None:
            yield b"data: " + line({**head, "choices": [], "usage": usage()}) + b"\n"
    except Exception as error:
        yield b"data: " + last_line(error) + b"\n"
    finally:
        await pieces.aclose()
    yield b"data: [DONE]\n\n"


async def _whole(head: dict[str, Any], pieces: AsyncGenerator[dict[str, Any], None], usage: Any) -> dict[str, Any]:
    found: dict[int, dict[str, Any]] = {}
    async for piece in pieces:
        before = found.setdefault(piece["index"], piece)
        if before is piece:
            continue
        before["text"] += piece["text"]
        before["finish_reason"] = piece["finish_reason"]
        if before["logprobs"] is not None:
            for name in ("tokens", "token_logprobs", "text_offset"):
                before["logprobs"][name] += piece["logprobs"][name]
    return {**head, "choices": [found[index] for index in sorted(found)], "usage": usage()}


def _model(one: Served) -> dict[str, Any]:
    return {"id": one.name, "object": "model", "created": 0, "owned_by": "charrnn"}


async def models(_: Request, desk: Desk) -> Response:
    """The runs, as models."""
    return Answer({"object": "list", "data": [_model(one) for one in desk.shelf]})


async def model(request: Request, desk: Desk) -> Response:
    """A run, as a model."""
    return Answer(_model(desk.shelf.find(request.path_params["name"])))


ROUTES: dict[str, tuple[str, Route, type[Asked] | None]] = {
    "/v1/models": ("GET", models, None),
    "/v1/models/{name:path}": ("GET", model, None),
    "/v1/completions": ("POST", completions, Completion),
}
"""The method, the route and the body of each address."""
