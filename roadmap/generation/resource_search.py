"""Web search for resources: the JSON APIs of SearXNG, Brave and Tavily.

A fault costs the candidates, never the part that is written. Redirects are not followed, so that
the key goes to the operator's address only.
"""

import json
import re
from contextlib import suppress
from ipaddress import ip_network
from time import monotonic
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from core.db import settings
from core.metric_counters import count
from core.metric_definitions import SEARCHES
from core.net.link_probe import spelled
from core.net.safe_http import Unreachable, parse, request
from core.sanitize import format_size, one_line, strip_nul
from core.settings import SearchProvider
from roadmap.generation.context import ConceptBrief
from roadmap.generation.llm.compat import loaded
from roadmap.operations.execution_log import LogLevel, record

LIMIT, LARGEST_ANSWER = 5.0, 512 * 1024  # seconds of a search, bytes
MOST, MOST_READ = 10, 50  # candidates, and results among which they are
LONGEST_QUERY, LONGEST_TITLE, LONGEST_SNIPPET = 200, 150, 200  # characters
OWN_URLS = {
    SearchProvider.brave: "https://api.search.brave.com/res/v1/web",
    SearchProvider.tavily: "https://api.tavily.com",
}
# The operator's own address may be anywhere.
ANYWHERE = (ip_network("0.0.0.0/0"), ip_network("::/0"))
PAGE = re.compile(r"https?://\S{1,300}")
# Signs that search engines take for commands, such as !! and -word
SIGNS = re.compile(r"[^\w+#.'-]+|(?<!\w)[-']+")
# Brave refuses languages that it does not know.
OF_BRAVE = re.compile(
    "ar|bg|bn|ca|cs|da|de|en|es|et|eu|fi|fr|gl|gu|he|hi|hr|hu|is|it|jp|kn|ko|lt|lv|ml|mr|ms|nb|nl|"
    "pa|pl|pt-br|ro|ru|sk|sl|sr|sv|ta|te|th|tr|uk|vi|zh-hans"
)
ITS_NAMES = {"zh": "zh-hans", "ja": "jp", "pt": "pt-br", "no": "nb"}


def candidates(
    brief: ConceptBrief, *, roadmap_id: UUID, concept_id: UUID
) -> tuple[dict[str, str], ...]:
    """Search once for a concept; return title, URL and snippet of a few pages.

    Return none without a search engine, and after a fault, which is logged.
    """
    provider = settings.search_provider
    base = settings.search_url or OWN_URLS.get(provider)
    if base is None:
        return ()
    try:
        found = read(ask(base, brief))
    except (Unreachable, ValueError) as error:
        count(SEARCHES, provider=provider, outcome="failed")
        record(
            "building",
            "search",
            f"Resources are written without a search: {error}",
            level=LogLevel.warning,
            roadmap_id=roadmap_id,
            concept_id=concept_id,
            details={"provider": provider},
        )
        return ()
    count(SEARCHES, provider=provider, outcome="done")
    return tuple(each for each in found if each["url"] not in brief.dead)


def ask(base: str, brief: ConceptBrief) -> bytes:
    """Ask the search engine. Raises Unreachable, and ValueError with a reason."""
    provider, networks = settings.search_provider, ANYWHERE if settings.search_url else ()
    key = settings.search_key.get_secret_value() if settings.search_key else ""
    wanted = " ".join(SIGNS.sub(" ", f"{brief.title} {brief.roadmap_title}").split())
    wanted, language = wanted[:LONGEST_QUERY], brief.request.resource_language
    main = (language or brief.request.language).partition("-")[0].lower()
    query = {"q": wanted, "format": "json", "language": main}
    headers, body = {"Accept": "application/json", "Accept-Encoding": "identity"}, b""
    if provider is SearchProvider.brave:
        headers["X-Subscription-Token"] = key
        known = OF_BRAVE.fullmatch(ITS_NAMES.get(main, main))
        query = {"q": wanted, "count": str(MOST), "text_decorations": "false"}
        query |= {"search_lang": known[0]} if known else {}
    elif provider is SearchProvider.tavily:
        headers |= {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        query, body = {}, json.dumps({"query": wanted, "max_results": MOST}).encode()
    url = f"{base.rstrip('/')}/search{'?' if query else ''}{urlencode(query)}"
    try:
        target = parse(url, networks, allow_http=True)
    except ValueError as error:
        raise ValueError(f"SEARCH_URL {error}") from None
    answer = request(
        "POST" if body else "GET",
        target,
        headers,
        networks=networks,
        deadline=monotonic() + LIMIT,
        body=body,
        most_body=LARGEST_ANSWER,
    )
    if answer.status != 200:
        raise ValueError(f"the search engine answered with status {answer.status}")
    return answer.body


def read(answer: bytes) -> tuple[dict[str, str], ...]:
    """Return the first pages of an answer that have a title and an allowed URL.

    Raises ValueError with a reason.
    """
    content, most = loaded(answer), format_size(LARGEST_ANSWER)
    web = content.get("web", content) if isinstance(content, dict) else None  # of Brave
    results = web.get("results") if isinstance(web, dict) else None
    if not isinstance(results, list):
        raise ValueError(f"the answer is no JSON of at most {most} with a list of results")
    found: dict[str, dict[str, str]] = {}
    for item in results[:MOST_READ]:
        fields = item if isinstance(item, dict) else {}
        url, title = fields.get("url"), _line(fields.get("title"))[:LONGEST_TITLE]
        snippet = _line(fields.get("content") or fields.get("description"))[:LONGEST_SNIPPET]
        if title and isinstance(url, str) and PAGE.fullmatch(url) and url.isprintable():
            with suppress(ValueError):
                parse(spelled(url), settings.linked, allow_http=True)
                found.setdefault(url, {"title": title, "url": url, "snippet": snippet})
    return tuple(found.values())[:MOST]


def _line(text: Any) -> str:
    return strip_nul(one_line(text)) if isinstance(text, str) else ""
