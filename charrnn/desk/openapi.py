"""The description of the API (OpenAPI 3.1), made from its routes and the bodies that they take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from charrnn.desk.api import Route
from charrnn.desk.requests import Asked
from charrnn.version import __version__

ERROR = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": "null"},
                "code": {"type": "null"},
            },
        }
    },
}
STATUSES = {
    "400": "a mistake in what is asked, in the words of the command",
    "401": "the token is missing",
    "403": "a page from elsewhere asks",
    "404": "there is no such run",
    "408": "the body came too slowly",
    "413": "the body is too large",
    "415": "the body is no JSON",
    "421": "the server is asked by another name",
    "503": "the queue is full; ask again later",
}


def description(routes: Mapping[str, tuple[str, Route, type[Asked] | None]]) -> dict[str, Any]:
    """The document that is served at /openapi.json."""
    schemas: dict[str, Any] = {"Error": ERROR}
    paths: dict[str, Any] = {}
    for path, (method, route, body) in routes.items():
        place = path.replace(":path}", "}")
        told: dict[str, Any] = {"operationId": place.strip("/").replace("/", "_"), "responses": _responses()}
        if place != path:
            told["parameters"] = [{"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}]
        doc = body.__doc__ if body is not None else route.__doc__
        told["summary"] = (doc or "").strip()
        if body is not None:
            schemas[body.__name__] = body.model_json_schema(ref_template="#/components/schemas/{model}")
            reference = {"$ref": f"#/components/schemas/{body.__name__}"}
            told["requestBody"] = {"required": True, "content": {"application/json": {"schema": reference}}}
        paths[place] = {method.lower(): told}
    return {
        "openapi": "3.1.0",
        "info": {"title": "charrnn", "version": __version__, "description": "Writing with character models."},
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "security": [{}, {"token": []}],
    }


def _responses() -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    refused = {status: {"description": what, "content": content} for status, what in STATUSES.items()}
    return {"200": {"description": "the answer, or its lines as they come"}, **refused}
