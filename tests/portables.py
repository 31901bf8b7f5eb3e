"""A small roadmap as a document that can be imported, for tests to change."""

from copy import deepcopy
from typing import Any

FIRST, SECOND = "flour", "dough"
AT = "2026-01-05T09:00:00Z"
BY = {"generator": "model:a", "prompt_version": "1", "created_at": AT}
QUESTIONS = [
    {
        **{
            "type": "single",
            "prompt": "What holds bread together?",
            "options": ["Gluten", "Sugar"],
            "answers": [0],
        },
        "explanation": "It is gluten.",
    },
    {
        **{
            "type": "multiple",
            "prompt": "What makes it?",
            "options": ["Kneading", "Time", "Salt"],
            "answers": [0, 1],
        },
        "explanation": "Both do.",
    },
]
DOCUMENT: dict[str, Any] = {
    "format": "roadmap",
    "version": 3,
    "exported_at": AT,
    "request": {
        **{
            "goal": "Bake bread",
            "level": "beginner",
            "hours_per_week": 6,
            "deadline": "2027-05-01",
            "begins_on": "2026-01-05",
        },
        **{
            "background": "I cook.",
            "motivation": "",
            "preferences": "",
            "language": "en",
            "resource_language": None,
        },
    },
    "generator": "model:a",
    "analysis": {
        "aim": "To bake bread",
        "known": ["cooking"],
        "subjects": ["dough"],
        "assumptions": [],
    },
    "outline": {
        "title": "Bread",
        "stages": [
            {
                **{"key": "begin", "title": "Begin", "description": "What it is."},
                "modules": [
                    {
                        **{"key": "parts", "title": "Parts", "description": "Of bread."},
                        "concepts": [
                            {
                                **{
                                    "key": FIRST,
                                    "title": "Flour",
                                    "description": "What it is.",
                                    "hours": 2,
                                    "difficulty": 1,
                                },
                                **{"prerequisites": [], "outcomes": ["choose flour"]},
                            },
                            {
                                **{
                                    "key": SECOND,
                                    "title": "Dough",
                                    "description": "What it does.",
                                    "hours": 3,
                                    "difficulty": 2,
                                },
                                **{"prerequisites": [FIRST], "outcomes": []},
                            },
                        ],
                    }
                ],
            }
        ],
    },
    "concepts": {
        FIRST: {
            "contents": {
                "tutorial": {
                    **BY,
                    "body": {
                        "markdown": "# Flour\n\n`a < b` and [more](https://example.org/flour)\n"
                    },
                },
                "resources": {
                    **BY,
                    "body": {
                        "items": [
                            {
                                **{
                                    "title": "On flour",
                                    "url": "https://example.org/flour",
                                    "type": "book",
                                    "language": "en",
                                },
                                "why": "It is short.",
                            }
                        ]
                    },
                },
                "quiz": {**BY, "body": {"questions": QUESTIONS}},
            },
            **{"progress": "learning", "progress_at": AT, "notes": "Mine.\n<b>& yours</b>"},
            "attempts": [{"answers": [[0], [0]], "score": 1, "total": 2, "created_at": AT}],
            "cards": [
                {
                    **{
                        "question": 1,
                        "state": 2,
                        "step": None,
                        "stability": 3.1415926535897931,
                        "difficulty": 5.1,
                    },
                    **{
                        "due_at": "2026-02-05T09:00:00.123456Z",
                        "reviewed_at": AT,
                        "reviews": 3,
                        "lapses": 1,
                    },
                }
            ],
        },
        SECOND: {
            "contents": {
                "tutorial": {**BY, "body": {"markdown": "Wait."}},
                "resources": None,
                "quiz": None,
            },
            **{"progress": "todo", "progress_at": None, "notes": "", "attempts": [], "cards": []},
        },
    },
}


def small() -> dict[str, Any]:
    """A new one each time: to be changed. Of the second concept two parts are missing."""
    return deepcopy(DOCUMENT)


def whole() -> dict[str, Any]:
    """The same with every part."""
    document = small()
    parts = document["concepts"][FIRST]["contents"]
    document["concepts"][SECOND]["contents"] = {
        kind: deepcopy(part) for kind, part in parts.items()
    }
    return document


def large(concepts: int = 200) -> dict[str, Any]:
    """A plan with so many concepts, each after three, with all that is written of the first."""
    document, keys = small(), [f"concept-{number}" for number in range(concepts)]
    values = {
        "description": "What it is and what it is good for.",
        "hours": 2,
        "difficulty": 1,
        "outcomes": ["choose flour"],
    }
    planned = [
        {
            **values,
            "key": key,
            "title": f"Concept {number} of bread",
            "prerequisites": keys[max(number - 3, 0) : number],
        }
        for number, key in enumerate(keys)
    ]
    head = {"description": "Of bread."}
    modules = [
        {
            **head,
            "key": f"module-{first}",
            "title": f"Module {first}",
            "concepts": planned[first : first + 8],
        }
        for first in range(0, concepts, 8)
    ]
    document["outline"]["stages"] = [
        {
            **head,
            "key": f"stage-{first}",
            "title": f"Stage {first}",
            "modules": modules[first : first + 5],
        }
        for first in range(0, len(modules), 5)
    ]
    learner = {"progress": "todo", "progress_at": None, "notes": "", "attempts": [], "cards": []}
    contents = document["concepts"][FIRST]["contents"]
    document["concepts"] = {key: {**learner, "contents": deepcopy(contents)} for key in keys}
    return document
