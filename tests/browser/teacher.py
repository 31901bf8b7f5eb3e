"""A model's server that designs a roadmap of a given size and writes its parts when it is let.

It speaks the protocol of the real one; what it says has code, tables, long titles and Chinese, so that pages have something
to show.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.integration.provider import Handler, completion, providing

USAGE = {"prompt_tokens": 900, "completion_tokens": 700, "total_tokens": 1600}
SUBJECTS = {
    "en": (
        "Flour and water",
        "Sourdough",
        "Kneading",
        "Shaping a loaf",
        "Proofing",
        "Baking",
        "Tasting",
        "Rye",
        "Ovens",
        "Salt",
    ),
    "zh-Hans": ("面粉与水", "酸面团", "揉面", "整形", "发酵", "烘烤", "品尝", "黑麦", "烤箱", "盐"),
}
LONG = {
    "en": "Donaudampfschifffahrtsgesellschaftskapitän, or how to bake for eighty guests at once",
    "zh-Hans": "如何在一个普通家庭厨房里同时为八十位客人烘烤出外皮酥脆内部柔软且风味浓郁的乡村酸面包并准时上桌",
}
TUTORIAL = {
    "en": """## Why it works

Gluten is a net of proteins. **Kneading** builds it, time builds it too, and salt makes it tighter; `strength` is what the
baker feels as resistance. See [the chemistry](https://example.org/gluten) for more.

```python
def hydration(water: float, flour: float) -> float:
    \"\"\"The share of water, in percent of the flour.\"\"\"
    return 100 * water / flour


print(hydration(350, 500))  # 70.0
```

| dough | hydration | feels like |
|---|---:|---|
| bagel | 55 % | clay |
| country loaf | 75 % | a soft cushion |

> Wait until the dough has doubled, not until the clock says so.

## Exercise

1. Mix 500 g of flour with 350 g of water.
2. Wait for half an hour.
3. Fold it four times, and look whether it holds its shape.

## Solution

After the fourth fold it holds its shape: the gluten has had the time that it needs to build a net, and the net keeps the gas.
""",
    "zh-Hans": """## 原理

面筋是一张由蛋白质组成的网。**揉面**能形成面筋，时间同样可以；盐会让它更紧实。更多内容见[面筋的化学](https://example.org/gluten)。

```python
def hydration(water: float, flour: float) -> float:
    return 100 * water / flour  # 含水量（百分比）
```

| 面团 | 含水量 | 手感 |
|---|---:|---|
| 贝果 | 55 % | 像黏土 |
| 乡村面包 | 75 % | 像柔软的垫子 |

> 等到面团发到两倍大，而不是等到时间到。

## 练习

1. 把 500 克面粉和 350 克水混合。
2. 静置半小时。
3. 折叠四次，看看面团能不能立住。

## 解答

第四次折叠之后面团能够立住：面筋有了足够的时间形成一张网，把气体留在里面。
""",
}
WORDS = {
    "en": {
        "title": "Bake bread that people ask for",
        "stage": "Stage of",
        "about": "What it is, why it matters, and how to tell that it went well.",
        "outcome": "explain in your own words why it works",
        "why": "Short, with pictures, and by people who bake every day.",
        "prompt": "What makes a dough strong?",
        "right": ["Gluten"],
        "wrong": ["Luck", "A hot oven"],
        "prompts": "Which of these build gluten?",
        "rights": ["Kneading", "Time"],
        "explanation": "Gluten is the net that holds the gas; kneading and time build it.",
    },
    "zh-Hans": {
        "title": "烤出人人都想要的面包",
        "stage": "阶段：",
        "about": "它是什么，为什么重要，以及怎样判断做得好不好。",
        "outcome": "用自己的话解释它的原理",
        "why": "篇幅短，有图，由每天烤面包的人撰写。",
        "prompt": "是什么让面团有力？",
        "right": ["面筋"],
        "wrong": ["运气", "很热的烤箱"],
        "prompts": "下面哪些会形成面筋？",
        "rights": ["揉面", "时间"],
        "explanation": "面筋是留住气体的网；揉面和时间会形成它。",
    },
}


class Gate:
    """Open, closed, or letting some through: who came first, goes first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._left: float = float("inf")
        self._waiting: list[object] = []

    def set(self) -> None:
        self._left = float("inf")

    def clear(self) -> None:
        self._left = 0

    def let(self, count: int) -> None:
        """So many more, and then none."""
        with self._lock:
            self._left += count

    def passed(self, who: object) -> bool:
        with self._lock:
            if who not in self._waiting:
                self._waiting.append(who)
            if self._waiting.index(who) >= self._left:
                return False
            self._waiting.remove(who)
            self._left -= 1
            return True


@dataclass
class Teacher:
    """`stages` x `modules` x `concepts` is the size of every roadmap. `designs` and `writes` are open, closed to let what they
    are named after wait, or let some through; steps for a goal in `held` wait until it is taken out, whatever the gates say.
    A part whose kind and concept's title are in `refused` fails for good; the steps of a design have no concept: None.
    With `word`, all that has a title is called so, and a number.
    """

    stages: int = 2
    modules: int = 1
    concepts: int = 3
    language: str = "en"
    word: str = ""
    refused: set[tuple[str, str | None]] = field(default_factory=set)
    held: set[tuple[str, str]] = field(default_factory=set)  # a step and a goal
    designs: Gate = field(default_factory=Gate)
    writes: Gate = field(default_factory=Gate)
    url: str = ""

    def as_usual(self) -> None:
        """As it was at first, but for what is held."""
        self.stages, self.modules, self.concepts, self.language, self.word = 2, 1, 3, "en", ""
        self.refused.clear()
        self.designs.set()
        self.writes.set()

    def answer(self, handler: Handler) -> None:
        asked = handler.asked
        step = asked["response_format"]["json_schema"]["name"].removesuffix("Draft").lower()
        facts = json.loads(asked["messages"][1]["content"])
        gate = self.designs if step in ("analysis", "outline") else self.writes
        while (step, facts["request"]["goal"]) in self.held or not gate.passed(handler):
            if handler.server.released.wait(0.05):
                return
        if (step, facts.get("concept", {}).get("title")) in self.refused:
            handler.say(400, b'{"error": {"message": "The teacher does not want to."}}')
            return
        body = json.loads(completion(json.dumps(getattr(self, f"_{step}")(facts))))
        handler.say(200, json.dumps({**body, "usage": USAGE}).encode())

    def _analysis(self, facts: Any) -> Any:
        words = WORDS[self.language]
        return {
            "aim": words["title"],
            "known": [],
            "subjects": list(SUBJECTS[self.language][:3]),
            "assumptions": [],
        }

    def _outline(self, facts: Any) -> Any:
        words = WORDS[self.language]
        keys: list[str] = []
        stages = []
        for s in range(self.stages):
            modules = []
            for m in range(self.modules):
                made = [self._concept(s, m, c, keys) for c in range(self.concepts)]
                modules.append(
                    {
                        "key": f"m{s}-{m}",
                        "title": self._name(s + m),
                        "description": words["about"],
                        "concepts": made,
                    }
                )
            title = self._name(100 + s) if self.word else f"{words['stage']} {self._name(s)}"
            stages.append(
                {"key": f"s{s}", "title": title, "description": words["about"], "modules": modules}
            )
        return {"title": self.word or words["title"], "stages": stages}

    def _concept(self, stage: int, module: int, number: int, keys: list[str]) -> Any:
        words = WORDS[self.language]
        key, before = f"c{stage}-{module}-{number}", keys[-1:] + keys[-5:-4]
        at = len(keys)
        keys.append(key)
        title = LONG[self.language] if at == 4 and not self.word else f"{self._name(at)} {at + 1}"
        fields = {
            "key": key,
            "title": title,
            "description": words["about"],
            "hours": 2 + at % 4,
            "difficulty": 1 + at % 5,
        }
        return {**fields, "prerequisites": before, "outcomes": [words["outcome"], words["about"]]}

    def _name(self, number: int) -> str:
        return (
            f"{self.word}{number}"
            if self.word
            else SUBJECTS[self.language][number % len(SUBJECTS[self.language])]
        )

    def _tutorial(self, facts: Any) -> Any:
        wished = f"\n> {facts['instructions']}\n" if "instructions" in facts else ""
        return {"markdown": TUTORIAL[self.language] + wished}

    def _resources(self, facts: Any) -> Any:
        item = {
            "title": "The handbook of bread",
            "url": "https://example.org/bread",
            "type": "book",
            "level": "beginner",
            "language": self.language,
        }
        return {"items": [{**item, "why": WORDS[self.language]["why"]}]}

    def _quiz(self, facts: Any) -> Any:
        words = WORDS[self.language]
        one = {
            "prompt": words["prompt"],
            "right_options": words["right"],
            "wrong_options": words["wrong"],
        }
        more = {
            "prompt": words["prompts"],
            "right_options": words["rights"],
            "wrong_options": words["wrong"],
        }
        return {
            "questions": [{**each, "explanation": words["explanation"]} for each in (one, more)]
        }

    def environment(self) -> dict[str, str]:
        """Of the service that asks it."""
        return {
            "OPENAI_API_KEY": "sk-of-a-test",
            "OPENAI_BASE_URL": self.url,
            "OPENAI_MODEL": "teacher",
            "MODEL_PRICES": "teacher=0.25/2",
            "QUIZ_CHECK": "false",
        }


@contextmanager
def teaching(teacher: Teacher) -> Iterator[Teacher]:
    """It answers while the block runs."""
    with providing(teacher.answer) as server:
        teacher.url = server.url
        yield teacher
