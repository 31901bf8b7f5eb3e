"""A plan changed by hand: its outline with a form at each thing. What a form says is an edit of the plan that was shown."""

import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from gettext import NullTranslations
from itertools import pairwise
from typing import Any

from starlette.responses import Response

from core.errors import Conflict, FieldError, Invalid
from core.i18n import gettext_noop, texts
from roadmap.generation.generator import has_model
from roadmap.lifecycle import commands, queries
from roadmap.lifecycle.commands import EDITABLE, NOTHING
from roadmap.plan.edits import EditRequest
from roadmap.plan.views import ModuleNode, RoadmapTree, StageNode
from web.call import Call
from web.commands import apply_command
from web.http.problems import status_of
from web.pages import error_messages
from web.pages.forms import AnyQuery, Form, filled, see_other
from web.pages.preferences import language_of
from web.pages.templates import page

RULES = {  # by the last part of a field's name
    "title": gettext_noop("1 to 200 characters, and no control characters."),
    "description": gettext_noop("At most 2000 characters, and no control characters."),
    "hours": gettext_noop("A whole number from 1 to 200."),
    "difficulty": gettext_noop("A whole number from 1 to 5."),
}
SAME = gettext_noop("Nothing of this is different from the plan as it is.")
UNSOUND = gettext_noop("The plan would not hold together like that, so nothing was changed.")
OVERTAKEN = gettext_noop(
    "The plan has changed meanwhile. Here it is as it is now; what you have typed is still in its place."
)
DID = {
    "save": gettext_noop("It is saved, as the newest plan."),
    "up": gettext_noop("It is moved, in the newest plan."),
    "down": gettext_noop("It is moved, in the newest plan."),
    "remove": gettext_noop("It is removed. The plan before has it still, and can be restored."),
    "add": gettext_noop("It is added, in the newest plan."),
}
ID = re.compile(r"[0-9a-f-]{1,36}")
NEW = {  # what is added inside of what: from the outermost new thing to the concept
    "roadmap": ("stage", "module", "concept"),
    "stage": ("module", "concept"),
    "module": ("concept",),
}


class EditQuery(AnyQuery):
    """`did`: what was done a moment ago."""

    did: str = ""


@dataclass(frozen=True, slots=True)
class EditForm:
    """What a form asks for: operations, and for each of them the fields of the form from which those of it come."""

    operations: list[dict[str, Any]]
    names: list[dict[str, str]]


@dataclass(frozen=True, slots=True)
class RejectedForm:
    """A form that does not go: which one, what is wrong, and what was typed into it."""

    do: str
    what: str
    key: str
    typed: Form
    errors: dict[str, str]
    problem: str
    reasons: list[str]  # in English, as the rules of outlines are

    def at(self, do: str, what: str, key: str) -> bool:
        return (self.do, self.what, self.key) == (do, what, key)


def show(call: Call) -> Response:
    return _page(call)


def edit(call: Call) -> Response:
    """Back to what was changed; what does not go is said beside its form, with everything that was typed."""
    form: Form = call.body
    roadmap_id = call.ids["roadmap_id"]
    asked = _asked(queries.roadmap_tree(call.owner, roadmap_id), form)
    try:
        request = filled(EditRequest, {"operations": asked.operations, **form.given("base")})
        made = commands.edit(call.owner, roadmap_id, request.operations, request.base)
        apply_command(roadmap_id, made)
    except (Conflict, Invalid) as error:
        return _page(call, error, asked)
    did = form.text("do") if form.text("do") in DID else "save"
    stays = did not in ("remove", "add") and ID.fullmatch(form.text("id"))
    place = f"#{form.text('what')}-{form.text('id')}" if stays else ""
    return see_other(f"/roadmaps/{roadmap_id}/edit?did={did}{place}")


def _asked(tree: RoadmapTree, form: Form) -> EditForm:
    do, what, key = form.text("do"), form.text("what"), form.text("key")
    thing = {"what": what, "key": key}
    if do == "remove":
        return EditForm([{"op": "remove", **thing}], [{}])
    if do in ("up", "down"):
        return EditForm(
            [{"op": "move", **thing, **_place(tree, what, key, -1 if do == "up" else 1)}], [{}]
        )
    if do == "add":
        return _addition(form, what, key)
    fields = ("title", "description", *(("hours", "difficulty") if what == "concept" else ()))
    texts_ = {name: form.text(name).replace("\r\n", "\n") for name in fields}
    rewritten = {"op": "rewrite", **thing, **texts_, "regenerate": bool(form.text("anew"))}
    return EditForm([rewritten], [{name: name for name in fields}])


