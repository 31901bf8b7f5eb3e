"""Soft 404s: pages that are answered with status 200 but are not what was promised.

Only clear signs count, since a page wrongly taken for dead is replaced: a title in another
language, a login, a page that scripts fill or one that leads elsewhere is no sign.
"""

import re
from enum import StrEnum
from html import unescape
from urllib.parse import unquote, urlsplit

LARGEST_PAGE = 64 * 1024  # bytes that are read
LITTLE_TEXT = 400  # characters
HTML = ("text/html", "application/xhtml+xml")
CHARSET = re.compile(r"charset\s*=[\s\"']*([\w-]{1,40})", re.IGNORECASE)
META = re.compile(rb"<meta\b[^<>]{0,1000}", re.IGNORECASE)
# Those of the web: Python knows others, some of which are slow to decode.
CHARSETS = re.compile(
    r"utf-?8|utf-16(le|be)?|us-ascii|iso-8859-([1-9]|1[013-6])|windows-125[0-8]|koi8-[ru]"
    r"|gbk|gb2312|gb18030|big5|euc-(jp|kr)|shift_jis|iso-2022-jp",
    re.IGNORECASE,
)
BOMS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
# No pattern may begin again and again what it then reads to the end: pages are hostile.
TITLES = (
    re.compile(r"<title\b[^<>]{0,200}>\s*([^<\s][^<]{0,1000})", re.IGNORECASE),
    re.compile(
        r"<meta\b(?=[^<>]{0,300}og:title)[^<>]{0,300}?content\s*=\s*[\"']?([^\"'<>]{1,1000})",
        re.IGNORECASE,
    ),
)
TAG = re.compile(r"<style\b[^<]*|<[^<>]*>", re.IGNORECASE)
# What fills a page, or leads on, without text
FILLED = re.compile(
    r"<(script|i?frame|frameset|object|embed|video|audio|img|svg|canvas|form)\b"
    r"|http-equiv\s*=\s*[\"']?refresh",
    re.IGNORECASE,
)
WORD = re.compile(r"[^\W_]+")
WIDE = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uac00-\ud7af]")
COMMON = re.compile(
    "a|an|and|at|by|com|de|der|die|for|from|html|https|in|index|is|la|le|net|of|on|org|php|s|t|the|"
    "to|und|with|www"
)
SEGMENT = re.compile(r"\s[-\u2010-\u2015/]+\s|[|:\u00b7\u2022\u00bb\u00ab\uff1a]")
# The whole of a segment of a title, in lower case and without punctuation
MISSING = re.compile(
    r"(?:oops |sorry |whoops |ups |http |status |code |error |fehler |erreur )*(?:"
    r"404 ?(?:错误|錯誤|页面|頁面|ページ)?|410 gone|not found"
    r"|(?=.*\b(?:not|no|cannot|t)\b)(?:the |this |that )?(?:requested )?"
    r"(?:page|file|document|url|article)"
    r"(?: (?:was|is|isn|could|couldn|can|cannot|does|doesn|t|not|no|longer|be|found|exists?))+"
    r"|(?:we )?(?:can t|cannot|couldn t|could not) find (?:the|this|that|your) page"
    r"|(?:die )?seite (?:wurde )?nicht gefunden|(?:page|article) (?:non trouvée?|introuvable)"
    r"|página no (?:encontrada|existe)|página não encontrada|pagina (?:non trovata|niet gevonden)"
    r"|nie znaleziono strony|(?:страница|запись) не найдена"
    r")(?: error| page| not found| 404)*"
    r"|.*(?:页面|頁面|网页|網頁|页|頁)(?:不存在|未找到|找不到|没有找到|沒有找到|不見了|不见了).*"
    r"|.*(?:找不到|未找到|没有找到|無法找到|无法找到).{0,8}(?:页面|頁面|网页|網頁).*"
    r"|.*ページ.{0,6}(?:見つかりません|存在しません).*|.*페이지를 찾을 수 없.*"
)
ABOUT_MISSING = re.compile(r"404|410|not[\W_]?found", re.IGNORECASE)
# Titles of pages that come before the promised one
BEFORE = re.compile(
    r"\b(log|sign)[ -]?(in|on|up)\b|login|\bsso\b|auth|account|consent|cookie|captcha|robot"
    r"|denied|forbidden|verif|moment|redirect|moved|loading|anmeld|einlogg|connexion|登录|登入|ログイン",
    re.IGNORECASE,
)
ROOT = re.compile(
    r"/?([a-z]{2}([-_][a-z]{2,4})?/?)?((index|home|default)(\.\w+)?)?/?", re.IGNORECASE
)


