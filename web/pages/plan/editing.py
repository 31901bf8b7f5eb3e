"""A plan to edit by hand: its outline with a form at each node; and a concept to write by hand.

A form is an edit of the plan that was shown.
"""

import re
import secrets
from collections.abc import Sequence
from gettext import NullTranslations
from typing import Any

from starlette.responses import Response

from core.errors import Conflict, Invalid
from core.i18n import gettext_noop
from roadmap.exchange.formats.json_ import portable
from roadmap.exchange.import_validation import OwnContents
from roadmap.generation.generator import has_model
from roadmap.lifecycle import commands, revisions
from roadmap.lifecycle.reading import queries
from roadmap.plan.edits import EditRequest
from roadmap.plan.validation import quoted
from roadmap.plan.views import RoadmapTree, concepts_of
from web.http.problems import status_of
from web.pages import error_messages
from web.pages.forms import Form, OpenedQuery, filled, see_other
from web.pages.page_route import LESSON, PAGE, PageCall, PageRoute
from web.pages.templates import page, texts_of
from web.roadmaps.roadmap_commands import apply_command

RULES = {  # by the last part of a field's name
    "title": gettext_noop("Use 1 to 200 characters, without control characters."),
    "description": gettext_noop("Use at most 2,000 characters, without control characters."),
    "hours": gettext_noop("Enter a whole number from 1 to 200."),
    "difficulty": gettext_noop("Enter a whole number from 1 to 5."),
}
SAME = gettext_noop("There are no changes.")
UNSOUND = gettext_noop("That would break the order of the plan, so nothing was changed.")
OVERTAKEN = gettext_noop(
    "The plan has changed in the meantime. This is the current plan; your input is kept."
)
SUCCESS_MESSAGES = {
    "save": gettext_noop("Saved."),
    "up": gettext_noop("Moved."),
    "down": gettext_noop("Moved."),
    "remove": gettext_noop("Removed."),
    "add": gettext_noop("Added."),
    "undo": gettext_noop("Undone."),
}
Fields = dict[str, str]  # names of a form's fields by those of an operation
ID = re.compile(r"[0-9a-f-]{1,36}")
OPERATION_FIELD = re.compile(r"/operations/([0-9]+)/([^/]+)")
NEW = {  # nodes to add inside of a node, from the outermost one to the concept
    "roadmap": ("stage", "module", "concept"),
    "stage": ("module", "concept"),
    "module": ("concept",),
}


def edit_page(
    call: PageCall[OpenedQuery],
    error: Conflict | Invalid | None = None,
    names: Sequence[Fields] = (),
) -> Response:
    """Return the page; after an error, `names` are the fields of the form's operations."""
    tree = queries.roadmap_tree(call.owner, call.ids["roadmap_id"])
    words, did = texts_of(call.request), call.query.did
    return page(
        call.request,
        "edit.html",
        status=status_of(error) if error else 200,
        tree=tree,
        refused=_refused(words, call.body, error, names, tree) if error else None,
        message=words.gettext(SUCCESS_MESSAGES[did])
        if did in SUCCESS_MESSAGES and error is None
        else "",
        earlier=revisions.plan_before(call.owner, tree.id, tree.revision),
        may_edit=tree.status in commands.EDITABLE and bool(tree.stages),
        follows_words=has_model(),
    )


def edit(call: PageCall[OpenedQuery]) -> Response:
    """Apply a form, and go back to its node; after an error, the form keeps its values."""
    form = call.body
    roadmap_id = call.ids["roadmap_id"]
    operations, names = _operations(queries.roadmap_tree(call.owner, roadmap_id), form)
    try:
        request = filled(EditRequest, {"operations": operations, **form.given("base")})
        made = commands.edit(call.owner, roadmap_id, request.operations, request.base)
        apply_command(roadmap_id, made)
    except (Conflict, Invalid) as error:
        return edit_page(call, error, names)
    did = form.text("do") if form.text("do") in SUCCESS_MESSAGES else "save"
    stays = did not in ("remove", "add") and ID.fullmatch(form.text("id"))
    place = f"#{form.text('what')}-{form.text('id')}" if stays else ""
    return see_other(f"/roadmaps/{roadmap_id}/edit?did={did}{place}")


def _operations(tree: RoadmapTree, form: Form) -> tuple[list[dict[str, Any]], list[Fields]]:
    """Return the operations of a form, and the form's field for each of their fields."""
    do, what, key = form.text("do"), form.text("what"), form.text("key")
    node = {"what": what, "key": key}
    if do == "remove":
        return [{"op": "remove", **node}], [{}]
    if do in ("up", "down"):
        by = -1 if do == "up" else 1
        return [{"op": "move", **node, **_place(tree, what, key, by)}], [{}]
    operations: list[dict[str, Any]] = []
    names: list[Fields] = []
    concept = ("title", "description", "hours", "difficulty")
    if do == "add":  # a concept, with the module and the stage around it if these are new
        for new in NEW.get(what, ()):
            inside = {} if new == "stage" else {"stage" if new == "module" else "module": key}
            key = f"{new}-{secrets.token_hex(4)}"
            fields = concept if new == "concept" else ("title",)
            names.append({name: f"{new}_{name}" for name in fields})
            operations.append({"op": f"add_{new}", "key": key, **inside})
    else:
        names.append({name: name for name in (concept if what == "concept" else concept[:2])})
        operations.append({"op": "rewrite", **node, "regenerate": bool(form.text("regenerate"))})
    for operation, fields_of in zip(operations, names, strict=True):
        for name, field in fields_of.items():
            operation[name] = form.text(field).replace("\r\n", "\n")
    return operations, names


