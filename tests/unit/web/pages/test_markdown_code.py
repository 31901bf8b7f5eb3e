"""Rendered Markdown: code in colours."""

import re
from collections.abc import Iterator
from itertools import product
from time import thread_time

import pytest
from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.token import Text, Token

from tests.cases import try_each
from tests.unit.alone import run_alone
from tests.unit.web.pages.html_reader import read
from web.pages import highlight as colouring_module
from web.pages.highlight import LANGUAGES, LONGEST_BLOCK, LONGEST_LINE, NAMES, Highlighter
from web.pages.markdown_html import prose

PYTHON = "def add(a: int) -> int:\n    return a + 1  # more\n"


class Mistaken(Lexer):
    """Fails with the error of the test."""

    error: BaseException | None = None
    left_out = ""

    def get_tokens(self, text: str, unfiltered: bool = False) -> Iterator[tuple[type[Token], str]]:
        yield Text, text.replace(self.left_out, "") if self.left_out else text
        if self.error:
            raise self.error


class TestCode:
    def test_code_is_coloured_by_classes(self) -> None:
        made = read(f"```python\n{PYTHON}```", code_label='Code "a"')
        assert made.one("pre").attributes == {
            "class": "code",
            "tabindex": "0",
            "role": "group",
            "aria-label": 'Code "a"',
        }
        assert made.one("code").attributes == {"class": "language-python"}
        assert made.one("code").text == PYTHON
        assert [(each.attributes["class"], each.text) for each in made.all("span")] == [
            *[
                ("k", "def"),
                ("nf", "add"),
                ("nb", "int"),
                ("nb", "int"),
                ("k", "return"),
                ("mi", "1"),
                ("c1", "# more"),
            ]
        ]

    @try_each(
        ("info", "language"),
        [
            *[
                ("py", "python"),
                ("Python", "python"),
                (" python title='x.py'", "python"),
                ("python,linenos", "python"),
            ],
            *[
                ("c++", "cpp"),
                ("c#", "csharp"),
                ("js", "javascript"),
                ("sh", "bash"),
                ("yml", "yaml"),
                ("R", "splus"),
                ("vb.net", "vb.net"),
            ],
        ],
    )
    def test_a_language_has_many_names(self, info: str, language: str) -> None:
        assert read(f"~~~{info}\nif x == 1: y = 'z'\n~~~").one("code").attributes == {
            "class": f"language-{language}"
        }

    @try_each(
        "info",
        [
            "",
            "text",
            "nonsense",
            "{.python}",
            '"><script>alert(1)</script>',
            "agda",
            "guess",
            "写",
            "-",
            '" onclick="alert(1)',
        ],
    )
    def test_without_a_language_that_is_known_it_is_plain(self, info: str) -> None:
        made = read(f"~~~ {info}\n{PYTHON}~~~")
        assert (made.one("code").attributes, made.one("code").text, made.all("span")) == (
            {},
            PYTHON,
            [],
        )

    def test_an_indented_block_is_plain(self) -> None:
        made = read("    def a():\n\n        <b>\n")
        assert (made.one("code").text, made.all("span")) == ("def a():\n\n    <b>\n", [])
        assert made.one("pre").attributes["aria-label"] == "Code"

    @try_each(
        "code",
        [
            "\n\n\ta \n\n\n",
            "",
            "\n",
            " \t \n",
            "\ufeffa = 1\n",
            "a\u2028b = 1\n",
            "if 1 < 2 & 3 > '\"':\n",
        ],
    )
    @try_each(
        "language",
        ["python", "bash", "sql", "html", "http", "console", "pycon", "yaml", "markdown", "diff"],
    )
    def test_code_stays_as_it_is(self, code: str, language: str) -> None:
        assert read(f"```{language}\n{code}```").one("code").text == code

    def test_a_block_is_coloured_up_to_a_length_and_shown_beyond_it(self) -> None:
        code = "a = 1\n" * (LONGEST_BLOCK // 6) + "b\n"
        assert len(code) <= LONGEST_BLOCK < len(code + code[:6])
        assert read(f"```python\n{code}```").all("span")
        made = read(f"```python\n{code}{code[:6]}```")
        assert (made.one("code").text, made.all("span")) == (code + code[:6], [])

    def test_a_line_is_coloured_up_to_a_length_and_shown_beyond_it(self) -> None:
        line = "a = '" + "b" * (LONGEST_LINE - 6) + "'"
        assert read(f"```python\n{line}\n```").all("span")
        made = read(f"```python\n{line}#\n```")
        assert (made.one("code").text, made.all("span")) == (f"{line}#\n", [])

    @pytest.mark.parametrize(
        "error",
        [
            IndexError,
            KeyError,
            ValueError,
            TypeError,
            AttributeError,
            AssertionError,
            RecursionError,
        ],
    )
    def test_a_lexer_that_fails_leaves_the_code_plain_and_says_so(
        self,
        error: type[Exception],
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        lexer = Mistaken()
        lexer.error = error("secret <b>")
        monkeypatch.setattr(colouring_module, "get_lexer_by_name", lambda name, **options: lexer)
        made = read("```python\n<b>\n```")
        assert (made.one("code").text, made.all("span")) == ("<b>\n", [])
        assert caplog.messages == [f"The lexer for python failed: {error.__name__}"]

    def test_a_lexer_that_changes_the_code_is_not_believed(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lexer = Mistaken()
        lexer.left_out = "b"
        monkeypatch.setattr(colouring_module, "get_lexer_by_name", lambda name, **options: lexer)
        assert read("```python\nabc\n```").one("code").text == "abc\n"

    def test_an_interruption_is_no_failure_of_a_lexer(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lexer = Mistaken()
        lexer.error = KeyboardInterrupt()
        monkeypatch.setattr(colouring_module, "get_lexer_by_name", lambda name, **options: lexer)
        with pytest.raises(KeyboardInterrupt):
            prose("```python\na\n```")

    def test_all_blocks_together_get_so_much_work_and_no_more(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now, asked = iter(range(1000)), []
        monkeypatch.setattr(colouring_module, "thread_time", lambda: next(now) / 20)
        monkeypatch.setattr(
            colouring_module,
            "get_lexer_by_name",
            lambda *name, **options: asked.append(name) or get_lexer_by_name(*name, **options),
        )
        made = read("```python\na = 1\n```\n" * 5)
        assert [code.text for code in made.all("code")] == ["a = 1\n"] * 5
        assert [code.count("<span") for code in made.html.split("</pre>\n")] == [1, 0, 0, 0, 0, 0]
        assert len(asked) == 2

    @try_each(
        ("language", "hostile"),
        [("python", " \n"), ("console", "a(@"), ("ini", " = "), ("html", "<!--"), ("css", '\\"')],
    )
    def test_what_takes_a_lexer_for_ever_is_plain_in_bounded_time(
        self, language: str, hostile: str
    ) -> None:
        code = hostile * (19_990 // len(hostile)) + "\n"
        before = thread_time()
        made = read(f"```{language}\n{code}```\n\n" * 5)
        assert [each.text for each in made.all("code")] == [code] * 5
        assert thread_time() - before < 10

    @pytest.mark.parametrize(
        "languages",
        [["bash", "html", "python"], pytest.param(sorted(LANGUAGES), marks=pytest.mark.long)],
    )
    def test_no_lexer_stays_at_one_place_for_long(
        self, languages: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its work ends between two pieces of the code only."""
        for language in languages:
            prose(f"```{language}\na\n```")
        monkeypatch.setattr(colouring_module, "MOST_SECONDS", 0.02)
        hostiles = ("\n", " \n", "\n\t", "a ", "a\n", "(", "<", '\\"', "\n/*", "a(b) ")
        for language, hostile in product(languages, hostiles):
            code = hostile * (19_000 // len(hostile))
            code = re.sub(f"[^\n]{{{LONGEST_LINE}}}", lambda found: found[0] + "\n", code) + "\n"
            before = thread_time()
            Highlighter().coloured(code, language)
            assert thread_time() - before < 1, (language, hostile)

    @pytest.mark.parametrize(
        "block",
        [
            "```http\nHTTP/1.1 200 OK\nContent-Type: text/x-python\n\ndef a(): pass\n```",
            "~~~markdown\n```python\ndef a(): pass\n```\n~~~",
            "~~~rst\n.. code:: python\n\n  def a(): pass\n~~~",
        ],
    )
    def test_a_lexer_asks_no_other_by_what_stands_in_the_code(self, block: str) -> None:
        made = read(block)
        assert made.one("code").text in block
        assert "def a(): pass" in made.html
        assert made.all("span") != []

    def test_every_language_is_one_of_pygments_and_plain_text_is_none(self) -> None:
        assert set(NAMES.values()) == LANGUAGES
        assert "text" not in NAMES

    @try_each(
        ("markdown", "labels"),
        [
            ("```python\na\n```\n\n```text\n1\n```", ["Code", "Ausgabe"]),
            ("```sql\na\n```\n```\n1\n```", ["Code", "Ausgabe"]),
            ("```python\na\n```\n\nIt prints:\n\n```output\n1\n```", ["Code", "Ausgabe"]),
            ("```python no-run needs root\na\n```\n```text varies\n1\n```", ["Code", "Ausgabe"]),
            ("```text\nGET /\n```", ["Code"]),
            ("```text\na\n```\n\n```text\nb\n```", ["Code", "Code"]),
            ("```python\na\n```\n\nA file:\n\n```text\nb\n```", ["Code", "Code"]),
            ("```python\na\n```\n\n```python\nb\n```", ["Code", "Code"]),
        ],
    )
    def test_what_code_prints_is_output(self, markdown: str, labels: list[str]) -> None:
        blocks = [each.attributes for each in read(markdown, output_label="Ausgabe").all("pre")]
        assert [each["aria-label"] for each in blocks] == labels
        assert [each["class"] for each in blocks] == [
            "code" if label == "Code" else "code output" for label in labels
        ]

    def test_no_lexer_is_loaded_before_it_is_needed(self) -> None:
        code = (
            "import sys\nfrom web.pages.markdown_html import prose\n"
            "loaded = lambda: 'pygments.lexers.python' in sys.modules\nprint(loaded())\n"
            "for language in ('nonsense', 'python'):\n"
            "    prose(f'```{language}\\na\\n```')\n    print(loaded())"
        )
        run = run_alone(code)
        assert (run.stdout.split(), run.stderr) == (["False", "False", "True"], "")
