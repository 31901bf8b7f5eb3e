"""A model's server that designs a roadmap of a given size and writes its parts when it is let.

It speaks the protocol of the real one; what it says has code, tables, long titles and Chinese, so
that pages have something to show.
"""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from testing.provider import Handler, completion, providing
from testing.waiting import LONGEST

PATIENT = {  # settings of a service whose teacher takes its time when a test wants it
    "MODEL_TIMEOUT_SECONDS": "300",
    "LEASE_SECONDS": "600",
    "MODEL_CONCURRENCY": "16",
    "SHUTDOWN_GRACE_SECONDS": "1",
}
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
    "zh-Hans": "如何在一个普通家庭厨房里同时为八十位客人烘烤出外皮酥脆"
    "内部柔软且风味浓郁的乡村酸面包并准时上桌",
}
TUTORIAL = {
    "en": """## Why it works

Gluten is a net of proteins. **Kneading** builds it, time builds it too, and salt makes it tighter;
`strength` is what the baker feels as resistance. See [the chemistry](https://example.org/gluten)
for more.

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

## How the net grows

Flour alone has no net. Its proteins lie folded beside each other, and only water lets them move. In
the first minutes they find each other by chance, and what comes of it tears as soon as it is
pulled. Then they begin to hold on to their neighbours, in long strands that lie in all directions.
Every fold turns the strands the same way and lays one sheet on the other, and so the dough that was
torn at first can be pulled until light shines through it.

The same happens without any hands, only more slowly. A wet dough that rests overnight is as strong
in the morning as one that was worked for a quarter of an hour, because the strands slide past each
other all the time and catch where they fit. This is why a baker who has time saves work, and why a
baker in a hurry gets tired arms.

Salt comes last. It pulls the strands together, and a dough that was soft becomes firm within a few
turns. Put in at the beginning it slows everything down, since the strands find each other less
often when they are held so tightly.

## What goes wrong

A dough that sticks to everything is not too wet: most of the time it is too young. Wait for ten
minutes before you add flour, and look again. A dough that tears when it is shaped is too tight: let
it rest under a cloth until it gives way. A loaf that runs flat has a net that was worked for too
long, or that has waited for too long, and lets the gas go. Nothing brings it back; bake it in a
tin, and take it out earlier the next time.

How to notice it in time: press a finger into the dough. If the dent comes back at once, the net is
young. If it comes back slowly and not entirely, the net is ready. If it stays, the net is too old,
and the oven should be hot already.

## Exercise

1. Mix 500 g of flour with 350 g of water.
2. Wait for half an hour.
3. Fold it four times, look whether it holds its shape, and explain in your own words why it works.

## Solution

After the fourth fold it holds its shape: the gluten has had the time that it needs to build a net,
and the net keeps the gas.
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

## 网是怎样形成的

面粉本身没有网。它的蛋白质折叠着，彼此挨在一起，有了水才能活动。最初几分钟，它们只是偶然相遇，形成的东西一拉就断。
后来它们开始抓住邻近的蛋白质，连成长长的细丝，朝着各个方向。每折叠一次，细丝就被理向同一个方向，一层叠在另一层上，
于是起初一拉就断的面团，最后可以拉到透光而不破。

不动手也会发生同样的事，只是慢一些。一块湿面团静置一夜，第二天早上和揉了一刻钟的面团一样有力，因为细丝一直在互相滑动，
合适的地方就连在一起。所以有时间的面包师省力气，赶时间的面包师手臂酸。

盐要最后放。它把细丝拉紧，本来很软的面团转几圈就变得结实。如果一开始就放盐，一切都会变慢，因为细丝被拉得太紧，
彼此相遇的机会就少了。水的多少也一样重要：水多的面团，细丝容易活动，网长得快，但是也容易塌；水少的面团，网长得慢，
揉起来费力，烤出来的面包心却紧密。初学的人先用百分之七十的水，熟练之后再慢慢增加。

## 常见的问题

面团到处粘手，不一定是水太多，多半是时间还不够。先等十分钟，不要急着加面粉，然后再看一次。整形时面团裂开，是因为太紧：
盖上一块布，让它松弛，直到它不再抵抗。面包摊成一片，是因为网揉得太久，或者等得太久，留不住气体。这时已经无法补救，
放进模具里烤，下一次早一点取出来就好。

怎样及时发现呢？用手指按一下面团。凹痕马上弹回来，说明网还嫩；凹痕慢慢回来，但是没有完全消失，说明正好；凹痕留在那里不动，
说明网已经老了，这时烤箱应该早就热好了。另外，看一看面团的表面：光滑而有小气泡，说明里面的网正在把气体留住；
表面粗糙、有裂口，说明还要再折叠一次。闻一闻也有帮助：刚混合的面团闻起来像湿面粉，发好的面团有一点酸味和酒味，
发过头的面团酸味很重。把这三个办法合在一起用，比看时钟可靠得多，因为每个厨房的温度不同，每袋面粉的吸水量也不同。

## 练习

1. 把 500 克面粉和 350 克水混合。
2. 静置半小时。
3. 折叠四次，看看面团能不能立住，并用自己的话解释它的原理。

## 解答

第四次折叠之后面团能够立住：面筋有了足够的时间形成一张网，把气体留在里面。
""",
}
WORDS: dict[str, Any] = {
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
        "others": {
            "What makes the net tighter?": (["Salt"], ["Sugar", "Butter"]),
            "What does the net keep?": (["The gas"], ["The light", "The sound"]),
        },
        "kinds": (
            {"kind": "typed", "prompt": "Which grain is `Secale cereale`?", "accepted": ["Rye"]},
            {
                "kind": "order",
                "prompt": "In which order is a loaf made?",
                "lines": ["Mix `flour` and water", "Fold the dough", "Bake"],
            },
        ),
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
        "others": {
            "什么会让网更紧实？": (["盐"], ["糖", "黄油"]),
            "网留住了什么？": (["气体"], ["光", "声音"]),
        },
        "kinds": (
            {"kind": "typed", "prompt": "`Secale cereale` 是哪一种谷物？", "accepted": ["黑麦"]},
            {
                "kind": "order",
                "prompt": "做一个面包的顺序是什么？",
                "lines": ["混合 `面粉` 与水", "折叠面团", "烘烤"],
            },
        ),
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
        with self._lock:
            self._left = float("inf")

    def clear(self) -> None:
        with self._lock:
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
    """A teacher whose roadmaps have `stages` x `modules` x `concepts`.

    `designs` and `writes` are open, closed to let what they are named after wait, or let some
    through; steps for a goal in `held` wait until it is taken out, whatever the gates say. A part
    whose kind and concept's title are in `refused` fails for good; the steps of a design have no
    concept: None. With `word`, all that has a title is called so, and a number.
    """

    stages: int = 2
    modules: int = 1
    concepts: int = 3
    language: str = "en"
    word: str = ""
    questions: tuple[tuple[str, tuple[str, ...]], ...] = ()  # before a plan
    answers: list[Any] = field(default_factory=list)  # to them, as it was asked
    more: str = ""  # Markdown before the exercise of its English tutorials
    many_kinds: bool = False  # its quizzes end with a typed answer and with lines to order
    grows: bool = False  # its tutorials stream, a paragraph whenever `paragraphs` lets one
    refused: set[tuple[str, str | None]] = field(default_factory=set)
    held: set[tuple[str, str]] = field(default_factory=set)  # a step and a goal
    designs: Gate = field(default_factory=Gate)
    writes: Gate = field(default_factory=Gate)
    paragraphs: Gate = field(default_factory=Gate)
    url: str = ""

    def as_usual(self) -> None:
        """As it was at first, but for what is held."""
        self.stages, self.modules, self.concepts, self.language, self.word = 2, 1, 3, "en", ""
        self.questions, self.many_kinds, self.grows = (), False, False
        self.refused.clear()
        self.answers.clear()
        self.designs.set()
        self.writes.set()
        self.paragraphs.set()

    def answer(self, handler: Handler) -> None:
        asked = handler.asked
        step = asked["response_format"]["json_schema"]["name"].removesuffix("Draft").lower()
        facts = json.loads(asked["messages"][1]["content"])
        gate = self.designs if step in ("analysis", "outline") else self.writes
        goal = facts.get("request", {}).get("goal", "")
        while (step, goal) in self.held or not gate.passed(handler):
            if handler.server.released.wait(LONGEST):
                return
        if (step, facts.get("concept", {}).get("title")) in self.refused:
            handler.say(400, b'{"error": {"message": "The teacher does not want to."}}')
            return
        answer = json.dumps(getattr(self, f"_{step}")(facts))
        if step == "tutorial" and self.grows:
            self._stream(handler, answer)
            return
        body = json.loads(completion(answer))
        handler.say(200, json.dumps({**body, "usage": USAGE}).encode())

    def _stream(self, handler: Handler, answer: str) -> None:
        handler.send_response(200)
        handler.send_header("content-type", "text/event-stream")
        handler.end_headers()
        paragraphs = re.split(r"(?<=\\n\\n)", answer)  # of JSON: as it writes the ends of lines
        for paragraph in paragraphs:
            while not self.paragraphs.passed(handler):
                if handler.server.released.wait(LONGEST):
                    return
                handler.wfile.write(b": thinking\n\n")
            choice = {
                "index": 0,
                "delta": {"content": paragraph},
                "finish_reason": "stop" if paragraph is paragraphs[-1] else None,
            }
            handler.wfile.write(b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n")

    def _verdicts(self, facts: Any) -> Any:
        words = WORDS[self.language]
        return {
            "verdicts": [{"mark": "partly", "comment": words["about"]} for _ in facts["criteria"]]
        }

    def _capstone(self, stage: int) -> Any:
        words = WORDS[self.language]
        return {
            "title": self._name(200 + stage) if self.word else f"{words['title']} {stage + 1}",
            "brief": f"{words['about']}\n\n- `flour`\n- {words['about']}",
            "criteria": [f"{words['about']} {number}" for number in range(1, 5)],
            "hints": [f"{words['about']} `{number}`" for number in range(1, 3)],
        }

    def _analysis(self, facts: Any) -> Any:
        words = WORDS[self.language]
        self.answers += facts.get("answers", [])
        return {
            "aim": words["title"],
            "known": [],
            "subjects": list(SUBJECTS[self.language][:3]),
            "assumptions": [],
            "questions": [
                {"question": question, "suggestions": suggestions}
                for question, suggestions in self.questions
            ],
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
                {
                    "key": f"s{s}",
                    "title": title,
                    "description": words["about"],
                    "modules": modules,
                    "capstone": self._capstone(s),
                }
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
        text = TUTORIAL[self.language].replace("\n## Exercise", f"{self.more}\n## Exercise")
        return {"markdown": text + wished}

    def _resources(self, facts: Any) -> Any:
        item = {
            "type": "book",
            "level": "beginner",
            "language": self.language,
            "why": WORDS[self.language]["why"],
        }
        books = {"The handbook of bread": "bread", "Flour": "flour", "Wild yeast": "yeast"}
        return {
            "items": [
                {**item, "title": title, "url": f"https://example.org/{path}"}
                for title, path in books.items()
            ]
        }

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
        others = [
            {"prompt": prompt, "right_options": right, "wrong_options": wrong}
            for prompt, (right, wrong) in words["others"].items()
        ]
        asked = (one, more, *others, *(words["kinds"] if self.many_kinds else ()))
        return {"questions": [{**each, "explanation": words["explanation"]} for each in asked]}

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
