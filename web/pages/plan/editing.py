"""A plan to edit by hand: its outline with a form at each node.

A form is an edit of the plan that was shown.
"""

import re
import secrets
from dataclasses import dataclass
from gettext import NullTranslations
from typing import Any

from starlette.responses import Response

from core.errors import Conflict, Invalid
from core.i18n import gettext_noop
from roadmap.generation.generator import has_model
from roadmap.lifecycle import commands, queries
from roadmap.lifecycle.commands import EDITABLE, NOTHING
from roadmap.plan.edits import EditRequest
from roadmap.plan.views import RoadmapTree
from web.call import Call
from web.http.problems import status_of
from web.pages import error_messages
from web.pages.forms import AnyQuery, Form, filled, see_other
from web.pages.preferences import texts_of
from web.pages.templates import page
from web.roadmap_commands import apply_command

RULES = {  # by the last part of a field's name
    "title": gettext_noop("1 to 200 characters, and no control characters."),
    "description": gettext_noop("At most 2000 characters, and no control characters."),
    "hours": gettext_noop("A whole number from 1 to 200."),
    "difficulty": gettext_noop("A whole number from 1 to 5."),
}
SAME = gettext_noop("Nothing of this is different from the plan as it is.")
UNSOUND = gettext_noop("The plan would not hold together like that, so nothing was changed.")
OVERTAKEN = gettext_noop(
    "The plan has changed meanwhile. Here it is as it is now; "
    "what you have typed is still in its place."
)
DID = {
    "save": gettext_noop("It is saved, as the newest plan."),
    "up": gettext_noop("It is moved, in the newest plan."),
    "down": gettext_noop("It is moved, in the newest plan."),
    "remove": gettext_noop("It is removed. The plan before has it still, and can be restored."),
    "add": gettext_noop("It is added, in the newest plan."),
}
ID = re.compile(r"[0-9a-f-]{1,36}")
NEW = {  # nodes to add inside of a node, from the outermost one to the concept
    "roadmap": ("stage", "module", "concept"),
    "stage": ("module", "concept"),
    "module": ("concept",),
}


class EditQuery(AnyQuery):
    """`did`: the last action, for a message."""

    did: str = ""


@dataclass(frozen=True, slots=True)
class EditForm:
    """The operations of a form, and the form's field for each of their fields."""

    operations: list[dict[str, Any]]
    names: list[dict[str, str]]


@dataclass(frozen=True, slots=True)
class RejectedForm:
    """A form with errors: which one, its errors, and its values."""

    do: str
    what: str
    key: str
    typed: Form
    errors: dict[str, str]
    problem: str
    reasons: list[str]  # in English, as the rules of outlines are

    def at(self, do: str, what: str, key: str) -> bool:
        return (self.do, self.what, self.key) == (do, what, key)


def edit_page(
    call: Call, error: Conflict | Invalid | None = None, asked: EditForm | None = None
) -> Response:
    tree = queries.roadmap_tree(call.owner, call.ids["roadmap_id"])
    words = texts_of(call.request)
    refused, did = None, getattr(call.query, "did", "")
    if error is not None and asked is not None:
        refused, did = _rejected(words, call.body, error, asked, tree), ""
    # Kind and key of each node, and of those that cannot be removed: nothing would be left there.
    places, alone = {("roadmap", "")}, set()
    for stage in tree.stages:
        places.add(("stage", stage.key))
        if len(tree.stages) == 1:
            alone.add(f"stage {stage.key}")
        for module in stage.modules:
            places.add(("module", module.key))
            places |= {("concept", each.key) for each in module.concepts}
            if len(stage.modules) == 1:
                alone.add(f"module {module.key}")
            if len(module.concepts) == 1:
                alone.add(f"concept {module.concepts[0].key}")
    is_placed = refused and refused.do in DID and (refused.what, refused.key) in places
    return page(
        call.request,
        "edit.html",
        status=status_of(error) if error else 200,
        tree=tree,
        refused=refused,
        is_placed=bool(is_placed),
        message=words.gettext(DID[did]) if did in DID else "",
        may_edit=tree.status in EDITABLE and bool(tree.stages),
        follows_words=has_model(),
        alone=alone,
    )


def edit(call: Call) -> Response:
    """Apply a form, and go back to its node; after an error, the form keeps its values."""
    form: Form = call.body
    roadmap_id = call.ids["roadmap_id"]
    asked = _edit_form(queries.roadmap_tree(call.owner, roadmap_id), form)
    try:
        request = filled(EditRequest, {"operations": asked.operations, **form.given("base")})
        made = commands.edit(call.owner, roadmap_id, request.operations, request.base)
        apply_command(roadmap_id, made)
    except (Conflict, Invalid) as error:
        return edit_page(call, error, asked)
    did = form.text("do") if form.text("do") in DID else "save"
    stays = did not in ("remove", "add") and ID.fullmatch(form.text("id"))
    place = f"#{form.text('what')}-{form.text('id')}" if stays else ""
    return see_other(f"/roadmaps/{roadmap_id}/edit?did={did}{place}")


def _edit_form(tree: RoadmapTree, form: Form) -> EditForm:
    do, what, key = form.text("do"), form.text("what"), form.text("key")
    node = {"what": what, "key": key}
    if do == "remove":
        return EditForm([{"op": "remove", **node}], [{}])
    if do in ("up", "down"):
        by = -1 if do == "up" else 1
        return EditForm([{"op": "move", **node, **_place(tree, what, key, by)}], [{}])
    operations: list[dict[str, Any]] = []
    names: list[dict[str, str]] = []
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
        operations.append({"op": "rewrite", **node, "regenerate": bool(form.text("anew"))})
    for operation, fields_of in zip(operations, names, strict=True):
        for name, field in fields_of.items():
            operation[name] = form.text(field).replace("\r\n", "\n")
    return EditForm(operations, names)


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


def _rejected(
    words: NullTranslations,
    form: Form,
    error: Conflict | Invalid,
    asked: EditForm,
    tree: RoadmapTree,
) -> RejectedForm:
    errors: dict[str, str] = {}
    reasons: list[str] = []
    for field in error.fields:
        name = ""  # of a field of the form, from /operations/NUMBER/FIELD
        parts = field.pointer.strip("/").split("/")
        for what, index, part in zip(parts, parts[1:], parts[2:], strict=False):
            if what == "operations" and index.isdecimal() and int(index) < len(asked.names):
                name = asked.names[int(index)].get(part, "")
                break
        rule = RULES.get(name.rpartition("_")[2])
        if rule is not None:
            errors[name] = words.gettext(rule)
        elif field.detail != NOTHING:
            reasons.append(field.detail)
    problem = error_messages.sentence(words, error)
    if isinstance(error, Conflict):
        if tree.status in EDITABLE:
            problem = words.gettext(OVERTAKEN)
    elif any(field.detail == NOTHING for field in error.fields):
        problem = words.gettext(SAME)
    elif reasons:
        problem = words.gettext(UNSOUND)
    return RejectedForm(
        form.text("do"), form.text("what"), form.text("key"), form, errors, problem, reasons
    )
