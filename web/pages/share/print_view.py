"""A whole roadmap on one page, to be printed: texts, resources, questions without their answers, and notes."""

from collections.abc import Iterator
from dataclasses import dataclass
from gettext import NullTranslations
from time import thread_time

from markupsafe import Markup
from starlette.responses import Response

from core.db import snapshot
from core.i18n import texts
from roadmap.exchange.formats.json_ import PortableConcept, PortableRoadmap, portable
from roadmap.lifecycle import queries
from roadmap.plan.views import ConceptNode, RoadmapTree, concepts_of
from web.call import Call
from web.pages.lazy import prose
from web.pages.preferences import language_of
from web.pages.templates import page

MOST_CHARACTERS = (
    1_000_000  # of tutorials: five times what a long course has, and some 500 sheets of paper
)
MOST_SECONDS = 10.0  # of making HTML of them; these take one


@dataclass(frozen=True, slots=True)
class Printed:
    """A concept, and its tutorial as HTML; without one although `is_long`, there was no room for it."""

    node: ConceptNode
    kept: PortableConcept
    tutorial: Markup | None
    is_long: bool


def show(call: Call) -> Response:
    roadmap_id = call.ids["roadmap_id"]
    with snapshot():
        document = portable(call.owner, roadmap_id, with_learner=True)
        tree = queries.roadmap_tree(call.owner, roadmap_id)
    printed = {
        each.node.id: each for each in _printed(tree, document, texts(language_of(call.request)))
    }
    return page(call.request, "print.html", tree=tree, printed=printed)


def _printed(
    tree: RoadmapTree, document: PortableRoadmap, words: NullTranslations
) -> Iterator[Printed]:
    left, until = MOST_CHARACTERS, thread_time() + MOST_SECONDS
    code, table = words.gettext("Code"), words.gettext("Table")
    for number, node in enumerate(concepts_of(tree), 1):
        kept = document.concepts[node.key]
        written = kept.contents.tutorial
        left -= len(written.body.markdown) if written else 0
        html = None
        if written is not None and left >= 0 and thread_time() < until:
            labels = {
                "code_label": code,
                "table_label": f"{table}: {node.title}",
            }  # regions have names of their own
            html = prose(written.body.markdown, top=5, prefix=f"t{number}", **labels)
        yield Printed(node, kept, html, is_long=written is not None and html is None)
