"""Rendered Markdown: links and pictures."""

import re
from html import escape

from tests.cases import try_each
from tests.unit.web.pages.html_reader import BAD_ADDRESSES, FORMS, GOOD_ADDRESSES, REL, read


class TestLinks:
    @try_each(("address", "expected"), GOOD_ADDRESSES.items())
    def test_the_web_and_mail_may_be_linked(self, address: str, expected: str) -> None:
        made = read(f"a [*words*](<{address}> 'title') b")
        assert f'<a href="{escape(expected)}" rel="{REL}">' in made.html
        assert made.links() == [("words", expected)]
        assert made.one("a").attributes == {"href": expected, "rel": REL}
        assert "<em>words</em>" in made.html

    @try_each("form", FORMS.values(), ids=FORMS)
    @try_each("address", BAD_ADDRESSES, ids=lambda address: repr(address[:40]))
    def test_nothing_else_is_linked(self, form: str, address: str) -> None:
        assert read(form.replace("%s", address)).links() == []

    @try_each(
        "address",
        [each for each in BAD_ADDRESSES if not re.search(r"[\n\r<>]", each)],
        ids=lambda address: repr(address[:40]),
    )
    def test_of_a_link_that_may_not_be_its_text_is_left(self, address: str) -> None:
        assert (
            read(f"a [*words*](<{address}>) b ![*words*](<{address}>) c").text
            == "a words b words c\n"
        )

    def test_an_address_alone(self) -> None:
        made = read(
            "<https://example.org/a?b=c> <ada@example.org> "
            "vector<std::string> <javascript:alert(1)>"
        )
        assert made.links() == [
            ("https://example.org/a?b=c",) * 2,
            ("ada@example.org", "mailto:ada@example.org"),
        ]
        assert made.text == (
            "https://example.org/a?b=c ada@example.org vector<std::string> <javascript:alert(1)>\n"
        )

    def test_a_link_without_words_shows_its_address(self) -> None:
        made = read(
            "[](https://a.org) [ \u200b](https://b.org) [![](https://i.org)](https://c.org) "
            "[](javascript:x)"
        )
        assert [(text.strip(" \u200b"), href) for text, href in made.links()] == [
            ("https://a.org", "https://a.org"),
            ("https://b.org", "https://b.org"),
            ("https://i.org", "https://c.org"),
        ]

    def test_no_link_is_in_a_link(self) -> None:
        made = read(
            "[a <https://b.org> ![c](https://d.org)](https://e.org) "
            "[f <https://g.org>](javascript:x)"
        )
        assert made.links() == [
            ("a <https://b.org> c", "https://e.org"),
            ("https://g.org", "https://g.org"),
        ]

    def test_a_picture_is_a_link_to_it(self) -> None:
        made = read(
            '![A *fine* `one`](https://x.org/a.png "title") ![](https://x.org/b.png) ![c][d]\n\n'
            "[d]: https://x.org/d.png"
        )
        assert made.links() == [
            ("A fine one", "https://x.org/a.png"),
            ("https://x.org/b.png", "https://x.org/b.png"),
            ("c", "https://x.org/d.png"),
        ]
        assert {link.attributes["rel"] for link in made.all("a")} == {REL}

    def test_a_picture_that_may_not_be_linked_is_its_words_or_its_address(self) -> None:
        assert (
            read("![*a*](b.png) ![](javascript:alert) [![d](x)](https://e.org)").text
            == "a javascript:alert d\n"
        )

    def test_a_definition_that_is_used_without_end_makes_no_page_without_end(self) -> None:
        address = f"https://x.org/{'a' * 1900}"
        assert len(read("[a] " * 200 + f"\n\n[a]: {address}").links()) == 200
        made = read("[a]\n\n" * 5000 + f"[a]: {address}")
        assert (made.links(), made.text.count("[a]")) == ([], 5001)
        assert len(made.html) < 300_000
