"""Rendered Markdown: text, headings and tables."""

import re
from time import thread_time

import pytest

from tests.cases import try_each
from tests.unit.web.pages.html_reader import Read, read
from web.pages.highlight import Highlighter
from web.pages.markdown_html import prose


class TestText:
    def test_what_is_meant_shows(self) -> None:
        made = prose(
            'One *two* **three** ~~four~~ `a < b`  \nfive & "six"\nseven\n\n> eight\n\n---\n\n'
            "- nine\n- ten\n\n3. eleven"
        )
        assert made == (
            "<p>One <em>two</em> <strong>three</strong> <s>four</s> <code>a &lt; b</code><br>\n"
            'five &amp; "six"\nseven</p>\n<blockquote>\n<p>eight</p>\n</blockquote>\n<hr>\n'
            "<ul>\n<li>nine</li>\n<li>ten</li>\n</ul>\n"
            '<ol start="3">\n<li>eleven</li>\n</ol>\n'
        )

    def test_nothing_is_made_of_quotes_dots_and_bare_addresses(self) -> None:
        assert prose("\"a\" -- (c) ... www.example.org https://example.org 'b'") == (
            "<p>\"a\" -- (c) ... www.example.org https://example.org 'b'</p>\n"
        )

    @try_each(
        "html",
        [
            "<b>x</b>",
            "<script>alert(1)</script>",
            "<!-- x -->",
            "<img src=x onerror=alert(1)>",
            "<?x?>",
        ],
    )
    @try_each(
        "around",
        [
            "{}",
            "a {} b",
            "# {}",
            "- {}",
            "> {}",
            "| {} |\n|---|\n| {} |",
            "[{}](https://x.org)",
            "    {}",
        ],
    )
    def test_html_is_text(self, html: str, around: str) -> None:
        assert html in read(around.replace("{}", html)).text

    def test_a_tag_from_a_mistake_of_the_renderer_is_left_out(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        evil = '<img src=x onerror=alert(1)><script>alert(1)</script><a href="javascript:x">b</a>'
        monkeypatch.setattr(Highlighter, "coloured", lambda *_: f'<b onclick="x">{evil}</b>')
        made = prose("```python\na\n```")
        assert '<code class="language-python"><a>b</a></code>' in made

    def test_an_entity_is_a_character_and_no_tag(self) -> None:
        assert read("&lt;b&gt; &#60;i> &amp;lt;").text == "<b> <i> &lt;\n"

    def test_what_turns_the_direction_or_moves_a_terminal_is_left_out(self) -> None:
        evil = "a\u202eb\u2066c\x1b[d\x07e\x9bf\x7fg"
        assert read(f"{evil} `{evil}`\n\n    {evil}").text == "abc[defg abc[defg\nabc[defg\n\n"
        assert read("a&#x202e;b&#x2066;c").text == "abc\n"

    def test_every_line_end_is_one_and_what_no_encoding_has_is_replaced(self) -> None:
        assert read("a\r\n\r\nb\rc\x00d\ud800e").text == "a\nb\ncd?e\n"
        prose("\ud800 [a](https://x.org/\udfff) `\udbff`\n# \udc00").encode()


class TestHeadings:
    @try_each(
        ("markdown", "top", "expected"),
        [
            ("# a\n## b\n### c", 3, ["h3", "h4", "h5"]),
            ("## a\n### b\n## c", 3, ["h3", "h4", "h3"]),
            ("## a\n### b\n# c", 3, ["h4", "h5", "h3"]),
            ("###### a", 3, ["h3"]),
            (
                "# a\n## b\n### c\n#### d\n##### e\n###### f",
                3,
                ["h3", "h4", "h5", "h6", "h6", "h6"],
            ),
            ("a\n===\nb\n---", 2, ["h2", "h3"]),
            ("# a\n> ## b\n\n- ### c", 1, ["h1", "h2", "h3"]),
            ("# a\n## b", 6, ["h6", "h6"]),
        ],
    )
    def test_the_highest_is_the_top_and_none_is_beyond_the_sixth(
        self, markdown: str, top: int, expected: list[str]
    ) -> None:
        assert [tag for tag, _, _ in read(markdown, top=top).headings()] == expected

    @try_each(
        ("heading", "name"),
        [
            ("Some heading", "t-some-heading"),
            ("*Some* `code()` & [a link](https://x.org)!", "t-some-code-a-link"),
            ("第一步：安装 Python", "t-第一步安装-python"),
            ("हिन्दी में", "t-हिन्दी-में"),
            ("C++ -- a_b", "t-c-a_b"),
            ("Cafe\u0301", "t-caf\u00e9"),
            ("?!", "t-part"),
            ("![A picture](https://x.org/y)", "t-a-picture"),
            ("a" * 500, "t-" + "a" * 80),
        ],
    )
    def test_an_id_is_made_of_the_words(self, heading: str, name: str) -> None:
        [(_, made, _)] = read(f"# {heading}").headings()
        assert made == name

    def test_ids_are_unique(self) -> None:
        made = read("# a\n# a\n# a-1\n# A\n# a-1\n# ?\n# !")
        assert [name for _, name, _ in made.headings()] == [
            "t-a",
            "t-a-1",
            "t-a-1-1",
            "t-a-2",
            "t-a-1-2",
            "t-part",
            "t-part-1",
        ]

    @try_each(
        ("link", "name"),
        [
            ("#some-heading", "t-some-heading"),
            ("#Some-Heading", "t-some-heading"),
            ("#c--rust", "t-c-rust"),
            ("#第一步", "t-第一步"),
            ("#%E7%AC%AC%E4%B8%80%E6%AD%A5", "t-第一步"),
            ("#some-heading-1", "t-some-heading-1"),
        ],
    )
    def test_a_fragment_leads_to_its_heading_before_or_after_it(self, link: str, name: str) -> None:
        headings = "# Some heading\n## C & Rust\n## 第一步\n## Some heading"
        for markdown in (
            f"[*words*]({link})\n\n{headings}",
            f"{headings}\n\n[*words*]({link})",
            f"{headings}\n[*words*][a]\n\n[a]: {link}",
        ):
            made = read(markdown)
            assert made.links() == [("words", f"#{name}")]
            assert "rel" not in made.one("a").attributes

    @try_each(
        "link",
        [
            "#",
            "#nowhere",
            "#t-a",
            "#top",
            "#-",
            "#%00",
            "#javascript:alert(1)",
            '#"onclick="alert(1)',
        ],
    )
    def test_a_fragment_that_leads_nowhere_is_text(self, link: str) -> None:
        made = read(f"# A\n\n[*words*]({link})")
        assert (made.links(), made.one("p").text) == ([], "words")

    def test_many_headings_of_one_name_take_no_longer_than_others(self) -> None:
        before = thread_time()
        made = prose("".join(f"# a-{n}\n" for n in range(1, 3000)) + "# a\n" * 3000)
        assert len(set(re.findall(r'id="([^"]+)"', made))) == 5999
        assert thread_time() - before < 10


class TestTables:
    def test_a_table_can_be_scrolled_and_is_aligned_by_classes(self) -> None:
        made = prose(
            "| a | b | c | |\n|:--|--:|:-:|-|\n| *1* | 2 | x \\| y |\n", table_label='Table "a"'
        )
        assert made == (
            '<div class="scroll" tabindex="0" role="region" aria-label="Table &quot;a&quot;">'
            '<table>\n<thead>\n<tr>\n<th>a</th>\n<th class="to-right">b</th>\n'
            '<th class="to-center">c</th>\n<td></td>\n</tr>\n</thead>\n<tbody>\n<tr>\n'
            '<td><em>1</em></td>\n<td class="to-right">2</td>\n<td class="to-center">x | y</td>\n'
            "<td></td>\n</tr>\n</tbody>\n</table>\n</div>\n"
        )
        Read(str(made))

    def test_tables_have_names_of_their_own(self) -> None:
        made = read("| a |\n|---|\n\n> | b |\n> |---|\n", table_label="Tabelle")
        assert [each.attributes["aria-label"] for each in made.all("div")] == [
            "Tabelle 1",
            "Tabelle 2",
        ]
