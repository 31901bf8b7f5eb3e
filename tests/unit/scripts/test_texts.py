"""Texts of pages and pictures: in every language, and the choice of the language."""

import re
import subprocess
import sys
from gettext import GNUTranslations
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po
from hypothesis import given
from hypothesis import strategies as st

from core.i18n import (
    DEFAULT,
    DOMAIN,
    LANGUAGES,
    LOCALES,
    MOST_ASKED,
    language_of,
    negotiated,
    texts,
)
from testing.stack import ROOT
from testing.texts import text_commands

PLACE = re.compile(r"%\(\w+\)[a-z]|\{\w*\}")
HAN = "[\u4e00-\u9fff]"
MAPPING = ROOT / "core" / "locales" / "babel.cfg"

each_language = pytest.mark.parametrize(
    "language", [language for language in LANGUAGES if language != DEFAULT]
)


def po_path(language: str) -> Path:
    return LOCALES / language.replace("-", "_") / "LC_MESSAGES" / f"{DOMAIN}.po"


def committed(language: str) -> Catalog:
    with po_path(language).open("rb") as file:
        return read_po(file, language.replace("-", "_"), DOMAIN, abort_invalid=True)


def strings(text: str | tuple[str, ...] | list[str]) -> list[str]:
    return [text] if isinstance(text, str) else list(text)


def run(command: list[str], folder: Path = ROOT) -> str:
    """Run a command of `make texts`; what it prints when it fails, and nothing otherwise."""
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, capture_output=True, text=True, check=False
    )
    return f"{done.stdout}{done.stderr}" if done.returncode else ""


def translations(file: Path) -> dict[object, str]:
    """The texts of a compiled file, without its header, which names the version of Babel."""
    with file.open("rb") as content:
        found: dict[object, str] = vars(GNUTranslations(content))["_catalog"]
    return {text: string for text, string in found.items() if text}


def test_catalogues_have_what_the_sources_say_and_nothing_else(tmp_path: Path) -> None:
    extract, update, _ = text_commands(tmp_path)
    assert run(extract) == ""
    assert run([*update, "--check"]) == "", "run make texts"


@each_language
class TestCatalogue:
    def test_everything_is_translated(self, language: str) -> None:
        for message in committed(language):
            assert not message.fuzzy or not message.id, message.id
            assert all(strings(message.string)), message.id

    def test_a_translation_has_the_places_of_its_text(self, language: str) -> None:
        for message in committed(language):
            for string in strings(message.string) if message.id else ():
                assert set(PLACE.findall(string)) == set(PLACE.findall(strings(message.id)[-1])), (
                    message.id
                )

    def test_it_can_be_filled_in(self, language: str) -> None:
        catalogue = committed(language)
        assert [
            (message.id, error) for message in catalogue for error in message.check(catalogue)
        ] == []

    def test_what_is_read_at_run_time_is_what_was_translated(
        self, language: str, tmp_path: Path
    ) -> None:
        path, again = po_path(language), tmp_path / "again.mo"
        command = [*text_commands(tmp_path)[2][:3], "-i", str(path), "-o", str(again)]
        assert run([*command, "-l", language.replace("-", "_")]) == ""
        assert translations(path.with_suffix(".mo")) == translations(again), "run make texts"

    def test_it_says_which_language_it_is_and_how_that_counts(self, language: str) -> None:
        content = po_path(language).read_text("utf-8")
        assert f'"Language: {language.replace("-", "_")}\\n"' in content
        assert '"Plural-Forms: nplurals=' in content
        assert language_of(texts(language)) == language


def test_chinese_has_chinese_punctuation_and_one_form_for_every_number() -> None:
    catalogue = committed("zh-Hans")
    assert catalogue.num_plurals == 1
    found = [string for message in catalogue if message.id for string in strings(message.string)]
    assert [string for string in found if re.search(rf"{HAN}[,.;:!?]|[,;:!?] ?{HAN}", string)] == []


def test_a_language_has_a_name_and_words() -> None:
    assert [language_of(texts(language)) for language in LANGUAGES] == list(LANGUAGES)
    assert DEFAULT in LANGUAGES


