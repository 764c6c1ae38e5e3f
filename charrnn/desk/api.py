"""The routes of the JSON API. Every answer is a document, or with `stream` the same in lines, as they come."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import anyio
import anyio.to_thread
from anyio import CapacityLimiter
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from charrnn.desk import answers
from charrnn.desk.batching import Busy
from charrnn.desk.errors import Answer, last_line, line, refusal, told
from charrnn.desk.limits import Limits
from charrnn.desk.orders import Order, Portion
from charrnn.desk.requests import Asked, Check, Fill, Next, Novelty, Sample, Score, parsed
from charrnn.desk.shelf import Served, Shelf
from charrnn.desk.streams import streamed
from charrnn.desk.written import Pace, Written, ordered

Body = TypeVar("Body", bound=Asked)
Result = TypeVar("Result")
Line = dict[str, Any]
THREADS = 4
"""The most requests that compute beside the threads that write."""
SHORT = 1000
"""The most characters of a prompt that are looked at without a thread."""


@dataclass
class Desk:
    """What the routes work with."""

    shelf: Shelf
    limits: Limits = field(default_factory=Limits)
    threads: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(THREADS))
    pace: Pace = field(default_factory=Pace)

    async def work(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """Runs a function in a thread. Raises Busy where too many wait for one."""
        if self.threads.statistics().tasks_waiting >= self.limits.queue:
            raise Busy(f"{self.limits.queue} requests wait already; ask again later")
        return await anyio.to_thread.run_sync(function, *arguments, limiter=self.threads)

    async def body(self, request: Request) -> bytes:
        """The body of a request, which is JSON. Raises Refused."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise Refused(415, "Content-Type: application/json was expected")
        parts, size = [], 0
        try:
            with anyio.fail_after(self.limits.patience):
                async for part in request.stream():
                    size += len(part)
                    if size > self.limits.body:
                        raise Refused(413, f"the body: more than {self.limits.body:,} bytes")
                    parts.append(part)
        except TimeoutError:
            raise Refused(408, f"the body did not come within {self.limits.patience:g} seconds") from None
        return b"".join(parts)

    async def order(self, served: Served, asked: Sample) -> Written:
        """Has texts written, which a thread prepares."""
        if served.batching is None:
            served.model  # noqa: B018 (raises: it cannot write)
        assert served.batching is not None
        write = served.batching.write

        def written() -> Written:
            made = self._made(served, asked)
            write(made.orders)
            return made

        return await self.work(written)

    def order_at_once(self, served: Served, asked: Sample) -> Written | None:
        """The same without a thread, where there is little to prepare; None where there is more."""
        if served.batching is None or asked.binds or len(asked.prompt or "") > SHORT:
            return None
        made = self._made(served, asked)
        if made.orders[0].prompt not in served.batching.prompts:
            return None
        served.batching.write(made.orders)
        return made

    def _made(self, served: Served, asked: Sample) -> Written:
        return Written(*ordered(served, asked, self.limits), self.pace)


