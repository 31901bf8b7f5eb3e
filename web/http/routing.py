"""Starlette's router with an index: it would try one pattern after the other, and there are more than a hundred of them."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from starlette.routing import Match, Route, Router
from starlette.types import Lifespan, Receive, Scope, Send


class IndexedRouter(Router):
    """Of routes whose places are whole segments, which do not change. The same one answers as if all were tried in their order.

    It redirects to no path with a slash or without: that would name whatever host the request claims.
    """

    def __init__(self, routes: Sequence[Route], *, lifespan: Lifespan[Any]) -> None:
        super().__init__(routes, redirect_slashes=False, lifespan=lifespan)
        # By the number of slashes and what stands before the first place; and of each number the lengths of that.
        self._found: dict[tuple[int, str], list[tuple[int, Route]]] = defaultdict(list)
        self._starts: dict[int, set[int]] = defaultdict(set)
        for number, route in enumerate(routes):
            slashes, start = route.path.count("/"), route.path.partition("{")[0]
            self._starts[slashes].add(len(start))
            self._found[slashes, start].append((number, route))

        self.most_slashes = max(slashes for slashes, _ in self._found)

    def methods(self, scope: Scope, path: str) -> set[str]:
        """Of every route that fits this path: Starlette names those of one only."""
        asked = {**scope, "path": path}
        fitting = (
            route for route in self.candidates(path) if route.matches(asked)[0] is not Match.NONE
        )
        return {method for route in fitting for method in route.methods or ()}

    def candidates(self, path: str) -> list[Route]:
        """Those that may fit it, in their order."""
        slashes = path.count("/")
        found: list[tuple[int, Route]] = []
        for length in self._starts.get(slashes, ()):
            if length <= len(path):
                found += self._found.get((slashes, path[:length]), ())
        return [route for _, route in sorted(found)]

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await super().app(scope, receive, send)
            return
        scope.setdefault("router", self)
        chosen: tuple[Route, Scope] | None = None
        for route in self.candidates(scope["path"]):
            match, place = route.matches(scope)
            if match is Match.FULL or (
                match is Match.PARTIAL and chosen is None
            ):  # of another method: it says which
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