def _addition(form: Form, parent: str, key: str) -> EditForm:
    """A concept, with the module and the stage around it where they are new: nothing may be without one."""
    operations: list[dict[str, Any]] = []
    names: list[dict[str, str]] = []
    for what in NEW.get(parent, ()):
        inside = {} if what == "stage" else {"stage" if what == "module" else "module": key}
        key = f"{what}-{secrets.token_hex(4)}"
        fields = (
            ("title", "description", "hours", "difficulty") if what == "concept" else ("title",)
        )
        its = {name: f"{what}_{name}" for name in fields}
        told = {name: form.text(field).replace("\r\n", "\n") for name, field in its.items()}
        operations.append({"op": f"add_{what}", "key": key, **inside, **told})
        names.append(its)
    return EditForm(operations, names)


def _place(tree: RoadmapTree, what: str, key: str, by: int) -> dict[str, Any]:
    """One step up or down; at the edge of its module or stage, into the next one."""
    places: dict[str, list[tuple[str | None, list[str]]]] = {
        "stage": [(None, [stage.key for stage in tree.stages])],
        "module": [(stage.key, [module.key for module in stage.modules]) for stage in tree.stages],
        "concept": [
            (module.key, [each.key for each in module.concepts]) for module in _modules(tree)
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
    return {"position": 0}  # it is not there, which is found out when it is to be moved


def _modules(tree: RoadmapTree) -> Iterator[ModuleNode]:
    for stage in tree.stages:
        yield from stage.modules


def _page(
    call: Call, error: Conflict | Invalid | None = None, asked: EditForm | None = None
) -> Response:
    tree = queries.roadmap_tree(call.owner, call.ids["roadmap_id"])
    words = texts(language_of(call.request))
    refused = (
        _refused(words, call.body, error, asked, tree)
        if error is not None and asked is not None
        else None
    )
    did = getattr(call.query, "did", "") if error is None else ""
    return page(
        call.request,
        "edit.html",
        status=status_of(error) if error else 200,
        tree=tree,
        refused=refused,
        is_placed=refused is not None
        and refused.do in DID
        and (refused.what, refused.key) in _places(tree),
        said=words.gettext(DID[did]) if did in DID else "",
        may_edit=tree.status in EDITABLE and bool(tree.stages),
        follows_words=has_model(),
        alone=_alone(tree.stages),
    )


def _places(tree: RoadmapTree) -> set[tuple[str, str]]:
    """Of all forms of the page: the kind and the key of what they are about."""
    modules = list(_modules(tree))
    found = {
        ("roadmap", ""),
        *(("stage", stage.key) for stage in tree.stages),
        *(("module", each.key) for each in modules),
    }
    return found | {("concept", each.key) for module in modules for each in module.concepts}


def _alone(stages: list[StageNode]) -> set[str]:
    """Kind and key of what cannot be removed by itself: nothing would be left where it is."""
    found = {f"stage {stage.key}" for stage in stages if len(stages) == 1}
    for stage in stages:
        found |= {f"module {module.key}" for module in stage.modules if len(stage.modules) == 1}
        found |= {f"concept {m.concepts[0].key}" for m in stage.modules if len(m.concepts) == 1}
    return found


def _refused(
    words: NullTranslations,
    form: Form,
    error: Conflict | Invalid,
    asked: EditForm,
    tree: RoadmapTree,
) -> RejectedForm:
    errors: dict[str, str] = {}
    reasons: list[str] = []
    for field in error.fields:
        name = _field_of(field, asked)
        rule = RULES.get(name.rpartition("_")[2])
        if rule is not None:
            errors[name] = words.gettext(rule)
        elif field.detail != NOTHING:
            reasons.append(field.detail)
    if isinstance(error, Conflict):
        problem = (
            words.gettext(OVERTAKEN)
            if tree.status in EDITABLE
            else error_messages.said(words, error)
        )
    elif any(field.detail == NOTHING for field in error.fields):
        problem = words.gettext(SAME)
    else:
        problem = words.gettext(UNSOUND) if reasons else error_messages.said(words, error)
    return RejectedForm(
        form.text("do"), form.text("what"), form.text("key"), form, errors, problem, reasons
    )


def _field_of(field: FieldError, asked: EditForm) -> str:
    """The name in the form of what is wrong; empty when it is about no field."""
    parts = field.pointer.strip("/").split("/")
    for (what, index), (_, name) in zip(pairwise(parts), pairwise(parts[1:]), strict=False):
        if what == "operations" and index.isdecimal() and int(index) < len(asked.names):
            return asked.names[int(index)].get(name, "")
    return ""