class Refused(Exception):
    """A request that is answered by a status and a message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


Route = Callable[[Request, Desk], Awaitable[Response]]


def guarded(route: Route, desk: Desk) -> Callable[[Request], Awaitable[Response]]:
    """A route whose errors are JSON, and which stops where the client leaves."""

    async def answer(request: Request) -> Response:
        try:
            return await route(request, desk)
        except Refused as refused:
            return refusal(refused.status, str(refused))
        except ClientDisconnect:
            return refusal(400, "the client left")
        except Exception as error:
            return told(error)

    return answer


async def unless_left(request: Request, work: Callable[[], Awaitable[Result]]) -> Result:
    """What some work gives. Raises ClientDisconnect, and ends the work, where the client leaves before."""
    found: list[Result] = []
    failed: list[Exception] = []
    async with anyio.create_task_group() as group:

        async def watch() -> None:
            while (await request.receive())["type"] != "http.disconnect":
                pass
            group.cancel_scope.cancel()

        group.start_soon(watch)
        try:
            found.append(await work())
        except Exception as error:  # a task group would wrap it
            failed.append(error)
        group.cancel_scope.cancel()
    if failed:
        raise failed[0]
    if not found:
        raise ClientDisconnect
    return found[0]


async def sample(request: Request, desk: Desk) -> Response:
    """Writes texts."""
    asked = parsed(await desk.body(request), Sample)
    served = desk.shelf.find(asked.run)
    written = desk.order_at_once(served, asked)
    if written is None:
        written = await unless_left(request, lambda: desk.order(served, asked))
    if asked.stream:
        return streamed(_sample_lines(served, written), "application/x-ndjson", desk.limits.patience, written.cancel)
    return Answer(await unless_left(request, lambda: _sampled(served, written)))


async def _sample_lines(served: Served, written: Written) -> AsyncGenerator[bytes, None]:
    first = written.orders[0]
    try:
        yield line(
            {
                "run": served.name,
                "step": served.run.checkpoint.step,
                "seed": first.seed,
                "prompt": written.prompt,
                "note": written.note,
            }
        )
        async for index, portion in written:
            yield line(_portion(index, portion))
    except Exception as error:
        yield last_line(error)


def _portion(index: int, portion: Portion) -> Line:
    said: Line = {"index": index, "text": portion.text, "bits": [round(bits, 3) for bits in portion.bits]}
    if portion.end:
        said["end"] = portion.end
    if portion.end_bits is not None:
        said["end_bits"] = portion.end_bits
    if portion.constraint_bits is not None:
        said["constraint_bits"] = portion.constraint_bits
    return said


async def _sampled(served: Served, written: Written) -> Line:
    texts = [written.prompt for _ in written.orders]
    bits = [0.0 for _ in written.orders]
    ends: list[Portion] = [Portion() for _ in written.orders]
    async for index, portion in written:
        texts[index] += portion.text
        bits[index] += sum(portion.bits) + (portion.end_bits or 0.0)
        ends[index] = portion
    samples = [_sample(*one) for one in zip(written.orders, texts, bits, ends, strict=True)]
    return {"run": served.name, "step": served.run.checkpoint.step, "note": written.note, "samples": samples}


def _sample(order: Order, text: str, bits: float, last: Portion) -> Line:
    price = {} if last.constraint_bits is None else {"constraint_bits": last.constraint_bits}
    log_prob = -bits * math.log(2)
    return {"text": text, "log_prob": log_prob, **price, "seed": order.seed, "index": order.index, "end": last.end}


def computed(
    kind: type[Asked], lines: Callable[..., Iterator[Line]], whole: Callable[[list[Line]], Any] = lambda lines: lines
) -> Route:
    """The route of an answer that is computed in lines."""

    async def route(request: Request, desk: Desk) -> Response:
        asked = parsed(await desk.body(request), kind)
        made = lines(desk.shelf, asked, desk.limits)

        async def every() -> list[Line]:
            found: list[Line] = []
            while (one := await desk.work(next, made, None)) is not None:
                found.append(one)
            return found

        if not getattr(asked, "stream", False):
            return Answer(whole(await unless_left(request, every)))
        first = await unless_left(request, lambda: desk.work(next, made, None))

        async def stream() -> AsyncGenerator[bytes, None]:
            one = first
            try:
                while one is not None:
                    yield line(one)
                    one = await desk.work(next, made, None)
            except Exception as error:
                yield last_line(error)

        return streamed(stream(), "application/x-ndjson", desk.limits.patience)

    return route


async def runs(_: Request, desk: Desk) -> Response:
    """The runs."""
    return Answer({"runs": [one.facts() for one in desk.shelf]})


async def forms(_: Request, desk: Desk) -> Response:
    """The forms of verse."""
    from charrnn.verse.forms import FORMS, tunes

    regulated = [{"name": name, "title": form.name, "lines": form.lines} for name, form in FORMS.items()]
    ci = [{"name": name, "title": name, "lines": form.lines} for name, form in tunes().items()]
    return Answer({"regulated": regulated, "ci": ci})


ROUTES: dict[str, tuple[str, Route, type[Asked] | None]] = {
    "/api/runs": ("GET", runs, None),
    "/api/forms": ("GET", forms, None),
    "/api/sample": ("POST", sample, Sample),
    "/api/next": ("POST", computed(Next, answers.following, lambda lines: lines[0]), Next),
    "/api/score": ("POST", computed(Score, answers.score, answers.scores), Score),
    "/api/fill": ("POST", computed(Fill, answers.fill, lambda lines: {"texts": lines}), Fill),
    "/api/novelty": ("POST", computed(Novelty, answers.novelty, lambda lines: lines[0]), Novelty),
    "/api/verse": ("POST", computed(Check, answers.check, lambda lines: {"poems": lines}), Check),
}
"""The method, the route and the body of each address."""
