"""Every page in every state, to be looked at.

Chinese pages show roadmaps in Chinese, where there is such a one.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Page, Response
from starlette.routing import Match

from testing.operating import make_dead_letters, promote
from testing.people import Person
from testing.stack import GOAL, Stack
from testing.waiting import wait_until
from tests.browser.conftest import School
from web.routes import ROUTES

WORD = "Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichenverleihungsurkundenamt"
assert len(WORD) == 80
GOALS = {
    "en": "Bake bread",
    "zh-Hans": "我想学会在一个普通家庭厨房里为八十位客人烤出外皮酥脆、内部柔软的乡村酸面包",
}
LONELY = "/roadmaps/00000000-0000-7000-8000-000000000000"
FILL = """([action, fields]) => {
  const form = document.querySelector(`form[action="${action}"], form[action^="${action}#"]`);
  form.noValidate = true;
  for (const [name, value] of Object.entries(fields)) form.elements[name].value = value;
  form.requestSubmit();
}"""


@dataclass(frozen=True)
class Exhibit:
    """A page, and who looks at it.

    With `form`, the one that comes when its form was sent with these fields.
    """

    path: str
    who: Person | None
    url: str
    form: tuple[str, Mapping[str, str]] | None = None

    @property
    def route(self) -> str:
        """By which it is served: exhibits of one route are states of one page."""
        asked = {"type": "http", "method": "GET", "path": self.path.partition("?")[0]}
        return next((route.path for route in ROUTES if route.matches(asked)[0] is Match.FULL), "")

    def open(self, page: Page) -> str:
        """Its HTML as it was sent."""
        answer: Response | None = page.goto(self.url + self.path)
        if self.form is not None:
            with page.expect_navigation() as sent:
                page.evaluate(FILL, self.form)
            answer = sent.value
        assert answer is not None
        return answer.text()


@dataclass
class Gallery:
    """`places` has the path of a roadmap in each state and language, and of concepts."""

    town: School
    home: School
    service: Stack
    owner: Person = field(init=False)
    newcomer: Person = field(init=False)
    overseer: Person = field(init=False)  # an administrator
    observer: Person = field(init=False)
    places: dict[tuple[str, str], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.owner, self.newcomer = (
            Person(self.town.stack).register(),
            Person(self.town.stack).register(),
        )
        self.overseer, self.observer = (
            Person(self.town.stack).register(),
            Person(self.town.stack).register(),
        )
        promote(self.town.stack, self.overseer.email, "admin")
        promote(self.town.stack, self.observer.email, "observer")
        make_dead_letters(self.town.stack, "draw_picture", WORD)
        teacher = self.town.teacher
        for language in ("en", "zh-Hans"):
            teacher.as_usual()
            teacher.language = language
            teacher.many_kinds = True
            goal = GOALS[language]
            self._make("ready", language, goal)
            self._learn(self.places["ready", language], language)
            self._share(self.places["ready", language], language)
            self._make_project(self.places["ready", language], language)
            self._change(self._make("changed", language, f"{goal}~", status="ready"), language)
            self._make("awaiting_review", language, f"{goal}!", review=True)
            teacher.questions = ((goal, (goal, WORD)), (f"{WORD}?", ("1", "2")))
            self._make("awaiting_answers", language, f"{goal},", clarify=True)
            teacher.questions = ()
            self._complete(self._make("completed", language, f"{goal};", status="ready"), language)
            thrown = self._make("thrown", language, f"{goal}.", status="ready")
            self._ask("DELETE", f"/api/v1{thrown}")
            teacher.held |= {("tutorial", f"{goal}?"), ("analysis", f"{goal}…")}
            self._make("building", language, f"{goal}?")
            self._make("planning", language, f"{goal}…")
        teacher.as_usual()
        teacher.refused |= {("quiz", "Sourdough 2"), ("tutorial", "Kneading 3")}
        self._make("partial", "en", GOALS["en"])
        self.places["lacking", "en"] = self._concepts("partial")[2]
        teacher.refused.add(("analysis", None))
        self._make("failed", "en", "Bake a stone")
        teacher.as_usual()
        teacher.word = WORD
        self._make("word", "en", WORD, status="ready", background=WORD)
        self.places["word-concept", "en"] = self._concepts("word")[1]
        teacher.as_usual()
        teacher.stages, teacher.modules, teacher.concepts = 5, 4, 10
        self._make("large", "en", "Bake everything", status="awaiting_review", review=True)
        teacher.as_usual()
        self.places["stopped", "en"] = self._make(
            "stopped", "en", "Bake less", status="awaiting_review", review=True
        )
        self._ask("POST", f"/api/v1{self.places['stopped', 'en']}/cancel")
        self.places["being-written", "en"] = self._concepts("building")[0]
        webhook = {"url": f"https://receiver.invalid/{'a' * 80}", "description": WORD}
        made = self._ask("POST", "/api/v1/webhooks", json=webhook)["id"]
        self.places["webhook", "en"] = f"/webhooks/{made}"
        self._ask("POST", f"/api/v1/webhooks/{made}/test")
        log = f"/api/v1/webhooks/{made}/deliveries"
        wait_until(
            lambda: self._ask("GET", log)["items"][0]["status"] == "failed",
            reason="a test event that no receiver accepted",
        )

    def _change(self, path: str, language: str) -> None:
        """Change something of every kind in a plan, and have a tutorial written twice."""
        tree = self._ask("GET", f"/api/v1{path}")
        first, second = (stage["modules"][0] for stage in tree["stages"])
        kept, gone, moved = first["concepts"]
        operations = [
            {
                "op": "rewrite",
                "what": "concept",
                "key": kept["key"],
                "title": WORD,
                "description": kept["title"],
                "hours": 9,
            },
            {"op": "remove", "what": "concept", "key": gone["key"]},
            {
                "op": "move",
                "what": "concept",
                "key": moved["key"],
                "to": second["key"],
                "position": 0,
            },
            {
                "op": "add_concept",
                "module": first["key"],
                "title": GOALS[language],
                "hours": 3,
                "difficulty": 2,
            },
        ]
        self._ask("POST", f"/api/v1{path}/edits", json={"operations": operations})
        self._wait(path)
        self.places["versions", language] = f"{path}/concepts/{kept['id']}/tutorial/versions"
        wish = {"instructions": f"{WORD} {GOALS[language]}"}
        self._ask("POST", f"/api/v1{path}/concepts/{kept['id']}/tutorial/regenerate", json=wish)
        self._wait(path)

    def _wait(self, path: str) -> None:
        wait_until(
            lambda: self._ask("GET", f"/api/v1{path}")["status"] == "ready",
            reason="it is rewritten",
        )

    def place(self, state: str, language: str) -> str:
        return self.places.get((state, language)) or self.places[state, "en"]

    def _make(self, state: str, language: str, goal: str, *, status: str = "", **more: Any) -> str:
        path: str = self._ask(
            "POST", "/api/v1/roadmaps", json={"goal": goal, "language": language, **more}
        )["links"]["self"]
        wanted = status or state
        wait_until(
            lambda: self._ask("GET", path)["status"] == wanted,
            reason=f"a roadmap that is {state}",
        )
        self.places[state, language] = path.removeprefix("/api/v1")
        return self.places[state, language]

    def _learn(self, path: str, language: str) -> None:
        """Some of it, with notes and a quiz that was answered half right."""
        concepts = self._concepts("ready", language)
        for concept, status in zip(concepts, ("done", "learning", "skipped"), strict=False):
            self._ask("PUT", f"/api/v1{concept}/progress", json={"progress": status})
        self._ask("PUT", f"/api/v1{concepts[1]}/notes", json={"notes": WORD})
        attempt = {"exercise_attempt": WORD}
        self._ask("PUT", f"/api/v1{concepts[0]}/exercise", json={**attempt, "checked": True})
        self._ask("PUT", f"/api/v1{concepts[1]}/exercise", json=attempt)
        quiz = self._ask("GET", f"/api/v1{concepts[1]}")["quiz"]
        answers = [[0], [0, 1], [], [], "Wheat", [2, 0, 1]]
        attempt = self._ask(
            "POST",
            f"/api/v1{concepts[1]}/quiz/attempts",
            json={"version": quiz["version"], "answers": answers},
        )
        self.places["concept", language] = concepts[1]
        self.places["result", language] = f"{concepts[1]}?attempt={attempt['id']}"
        roadmap_id = path.rpartition("/")[2]
        self.places["review", language] = f"/review?roadmap={roadmap_id}"
        due = self._ask("GET", f"/api/v1/reviews?roadmap_id={roadmap_id}")["items"]
        self.places["answer", language] = (
            f"/review?roadmap={roadmap_id}&done=1&card={due[0]['id']}&chosen=0"
        )
        self.places["check", language] = f"/review/{due[0]['id']}/check"

    def _complete(self, path: str, language: str) -> None:
        """All of it, and a link that shows so."""
        for concept in self._concepts("completed", language):
            self._ask("PUT", f"/api/v1{concept}/progress", json={"progress": "done"})
        link = {"purpose": "reading", "shows_completion": True}
        url = self._ask("POST", f"/api/v1{path}/links", json=link)["url"]
        self.places["shared-completion", language] = url.removeprefix(self.town.stack.url)
        self.places["ended-stage", language] = f"{path}/stages/1"
        first, second = (
            f"{path}/tests/{stage['id']}" for stage in self._ask("GET", f"/api/v1{path}")["stages"]
        )
        for each in (first, second):
            count = len(self._ask("POST", f"/api/v1{each}", json={})["questions"])
        self._ask("POST", f"/api/v1{first}", json={"answers": [[]] * count})
        self.places["test-result", language], self.places["test-open", language] = first, second
        self.places["test-later", language] = f"{path}/tests/{path.rpartition('/')[2]}"
        self.places["completed", language] = f"{path}/completion"

    def _make_project(self, path: str, language: str) -> None:
        """One that was judged by its learner, by the model and by a person, and that has a link."""
        stage = self._ask("GET", f"/api/v1{path}")["stages"][0]["id"]
        project = f"{path}/stages/{stage}/project"
        work = {
            "work": f"https://example.org/bread {WORD}",
            "marks": ["yes", "no", "partly", "yes"],
        }
        self._ask("PUT", f"/api/v1{project}", json=work)
        self._ask("POST", f"/api/v1{project}/judgement", json={})
        wait_until(
            lambda: self._ask("GET", f"/api/v1{project}")["judgements"][0]["status"] == "ready",
            reason="the model has judged it",
        )
        self.places["project", language] = project
        made = self._form(f"{project}/link", {})
        self.places["to be judged", language] = "/judge/" + re.findall('/judge/([^"]+)', made)[-1]

    def _form(self, path: str, fields: Mapping[str, str]) -> str:
        """The page that answers a form of the owner."""
        answer = self.town.stack.request("POST", path, headers=self.owner.headers, data=fields)
        assert answer.is_success, answer.text
        return answer.text

    def _share(self, path: str, language: str) -> None:
        """By a link to read along, one for a calendar, and one that was revoked."""
        for name, purpose in (
            ("shared", "reading"),
            ("calendar", "calendar"),
            ("revoked", "reading"),
        ):
            link = self._ask(
                "POST", f"/api/v1{path}/links", json={"purpose": purpose, "expires_in_days": 30}
            )
            self.places[name, language] = link["url"].removeprefix(self.town.stack.url)
            if name == "revoked":
                self.town.stack.request(
                    "DELETE", f"/api/v1{path}/links/{link['id']}", headers=self.owner.headers
                )
        concept = self._concepts("ready", language)[0].rpartition("/")[2]
        self.places["shared-concept", language] = (
            f"{self.places['shared', language]}/concepts/{concept}"
        )

    def _concepts(self, state: str, language: str = "en") -> list[str]:
        path = self.places[state, language]
        tree = self._ask("GET", f"/api/v1{path}")
        return [
            f"{path}/concepts/{concept['id']}"
            for stage in tree["stages"]
            for module in stage["modules"]
            for concept in module["concepts"]
        ]

    def project_of(self, state: str) -> str:
        path = self.places[state, "en"]
        stage = self._ask("GET", f"/api/v1{path}")["stages"][0]["id"]
        return f"{path}/stages/{stage}/project"

    def _ask(self, method: str, path: str, **options: Any) -> Any:
        answer = self.town.stack.request(method, path, headers=self.owner.headers, **options)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def built_in(self) -> str:
        """A roadmap of the catalogue, of the service that has no model."""
        if ("built-in", "en") not in self.places:
            path = self.service.create(GOAL)
            self.service.finished(path)
            self.places["built-in", "en"] = path.removeprefix("/api/v1")
        return self.places["built-in", "en"]

    def show(self, name: str, language: str) -> Exhibit:
        return EXHIBITS[name](self, language)

    def owned(self, path: str, **form: str) -> Exhibit:
        return Exhibit(
            path,
            self.owner,
            self.town.url,
            ("/roadmaps" if path == "/" else path, form) if form else None,
        )

    def overseen(self, path: str) -> Exhibit:
        return Exhibit(path, self.overseer, self.town.url)

    def strange(self, path: str, **form: str) -> Exhibit:
        return Exhibit(path, None, self.town.url, (path, form) if form else None)


def _state(name: str) -> Callable[[Gallery, str], Exhibit]:
    return lambda gallery, language: gallery.owned(gallery.place(name, language))


BAD_PASSWORDS = {"current_password": "wrong", "new_password": "password1234"}
EXHIBITS: dict[str, Callable[[Gallery, str], Exhibit]] = {
    "start": lambda g, _: g.owned("/"),
    "start of a newcomer": lambda g, _: Exhibit("/", g.newcomer, g.town.url),
    "start with a catalogue": lambda g, _: Exhibit("/", None, g.service.url),
    "ready-made roadmaps": lambda g, _: Exhibit("/catalogue", None, g.service.url),
    "ready-made roadmaps with a model": lambda g, _: g.owned("/catalogue"),
    "a ready-made roadmap": lambda g, _: Exhibit("/catalogue/devops", None, g.service.url),
    "a ready-made roadmap with a model": lambda g, _: g.owned("/catalogue/databases"),
    "start with errors": lambda g, _: g.owned(
        "/", goal="", hours_per_week="900", deadline="2001-01-01", background=WORD
    ),
    "roadmaps": lambda g, _: g.owned("/roadmaps"),
    "no roadmaps": lambda g, _: Exhibit("/roadmaps", g.newcomer, g.town.url),
    "bring in": lambda g, _: g.owned("/import"),
    "bring in with errors": lambda g, _: Exhibit("/import", g.owner, g.town.url, ("/import", {})),
    "own chat": lambda g, language: g.owned(f"/import?goal={GOALS[language]}&language={language}"),
    "own chat with errors": lambda g, _: Exhibit(
        p := "/import?goal=Bread&level=beginner&hours_per_week=8&language=",
        g.owner,
        g.town.url,
        (p, {"answer": WORD}),
    ),
    "start without a track": lambda g, language: Exhibit(
        "/",
        None,
        g.service.url,
        ("/roadmaps", {"goal": GOALS[language], "language": language}),
    ),
    "on paper": lambda g, language: g.owned(g.place("ready", language) + "/print"),
    "ready": _state("ready"),
    "planning": _state("planning"),
    "building": _state("building"),
    "awaiting answers": _state("awaiting_answers"),
    "awaiting review": _state("awaiting_review"),
    "awaiting review with errors": lambda g, _: Exhibit(
        p := g.place("awaiting_review", "en"),
        g.owner,
        g.town.url,
        (f"{p}/revise", {"feedback": ""}),
    ),
    "partial": _state("partial"),
    "failed": _state("failed"),
    "stopped": _state("stopped"),
    "placement": lambda g, language: g.owned(g.place("ready", language) + "/placement?seed=7"),
    "placement with nothing chosen": lambda g, language: Exhibit(
        p := g.place("ready", language) + "/placement?revision=1&seed=7&results=",
        g.owner,
        g.town.url,
        (p, {}),
    ),
    "placement that is over": lambda g, language: g.owned(
        g.place("ready", language) + "/placement?seed=7&results=5r&ends=true"
    ),
    "placement with long words": lambda g, _: g.owned(
        g.place("word", "en") + "/placement?seed=7&results=5r&ends=true"
    ),
    "placement with nothing to skip": lambda g, _: g.owned(
        g.place("ready", "en") + "/placement?seed=7&results=0w&ends=true"
    ),
    "placement in another plan": lambda g, _: g.owned(
        g.place("ready", "en") + "/placement?revision=9"
    ),
    "concept": _state("concept"),
    "concept with a result": _state("result"),
    "concept that is being written": _state("being-written"),
    "concept that lacks something": _state("lacking"),
    "project": _state("project"),
    "project that is not judged": lambda g, _: g.owned(g.project_of("word")),
    "project with errors": lambda g, language: Exhibit(
        p := g.place("project", language), g.owner, g.town.url, (p, {"work": WORD * 300})
    ),
    "project to be judged": lambda g, language: g.strange(g.place("to be judged", language)),
    "project to be judged with errors": lambda g, language: Exhibit(
        p := g.place("to be judged", language), None, g.town.url, (p, {})
    ),
    "links": lambda g, language: g.owned(g.place("ready", language) + "/sharing"),
    "link that was made": lambda g, language: Exhibit(
        p := g.place("ready", language) + "/sharing",
        g.owner,
        g.town.url,
        (p, {"purpose": "calendar"}),
    ),
    "stage": lambda g, language: g.owned(g.place("ready", language) + "/stages/1"),
    "stage that is over": _state("ended-stage"),
    "mixed test": _state("test-open"),
    "mixed test with a result": _state("test-result"),
    "mixed test that comes later": _state("test-later"),
    "completion": lambda g, language: g.owned(g.place("ready", language) + "/completion"),
    "completion of all": _state("completed"),
    "shared completion": lambda g, language: g.strange(g.place("shared-completion", language)),
    "shared": lambda g, language: g.strange(g.place("shared", language)),
    "shared concept": lambda g, language: g.strange(g.place("shared-concept", language)),
    "link that was revoked": lambda g, _: g.strange(g.place("revoked", "en")),
    "login": lambda g, _: g.strange("/login"),
    "login with errors": lambda g, _: g.strange(
        "/login", email="somebody@example.org", password="wrong"
    ),
    "register": lambda g, _: g.strange("/register"),
    "register with errors": lambda g, _: g.strange("/register", email="somebody", password="short"),
    "account": lambda g, _: g.owned("/account?saved=profile"),
    "account with errors": lambda g, _: Exhibit(
        "/account", g.owner, g.town.url, ("/account/password", BAD_PASSWORDS)
    ),
    "account whose address does not fit": lambda g, _: Exhibit(
        "/account", g.owner, g.town.url, ("/account/email", {"email": "unknown"})
    ),
    "account whose time zone does not exist": lambda g, _: Exhibit(
        "/account", g.owner, g.town.url, ("/account/learning", {"time_zone": "Nowhere/Land"})
    ),
    "settings": lambda g, _: Exhibit("/account", None, g.home.url),
    "plans": lambda g, language: g.owned(g.place("changed", language) + "/revisions"),
    "a plan compared": lambda g, language: g.owned(g.place("changed", language) + "/revisions/2"),
    "the first plan": lambda g, _: g.owned(g.place("word", "en") + "/revisions/1"),
    "a plan to be changed": lambda g, language: g.owned(
        g.place("changed", language) + "/edit?did=save"
    ),
    "a plan to be changed with errors": lambda g, _: Exhibit(
        p := g.place("changed", "en") + "/edit",
        g.owner,
        g.town.url,
        (p, {"title": "", "description": WORD}),
    ),
    "a plan that cannot be changed": lambda g, _: g.owned(g.place("planning", "en") + "/edit"),
    "200 concepts to be changed": lambda g, _: g.owned(g.place("large", "en") + "/edit"),
    "a built-in plan to be changed": lambda g, _: Exhibit(
        g.built_in() + "/edit", None, g.service.url
    ),
    "versions": lambda g, _: g.owned(g.place("versions", "en") + "?number=1"),
    "versions compared": lambda g, language: g.owned(
        g.place("versions", language) + "?number=3&before=2"
    ),
    "concept with a wish that does not fit": lambda g, _: Exhibit(
        p := g.place("versions", "en").removesuffix("/tutorial/versions"),
        g.owner,
        g.town.url,
        (f"{p}/tutorial/regenerate", {"instructions": WORD * 30}),
    ),
    "trash": lambda g, _: g.owned("/trash?did=trashed"),
    "trash with nothing in it": lambda g, _: Exhibit("/trash", g.newcomer, g.town.url),
    "a roadmap of somebody in the trash": lambda g, language: g.overseen(
        "/admin" + g.place("thrown", language)
    ),
    "webhooks": lambda g, _: g.owned("/webhooks"),
    "webhooks with errors": lambda g, _: Exhibit(
        "/webhooks", g.owner, g.town.url, ("/webhooks", {"url": "ftp://example.org"})
    ),
    "webhook": _state("webhook"),
    "webhook with its secret": lambda g, _: Exhibit(
        p := g.place("webhook", "en"), g.owner, g.town.url, (f"{p}/secret", {})
    ),
    "operations": lambda g, _: g.overseen("/admin?did=queue.resume&queue=content"),
    "operations of a new service": lambda g, _: Exhibit("/admin?live=off", None, g.service.url),
    "operations of an observer": lambda g, _: Exhibit("/admin?span=day", g.observer, g.town.url),
    "queue": lambda g, _: g.overseen("/admin/queues/content"),
    "queue with nothing in it": lambda g, _: Exhibit(
        "/admin/queues/content?state=dead", None, g.service.url
    ),
    "queue of an observer": lambda g, _: Exhibit(
        "/admin/queues/content?state=dead", g.observer, g.town.url
    ),
    "dead letters": lambda g, _: g.overseen("/admin/queues/content?state=dead&arguments=yes"),
    "dead letters with an error": lambda g, _: g.overseen(
        f"/admin/queues/content?state=dead&search={'x' * 201}"
    ),
    "before an act": lambda g, _: g.overseen("/admin/queues/logs/pause?back=overview"),
    "before many are deleted": lambda g, _: g.overseen(
        "/admin/queues/content/dead/delete?state=dead&search=draw"
    ),
    "an act that cannot be done": lambda g, _: Exhibit(
        p := "/admin/queues/content/messages/gone/retry", g.overseer, g.town.url, (p, {})
    ),
    "audit log": lambda g, _: g.overseen("/admin/audit"),
    "docs": lambda g, _: g.strange("/docs"),
    "docs about roadmaps": lambda g, _: g.strange("/docs/roadmaps"),
    "docs about decisions": lambda g, _: g.owned("/docs/decisions"),
    "docs about keys": lambda g, _: g.strange("/docs/keys"),
    "docs about problems": lambda g, _: g.strange("/problems"),
    "docs about a problem": lambda g, _: g.strange("/problems/invalid"),
    "how it was made": lambda g, language: g.owned(g.place("ready", language) + "/trace"),
    "how something with long words was made": lambda g, _: g.owned(
        g.place("word", "en") + "/trace?after=1"
    ),
    "roadmaps of everybody": lambda g, _: g.overseen("/admin/roadmaps"),
    "roadmaps of everybody that are not there": lambda g, _: g.overseen(
        "/admin/roadmaps?text=xylophone&status=failed,partial"
    ),
    "roadmaps of everybody with errors": lambda g, _: g.overseen(
        f"/admin/roadmaps?status=lost&since=2026&text={WORD * 3}"
    ),
    "roadmaps of somebody to be transferred": lambda g, _: Exhibit(
        f"/admin/roadmaps?owner={g.owner.email}",
        g.overseer,
        g.town.url,
        ("/admin/transfers", {"owner": g.owner.email, "new_owner": "unknown"}),
    ),
    "a roadmap of somebody": lambda g, language: g.overseen(
        "/admin" + g.place("partial", language)
    ),
    "a roadmap of somebody that is being made": lambda g, language: g.overseen(
        "/admin" + g.place("building", language)
    ),
    "a roadmap of somebody that failed": lambda g, _: g.overseen(
        "/admin" + g.place("failed", "en")
    ),
    "log": lambda g, _: g.overseen("/admin/logs?last=30d"),
    "log with errors": lambda g, _: Exhibit(
        f"/admin/logs?since=x&text={'x' * 501}", None, g.home.url
    ),
    "log without a record": lambda g, _: Exhibit("/admin/logs?text=nowhere", None, g.home.url),
    "not found": lambda g, _: g.owned(LONELY),
    "pace with errors": lambda g, _: Exhibit(
        p := g.place("ready", "en"),
        g.owner,
        g.town.url,
        (f"{p}/schedule", {"hours_per_week": "900", "deadline": "2001-01-01"}),
    ),
    "review": _state("review"),
    "review with an answer": _state("answer"),
    "review with nothing chosen": lambda g, language: Exhibit(
        g.place("answer", language).removesuffix("&chosen=0"),
        g.owner,
        g.town.url,
        (g.place("check", language), {"done": "1"}),
    ),
    "review of a newcomer": lambda g, _: Exhibit("/review", g.newcomer, g.town.url),
    "review limits with errors": lambda g, _: Exhibit(
        "/review", None, g.home.url, ("/review/limits", {"reviews": "60", "new": "900"})
    ),
    "review that is over": lambda g, _: Exhibit("/review?done=3", None, g.home.url),
    "long words": _state("word"),
    "concept with long words": _state("word-concept"),
    "200 concepts": _state("large"),
}
ALSO_CHINESE = (
    *("operations", "dead letters", "before an act", "audit log"),
    *(
        "start",
        "start with errors",
        "roadmaps",
        "start without a track",
        "building",
        "awaiting answers",
        "awaiting review",
        "ready",
        "project",
        "project to be judged",
        "partial",
        "concept with a result",
    ),
    *("bring in with errors", "own chat", "own chat with errors", "on paper"),
    *(
        "login",
        "register",
        "account",
        "webhooks",
        "webhook",
        "docs",
        "docs about roadmaps",
        "docs about a problem",
        "not found",
    ),
    *("placement", "placement with nothing chosen", "placement that is over"),
    *("plans", "a plan compared", "a plan to be changed", "versions compared", "trash"),
    *(
        "pace with errors",
        "review",
        "review with an answer",
        "review with nothing chosen",
        "review of a newcomer",
    ),
    *("how it was made", "roadmaps of everybody", "a roadmap of somebody that is being made"),
    *("log", "log with errors"),
    *("links", "link that was made", "shared", "shared concept"),
)