class TestCollecting:
    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        """Sources of another application."""
        for file, text in {
            "core/locales/babel.cfg": MAPPING.read_text("utf-8"),
            "roadmap/none.py": "",
            "web/pages.py": 'hello = texts.gettext("Hello, %(name)s") % who\n'
            'later = gettext_noop("Later")\nprint("nothing")\n',
            "core/counts.py": 'texts.ngettext("%(count)d page", "%(count)d pages", n), '
            'texts.pgettext("a verb", "Open")\n',
            "web/templates/_parts/a.html": "{{ _('Open') }} "
            "{{ gettext('Hello, %(name)s', name=name) }}"
            "{% trans count=n %}\n  {{ count }} line\n  of it\n"
            "{% pluralize %}\n  {{ count }} lines\n  of it\n{% endtrans %}",
            "tests/test_it.py": 'gettext("Not here")\n',
            "web/static/a.html": "{{ _('Nor here') }}\n",
        }.items():
            path = tmp_path / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    def test_code_and_templates_are_read(self, root: Path) -> None:
        assert run(text_commands(root)[0], root) == ""
        content = (root / "roadmap.pot").read_bytes()
        with (root / "roadmap.pot").open("rb") as file:
            found = {(message.context, message.id) for message in read_po(file) if message.id}
        assert found == {
            (None, "Hello, %(name)s"),
            (None, "Later"),
            (None, ("%(count)d page", "%(count)d pages")),
            ("a verb", "Open"),
            (None, "Open"),
            (None, ("%(count)s line of it", "%(count)s lines of it")),
        }
        assert b"#: web/pages.py web/templates/_parts/a.html\n" in content

    def test_a_template_that_is_none_is_not_passed_over(self, root: Path) -> None:
        (root / "web/templates/broken.html").write_text("{% trans %}")
        assert "TemplateSyntaxError" in run(text_commands(root)[0], root)


class TestNegotiation:
    def test_the_best_that_is_there(self) -> None:
        wanted = {
            "": "en",
            "en": "en",
            "en-GB,en;q=0.9": "en",
            "de": "en",
            "zh": "zh-Hans",
            "zh-CN": "zh-Hans",
            "ZH-cn": "zh-Hans",
            "zh-SG": "zh-Hans",
            "zh-Hans-CN": "zh-Hans",
            "zh-Hans-HK": "zh-Hans",
            "zh-TW": "en",
            "zh-HK, zh-MO": "en",
            "zh-Hant-CN": "en",
            "zh-TW, zh-Hans;q=0.5": "zh-Hans",
            "zh-TW, en;q=0.9, zh;q=0.8": "en",
            "zh-CN,zh;q=0.9,en;q=0.8": "zh-Hans",
            "en;q=0.5, zh;q=0.6": "zh-Hans",
            "zh;q=0.5, en;q=0.6": "en",
            "en;q=0.5, zh;q=0.5": "en",
            "zh;q=0.5, en;q=0.5": "zh-Hans",
            "de, fr;q=0.9, zh ; q = 0.1": "zh-Hans",
            "*": "en",
            "zh, *;q=0.5": "zh-Hans",
            "*, zh;q=0.5": "en",
            "zh;q=0": "en",
            "zh;q=0.000, de": "en",
            "en;q=0, zh;q=0.001": "zh-Hans",
            "zh;q=1.000": "zh-Hans",
        }
        assert {accepted: negotiated(accepted) for accepted in wanted} == wanted

    def test_what_is_no_language_is_passed_over(self) -> None:
        garbage = [
            "zh_CN",
            "zh-",
            "-zh",
            "zh;q=2",
            "zh;q=0.1234",
            "zh;q=-1",
            "zh;q=nan",
            "zh;q=1e9",
            "zh;level=1",
            "中文",
            "zh\r\nSet-Cookie: a=b",
            "zh\x00",
            '"><script>',
            ";;;,,,=q",
        ]
        assert [text for text in garbage if negotiated(text) != "en"] == []
        assert [text for text in garbage if negotiated(f"{text}, zh;q=0.3") != "zh-Hans"] == []

    def test_a_header_of_any_length_is_read_at_once(self) -> None:
        parts = ("a", "-", ",", " ", "zh", "zh-", "zh;", "zh ;q=0. ", "*", "\u3000")
        assert [part for part in parts if negotiated(part * (10_000 // len(part))) != "en"] == []

    def test_only_the_first_languages_of_a_header_count(self) -> None:
        assert negotiated("de," * (MOST_ASKED - 1) + "zh") == "zh-Hans"
        assert negotiated("de," * MOST_ASKED + "zh") == "en"

    @given(st.text())
    def test_the_answer_is_one_of_ours(self, accepted: str) -> None:
        assert negotiated(accepted) in LANGUAGES
