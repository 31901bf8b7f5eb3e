"""Project of a stage: its page, and the page of a person who judges it by a link."""

from typing import Any

from starlette.responses import Response

from core.errors import Invalid
from roadmap.generation.generator import has_model
from roadmap.learning import projects
from roadmap.lifecycle.reading import queries
from roadmap.plan.outline import MOST_CRITERIA
from roadmap.plan.statuses import OPEN
from tasks.dispatcher import send_after_commit
from web.http.host_and_csrf import own_address
from web.http.responses import UNLISTED
from web.pages.error_messages import form_page
from web.pages.forms import Form, filled, see_other
from web.pages.lazy import tutorial_html
from web.pages.page_route import PAGE, PageCall, PageRoute
from web.pages.templates import page, texts_of

PROJECT_PAGE = PAGE + "/stages/{stage_id}/project"


def project_page(call: PageCall, *, error: Invalid | None = None, token: str = "") -> Response:
    """Return the page; an error is about the work or the marks that come with it."""
    project = projects.read_project(*call.stage)
    own = next((each.marks for each in project.judgements if each.judge == "self"), [])
    return form_page(
        call.request,
        "project.html",
        error,
        holds_secret=bool(token),
        **_shown(call, project),
        roadmap=queries.summary(call.owner, call.ids["roadmap_id"]),
        work=call.body.text("work") if error else project.work,
        chosen=_texts(call.body, "m") if error else dict(enumerate(own)),
        open=OPEN,
        follows_words=has_model(),
        url=f"{own_address(call.request)}/judge/{token}" if token else "",
    )


def save(call: PageCall) -> Response:
    """Save the work, and the learner's judgement if the form is sent by its button."""
    marks = [*_texts(call.body, "m").values()] if call.body.text("act") == "judge" else None
    values = {"work": call.body.text("work").replace("\r\n", "\n"), "marks": marks}
    try:
        projects.save_project(*call.stage, filled(projects.ProjectRequest, values))
    except Invalid as error:
        return project_page(call, error=error)
    return _back(call)


def order_judgement(call: PageCall) -> Response:
    _, jobs = projects.order_judgement(*call.stage, has_model=has_model())
    send_after_commit(jobs)
    return _back(call)


def create_link(call: PageCall) -> Response:
    return project_page(call, token=projects.create_link(*call.stage))


def revoke_link(call: PageCall) -> Response:
    projects.revoke_link(*call.stage)
    return _back(call)


def judge_page(call: PageCall, *, error: Invalid | None = None) -> Response:
    project = projects.open_link(call.ids["token"])
    return form_page(
        call.request,
        "judge.html",
        error,
        headers=UNLISTED,
        **_shown(call, project),
        token=call.ids["token"],
        chosen=_texts(call.body, "m"),
        comments=_texts(call.body, "c"),
    )


def judge(call: PageCall) -> Response:
    """Save the one judgement of the link, which ends with it."""
    values = {name: [*_texts(call.body, name[0]).values()] for name in ("marks", "comments")}
    try:
        projects.judge_by_link(call.ids["token"], filled(projects.JudgementRequest, values))
    except Invalid as error:
        return judge_page(call, error=error)
    return page(call.request, "judge.html", headers=UNLISTED, project=None)


def _shown(call: PageCall, project: projects.Project) -> dict[str, Any]:
    return {"project": project, "prose": tutorial_html(project.brief, texts_of(call.request))}


def _texts(form: Form, prefix: str) -> dict[int, str]:
    """Return the fields of the criteria by their numbers."""
    names = {number: f"{prefix}{number}" for number in range(MOST_CRITERIA)}
    return {
        number: form.text(name).replace("\r\n", "\n")
        for number, name in names.items()
        if name in form
    }


def _back(call: PageCall) -> Response:
    page_ = f"/roadmaps/{call.ids['roadmap_id']}/stages/{call.ids['stage_id']}/project"
    return see_other(f"{page_}#judgements")


PAGES = (
    PageRoute("GET", PROJECT_PAGE, project_page),
    PageRoute("POST", PROJECT_PAGE, save),
    PageRoute("POST", PROJECT_PAGE + "/judgement", order_judgement),
    PageRoute("POST", PROJECT_PAGE + "/link", create_link, has_secret=True),
    PageRoute("POST", PROJECT_PAGE + "/link/revoke", revoke_link),
    PageRoute("GET", "/judge/{token}", judge_page, public=True),
    PageRoute("POST", "/judge/{token}", judge, public=True),
)
