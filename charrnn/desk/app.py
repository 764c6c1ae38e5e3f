"""The application: the page, the JSON API, and the completions of the OpenAI kind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from charrnn.desk import api, completions
from charrnn.desk.api import Desk, guarded
from charrnn.desk.errors import Answer, refusal, told
from charrnn.desk.guard import COOKIE, Access, Guard
from charrnn.desk.limits import Limits
from charrnn.desk.openapi import description
from charrnn.desk.shelf import Shelf
from charrnn.run import Run

PAGE = Path(__file__).with_name("page")


def create_app(runs: Sequence[Run], limits: Limits, access: Access) -> Starlette:
    """The application for some runs."""
    desk = Desk(Shelf(runs), limits)
    routes = {**api.ROUTES, **completions.ROUTES}
    described = description(routes)

    async def openapi(_: Request) -> Response:
        return Answer(described)

    async def page(_: Request) -> Response:
        response = FileResponse(PAGE / "page.html")
        if access.token is not None:
            response.set_cookie(COOKIE, access.token, httponly=True, samesite="strict")
        return response

    async def refused(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return refusal(error.status_code, error.detail)

    async def bug(_: Request, error: Exception) -> Response:
        return told(error)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        desk.shelf.start(limits, asyncio.get_running_loop().call_soon_threadsafe)
        try:
            yield
        finally:
            await asyncio.to_thread(desk.shelf.close)

    app = Starlette(
        routes=[
            Route("/", page),
            *(Route(f"/{file.name}", _file(file)) for file in PAGE.glob("*.??*") if file.suffix in (".css", ".js")),
            Route("/openapi.json", openapi),
            *(Route(path, guarded(route, desk), methods=[method]) for path, (method, route, _) in routes.items()),
        ],
        middleware=[Middleware(Guard, access=access)],
        exception_handlers={HTTPException: refused, Exception: bug},
        lifespan=lifespan,
    )
    app.state.desk = desk
    return app


def _file(file: Path):  # type: ignore[no-untyped-def]
    async def show(_: Request) -> Response:
        return FileResponse(file)

    return show
