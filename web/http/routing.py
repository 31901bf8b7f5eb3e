"""Routing and headers by an index, where Starlette compares one entry after the other."""

from collections import defaultdict
from collections.abc import Sequence
from operator import itemgetter
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.routing import Match, Route, Router
from starlette.types import Lifespan, Receive, Scope, Send

HEADERS = "roadmap.headers"  # the key of a scope under which the middleware keeps them


class IndexedHeaders(Headers):
    """Headers of a request, which do not change."""

    def __init__(self, scope: Scope) -> None:
        super().__init__(raw=scope["headers"])
        self._values: dict[str, list[str]] = {}
        for name, value in scope["headers"]:
            self._values.setdefault(name.decode("latin-1"), []).append(value.decode("latin-1"))

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()][0]

    def __contains__(self, name: Any) -> bool:
        return name.lower() in self._values

    def get(self, name: str, default: Any = None) -> Any:
        values = self._values.get(name.lower())
        return default if values is None else values[0]

    def getlist(self, name: str) -> list[str]:
        return list(self._values.get(name.lower(), ()))


class IndexedRequest(Request):
    """A request that has passed the middleware."""

    @property
    def headers(self) -> Headers:
        headers: IndexedHeaders = self.scope[HEADERS]
        return headers


class IndexedRouter(Router):
    """Router that answers as if all routes were tried in their order.

    Path parameters are whole segments, and routes do not change. It does not redirect to a path
    with or without a slash: that would name whatever host the request claims.
    """

    def __init__(self, routes: Sequence[Route], *, lifespan: Lifespan[Any]) -> None:
        super().__init__(routes, redirect_slashes=False, lifespan=lifespan)
        # By the number of slashes and the path before the first parameter
        self._found: dict[tuple[int, str], list[tuple[int, Route]]] = defaultdict(list)
        # Lengths of these beginnings, by the number of slashes
        self._starts: dict[int, set[int]] = defaultdict(set)
        for number, route in enumerate(routes):
            slashes, start = route.path.count("/"), route.path.partition("{")[0]
            self._starts[slashes].add(len(start))
            self._found[slashes, start].append((number, route))
        self.most_slashes = max(self._starts)

    def methods(self, scope: Scope, path: str) -> set[str]:
        """Return the methods of all routes that match this path; Starlette names those of one."""
        requested = {**scope, "path": path}
        return {
            method
            for route in self.candidates(path)
            if route.matches(requested)[0] is not Match.NONE
            for method in route.methods or ()
        }

    def candidates(self, path: str) -> list[Route]:
        """Return the routes that may match the path, in their order."""
        slashes = path.count("/")
        found: list[tuple[int, Route]] = []
        for length in self._starts.get(slashes, ()):
            if length <= len(path):
                found += self._found.get((slashes, path[:length]), ())
        return [*map(itemgetter(1), sorted(found))]

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await super().app(scope, receive, send)
            return
        scope.setdefault("router", self)
        chosen: tuple[Route, Scope] | None = None
        for route in self.candidates(scope["path"]):
            match, place = route.matches(scope)
            # A route of another method answers with the methods of the path
            if match is Match.FULL or (match is Match.PARTIAL and chosen is None):
                chosen = route, place
            if match is Match.FULL:
                break
        if chosen is None:
            await self.default(scope, receive, send)
            return
        route, place = chosen
        scope["route"] = route
        scope.update(place)
        await route.handle(scope, receive, send)