def _place(tree: RoadmapTree, what: str, key: str, by: int) -> dict[str, Any]:
    """Return the place one step up or down; at the edge of a module or stage, in the next one."""
    places: dict[str, list[tuple[str | None, list[str]]]] = {
        "stage": [(None, [stage.key for stage in tree.stages])],
        "module": [(stage.key, [module.key for module in stage.modules]) for stage in tree.stages],
        "concept": [
            (module.key, [each.key for each in module.concepts])
            for stage in tree.stages
            for module in stage.modules
        ],
    }
    parents = places.get(what, [])
    for at, (_, siblings) in enumerate(parents):
        if key in siblings:
            position = siblings.index(key) + by
            if 0 <= position < len(siblings):
                return {"position": position}
            if 0 <= at + by < len(parents):
                to, others = parents[at + by]
                return {"to": to, "position": len(others) if by < 0 else 0}
            return {"position": position - by}
    return {"position": 0}  # it is not there, which the operation finds out


def _refused(
    words: NullTranslations,
    form: Form,
    error: Conflict | Invalid,
    names: Sequence[Fields],
    tree: RoadmapTree,
) -> dict[str, Any]:
    """Return a form with errors: its errors, its values, and its place unless it has none."""
    errors: dict[str, str] = {}
    reasons: list[str] = []
    for field in error.fields:
        found = OPERATION_FIELD.search(field.pointer)
        name = names[int(found[1])].get(found[2], "") if found else ""  # of a field of the form
        rule = RULES.get(name.rpartition("_")[2])
        if rule is not None:
            errors[name] = words.gettext(rule)
        elif field.detail != commands.NOTHING:
            reasons.append(field.detail)
    problem = error_messages.sentence(words, error)
    if isinstance(error, Conflict):
        if tree.status in commands.EDITABLE:
            problem = words.gettext(OVERTAKEN)
    elif any(field.detail == commands.NOTHING for field in error.fields):
        problem = words.gettext(SAME)
    elif reasons:
        problem = words.gettext(UNSOUND)
    modules = [module for stage in tree.stages for module in stage.modules]
    places = {
        ("roadmap", ""),
        *(("stage", stage.key) for stage in tree.stages),
        *(("module", module.key) for module in modules),
        *(("concept", concept.key) for concept in concepts_of(tree)),
    }
    do, place = form.text("do"), (form.text("what"), form.text("key"))
    nodes: list[Any] = [*tree.stages, *modules, *concepts_of(tree)]
    return {
        "place": place if do in SUCCESS_MESSAGES and place in places else None,
        "adds": do == "add",
        "typed": form,
        "errors": errors,
        "problem": problem,
        "reasons": reasons,  # in English, as the rules of outlines are
        "titles": {quoted(each.key)[1:-1]: each.title for each in nodes},
    }


def write_page(call: PageCall, error: Conflict | Invalid | None = None) -> Response:
    """Return the page on which a concept is written; after an error, it keeps what was typed."""
    concept = queries.concept_detail(*call.concept)
    return page(
        call.request,
        "write.html",
        status=status_of(error) if error else 200,
        concept=concept,
        document=portable(call.owner, concept.roadmap_id, with_learner=False),
        typed=call.body if error else None,
        error=error,
        problem=error_messages.sentence(texts_of(call.request), error) if error else "",
        follows_words=has_model(),
    )


def write(call: PageCall) -> Response:
    """Save what is written; fields that are empty leave a part as it is."""
    text = call.body.text

    def lines(name: str) -> list[str]:
        return [line.strip() for line in text(name).splitlines() if line.strip()]

    try:
        contents = filled(
            OwnContents,
            {
                "tutorial": text("tutorial"),
                "resources": [
                    {"title": text(f"title{n}"), "url": text(f"url{n}")}
                    for n in range(len(call.body))
                    if text(f"title{n}") or text(f"url{n}")
                ],
                "quiz": [
                    {
                        "question": text(f"question{n}"),
                        "options": sorted({*lines(f"right{n}"), *lines(f"wrong{n}")}),
                        "answer": lines(f"right{n}"),
                        "explanation": text(f"why{n}"),
                    }
                    for n in range(len(call.body))
                    if text(f"question{n}") or text(f"right{n}") or text(f"wrong{n}")
                ],
            },
        )
        apply_command(call.ids["roadmap_id"], commands.write(*call.concept, contents.bodies()))
    except (Conflict, Invalid) as error:
        return write_page(call, error)
    return see_other(f"/roadmaps/{call.ids['roadmap_id']}/concepts/{call.ids['concept_id']}")


PAGES = (
    PageRoute("GET", LESSON + "/write", write_page),
    PageRoute("POST", LESSON + "/write", write),
    PageRoute("GET", PAGE + "/edit", edit_page),
    PageRoute("POST", PAGE + "/edit", edit),
)
