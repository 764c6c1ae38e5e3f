"""Who may use the server: which names it is asked by (DNS rebinding), pages of its own only (CSRF), and a token.

A web page elsewhere can have a browser send requests here. Its own address then stands in `Origin`, or the name that it
has been asked by stands in `Host`: both are looked at before anything else.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from ipaddress import ip_address
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from charrnn.desk.errors import refusal

LOOPBACK = ("localhost", "127.0.0.1", "::1")
OPEN = (".css", ".js")
"""The files that are shown to anybody: they are part of the package, and tell nothing."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""What the page may do: load its own files, and ask this server."""
HEADERS = {
    "content-security-policy": POLICY,
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cache-control": "no-store",
}
COOKIE = "charrnn-token"


@dataclass(frozen=True)
class Access:
    """Who may use the server."""

    names: Collection[str] = LOOPBACK
    """The names by which it may be asked."""
    addresses: bool = False
    """Whether by any IP address too. No page elsewhere can have one for its name."""
    token: str | None = None
    """What must be given, as `Authorization: Bearer`, in the cookie, or in the page's address; None where it needs
    none."""

    def allows_host(self, host: str) -> bool:
        """Whether a `Host` names this server."""
        name = _name(host)
        return name in self.names or (self.addresses and _is_address(name))

    def allows_token(self, headers: Headers, query: bytes) -> bool:
        """Whether the token is among what was given."""
        if self.token is None:
            return True
        kind, _, bearer = headers.get("authorization", "").partition(" ")
        given = [bearer.strip()] if kind.lower() == "bearer" else []
        given += parse_qs(query.decode("latin-1"), max_num_fields=10).get("token", [])
        try:
            cookie = SimpleCookie(headers.get("cookie", ""))
            given += [cookie[COOKIE].value] if COOKIE in cookie else []
        except CookieError:
            pass
        wanted = self.token.encode()
        return any(hmac.compare_digest(one.encode("utf-8", "replace"), wanted) for one in given)


class Guard:
    """Lets through what `Access` allows, and adds the headers that keep the page to itself."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request, or refuses it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
            await send(message)

        app = self._refusal(scope) or self._app
        await app(scope, receive, guarded)

    def _refusal(self, scope: Scope) -> ASGIApp | None:
        headers, access = Headers(scope=scope), self._access
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        if len(hosts) != 1 or not access.allows_host(hosts[0]):
            asked = hosts[0][:100] if hosts else ""
            return refusal(421, f"this server is not {asked!r}; if it is, start it with --name {asked or 'NAME'}")
        if len(origins) > 1 or any(not _same(origin, hosts[0]) for origin in origins):
            return refusal(403, f"a page of {origins[0][:100]!r} may not use this server")
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin") and scope["method"] != "GET":
            return refusal(403, "a page from elsewhere may not use this server")
        if not scope["path"].endswith(OPEN) and not access.allows_token(headers, scope.get("query_string", b"")):
            return refusal(401, "the token that the server printed is needed: Authorization: Bearer TOKEN, or ?token=")
        return None


def _name(host: str) -> str:
    """The name in a `Host`, without its port; empty for what is none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _same(origin: str, host: str) -> bool:
    """Whether an `Origin` is that of the page that this server shows."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
