"""A whole roadmap on one page to print: texts, resources, questions without answers, and notes."""

from dataclasses import dataclass
from time import thread_time

from markupsafe import Markup
from starlette.responses import Response

from roadmap.exchange.formats.json_ import PortableConcept
from roadmap.exchange.formats.source import Source
from roadmap.plan.views import ConceptNode, concepts_of
from web.call import Call
from web.pages.lazy import prose
from web.pages.preferences import texts_of
from web.pages.templates import page

# Characters of tutorials: five times what a long course has, and some 500 sheets of paper.
MOST_CHARACTERS = 1_000_000
MOST_SECONDS = 10.0  # of making HTML of them; these take one


@dataclass(frozen=True, slots=True)
class Printed:
    """A concept, and its tutorial as HTML; without one although `is_long`, there was no room."""

    node: ConceptNode
    kept: PortableConcept
    tutorial: Markup | None
    is_long: bool


def print_page(call: Call) -> Response:
    source = Source(call.owner, call.ids["roadmap_id"])
    document, tree = source.document, source.tree
    words = texts_of(call.request)
    code, table = words.gettext("Code"), words.gettext("Table")
    left, until = MOST_CHARACTERS, thread_time() + MOST_SECONDS
    printed = {}
    for number, node in enumerate(concepts_of(tree), 1):
        kept = document.concepts[node.key]
        written, html = kept.contents.tutorial, None
        if written is not None:
            left -= len(written.body.markdown)
            if left >= 0 and thread_time() < until:
                html = prose(
                    written.body.markdown,
                    top=5,
                    prefix=f"t{number}",
                    code_label=code,
                    table_label=f"{table}: {node.title}",  # regions have names of their own
                )
        is_long = written is not None and html is None
        printed[node.id] = Printed(node, kept, html, is_long)
    return page(call.request, "print.html", tree=tree, printed=printed)
