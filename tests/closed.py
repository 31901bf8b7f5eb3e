"""The description of the API for its own tests: answers have no values but those it names.

To others an answer's enumeration is open, so that one may be added.
"""

from typing import Any

ANY_TEXT = {"type": "string"}


def closed(document: dict[str, Any]) -> dict[str, Any]:
    """The same document without the "or any other text" that stands beside each enumeration."""
    schemas = document["components"]["schemas"]

    def is_enum(schema: dict[str, Any]) -> bool:
        found = schemas.get(str(schema.get("$ref", "")).rpartition("/")[2], schema)
        return "enum" in found

    def of(node: Any) -> Any:
        if isinstance(node, list):
            return [of(each) for each in node]
        if not isinstance(node, dict):
            return node
        choices = node.get("anyOf")
        if isinstance(choices, list) and any(map(is_enum, choices)):
            node = {**node, "anyOf": [each for each in choices if each != ANY_TEXT]}
        return {name: of(each) for name, each in node.items()}

    made: dict[str, Any] = of(document)
    return made
