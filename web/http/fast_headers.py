"""A request whose headers are found by name: Starlette compares all of them, one by one, each time that one is asked for."""

from typing import Any

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import Scope

PLACE = "roadmap.headers"  # in a scope


class IndexedHeaders(Headers):
    """Of a request, where they do not change."""

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


def headers_of(scope: Scope) -> IndexedHeaders:
    """Indexed once for all who ask."""
    headers: IndexedHeaders | None = scope.get(PLACE)
    if headers is None:
        headers = scope[PLACE] = IndexedHeaders(scope)
    return headers


class IndexedRequest(Request):
    @property
    def headers(self) -> Headers:
        return headers_of(self.scope)
