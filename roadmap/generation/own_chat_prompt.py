"""Roadmaps by a chat of the learner's own: a prompt to copy, and an outline to fill in by hand.

`roadmap/exchange/own_chat_answer.py` reads what comes back.
"""

import json
from typing import Any

from core.sanitize import one_line
from roadmap.plan.schemas import RoadmapRequest

PROMPT = """\
Write a course for one person, as one JSON document in a code block, and nothing after it.

- Goal: {goal}
- Level: {level}
- Time: {hours_per_week} hours a week{until}
- Language of all texts, as a BCP 47 tag: {language}{more}

Rules:

- Three to six stages; each has one to four modules; each module has two to six concepts. A \
concept is one thing that can be learned in one to ten hours.
- Nothing needs what comes later. `prerequisites` are titles of earlier concepts. No two concepts \
have the same title.
- `hours` is a whole number; `difficulty` goes from 1 (easy) to 5 (hard).
- `tutorial`, `resources` and `quiz` can be left out: begin with the first concepts, and stop \
early enough to finish the document. A tutorial is Markdown without HTML and images. `answer` \
repeats the right option, or is a list if several are right.
- Keep `goal`, `level`, `hours_per_week` and `language` as they are here.

```json
{form}
```
"""
CONCEPT: dict[str, Any] = {
    "title": "Title of the concept",
    "description": "Its content in one sentence",
    "hours": 3,
    "difficulty": 1,
    "prerequisites": [],
    "outcomes": ["What one can do afterwards"],
    "tutorial": "Markdown",
    "resources": [
        {"title": "Title of the page", "url": "https://example.org/", "why": "Why it is useful"}
    ],
    "quiz": [
        {
            "question": "Text of the question",
            "options": ["First option", "Second option", "Third option"],
            "answer": "Second option",
            "explanation": "Why it is right",
        }
    ],
}


def prompt_of(request: RoadmapRequest) -> str:
    """Return a prompt for any chat, with the form of its answer."""
    about = {"Prior experience": request.background, "Preferences": request.preferences}
    wishes = request.model_dump(
        mode="json", include={"goal", "level", "hours_per_week", "language"}
    )
    modules = [{"title": "Title of the module", "concepts": [CONCEPT]}]
    form = {
        **wishes,
        "title": "Title of the course",
        "stages": [{"title": "Title of the stage", "modules": modules}],
    }
    return PROMPT.format(
        **wishes,
        until=f", until {request.deadline}" if request.deadline else "",
        more="".join(f"\n- {name}: {text}" for name, text in about.items() if text),
        form=json.dumps(form, ensure_ascii=False, indent=2),
    )


def outline_of(request: RoadmapRequest) -> str:
    """Return an outline of one concept in lines, which can be filled in by hand and imported."""
    return f"""\
{one_line(request.goal)[:200]}
Title of the stage
  Title of the module
    Title of the concept (3 h)
      - What one can do afterwards
"""
