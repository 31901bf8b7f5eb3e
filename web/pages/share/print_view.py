"""A whole roadmap on one page to print: texts, resources, questions without answers, and notes."""

from time import thread_time

from starlette.responses import Response

from core.db import snapshot
from roadmap.exchange.formats.json_ import portable
from roadmap.lifecycle import queries
from roadmap.plan.views import concepts_of
from web.call import Call
from web.pages.lazy import prose
from web.pages.templates import page, texts_of

# Characters of tutorials: five times what a long course has, and some 500 sheets of paper.
MOST_CHARACTERS = 1_000_000
MOST_SECONDS = 10.0  # of making HTML of them; these take one


def print_page(call: Call) -> Response:
    roadmap_id = call.ids["roadmap_id"]
    with snapshot():
        document = portable(call.owner, roadmap_id, with_learner=True)
        tree = queries.roadmap_tree(call.owner, roadmap_id)
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
        printed[node.id] = {
            "kept": kept,
            "tutorial": html,
            "is_long": written is not None and html is None,  # there was no room for it
        }
    return page(call.request, "print.html", tree=tree, printed=printed)