class Soft404(StrEnum):
    """Sign that a page is not there, as the rest of a sentence."""

    missing = "its title says that there is no such page"
    start = "it leads to the start page of the site, whose title has nothing of what was promised"
    empty = "it is nearly empty, and its title has nothing of what was promised"


def find_soft_404(
    promised: str, requested_url: str, final_url: str, content_type: str, body: bytes
) -> Soft404 | None:
    """Return the sign that a page is a soft 404, if it has one.

    The title `promised` should be at `requested_url`; `final_url` is the one behind all redirects,
    and `body` has its first LARGEST_PAGE bytes.
    """
    if content_type.partition(";")[0].strip().lower() not in HTML:
        return None
    text = decode_page(content_type, body)
    match = next(filter(None, (pattern.search(text) for pattern in TITLES)), None)
    title = " ".join(unescape(match[1] if match else "").split())
    if "\ufffd" in title:  # decoded wrongly
        return None
    requested, final = urlsplit(requested_url), urlsplit(final_url)
    about = f"{promised} {requested.path}?{requested.query}"  # a port may have these digits
    if says_missing(title) and not (says_missing(promised) or ABOUT_MISSING.search(about)):
        return Soft404.missing
    words, in_one_script = _words(title), bool(WIDE.search(title)) == bool(WIDE.search(promised))
    if not (promised and words and in_one_script) or BEFORE.search(title):
        return None
    sites = {str(url.hostname).removeprefix("www.") for url in (requested, final)}
    was_start, is_start = (bool(ROOT.fullmatch(url.path)) for url in (requested, final))
    if len(sites) == 1 and is_start and not final.query and not was_start:
        return None if words & _words(f"{promised} {unquote(requested.path)}") else Soft404.start
    is_short = len(" ".join(TAG.sub(" ", text).split())) < LITTLE_TEXT
    is_whole = len(body) < LARGEST_PAGE and not FILLED.search(text)
    shares_words = words & _words(f"{promised} {unquote(requested_url)} {final_url}")
    return Soft404.empty if is_short and is_whole and not shares_words else None


def says_missing(title: str) -> bool:
    """Return whether a segment of a title says nothing but that a page is missing."""
    segments = (" ".join(WORD.findall(each.casefold())) for each in SEGMENT.split(title[:300]))
    return any(MISSING.fullmatch(segment) for segment in segments)


def decode_page(content_type: str, body: bytes) -> str:
    """Decode a page by its mark, its header or its <meta>, else as UTF-8."""
    metas = " ".join(tag.decode("ascii", "replace") for tag in META.findall(body))
    named = CHARSET.search(content_type) or CHARSET.search(metas)
    name = named[1] if named and CHARSETS.fullmatch(named[1]) else "utf-8"
    name = next((of for bom, of in BOMS.items() if body.startswith(bom)), name)
    return body.decode(name, "replace")


def _words(text: str) -> set[str]:
    """Return the beginnings of words, which inflected ones share; of wide letters all pairs."""
    found = set()
    for word in WORD.findall(text.casefold()):
        if WIDE.search(word):
            found |= {word[at : at + 2] for at in range(len(word))}
        elif not COMMON.fullmatch(word):
            found.add(word[:5])
    return found
