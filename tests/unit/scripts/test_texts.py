"""Texts of pages and pictures: in every language, and the choice of the language."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import TemplateSyntaxError

from core.i18n import DEFAULT, LANGUAGES, MOST_ASKED, language_of, negotiated, texts
from scripts.texts import (
    MessageCatalogue,
    collected,
    is_open,
    mo,
    po,
    po_path,
    read,
    translate,
    translated,
)

PLACE = re.compile(r"%\(\w+\)[a-z]|\{\w*\}")
HAN = "[\u4e00-\u9fff]"

each_language = pytest.mark.parametrize("language", translated())


def committed(language: str) -> MessageCatalogue:
    return read(language, po_path(language).read_bytes())


def messages_of(catalogue: MessageCatalogue) -> set[tuple[str | None, tuple[str, ...]]]:
    """Every text, with its context and its plural."""
    return {
        (message.context, tuple(message.id) if message.pluralizable else (message.id,))
        for message in catalogue
        if message.id
    }


def strings(text: str | tuple[str, ...] | list[str]) -> list[str]:
    return [text] if isinstance(text, str) else list(text)


@each_language
class TestCatalogue:
    def test_it_has_what_the_sources_say_and_nothing_else(self, language: str) -> None:
        now, then = messages_of(collected(language)), messages_of(committed(language))
        assert (sorted(map(repr, now - then)), sorted(map(repr, then - now))) == ([], []), (
            "run make texts"
        )

    def test_everything_is_translated(self, language: str) -> None:
        assert [message.id for message in committed(language) if is_open(message)] == []

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

    def test_what_is_read_at_run_time_is_what_was_translated(self, language: str) -> None:
        path = po_path(language)
        assert path.with_suffix(".mo").read_bytes() == mo(language, path.read_bytes()), (
            "run make texts"
        )

    def test_it_says_which_language_it_is_and_how_that_counts(self, language: str) -> None:
        content = po_path(language).read_text("utf-8")
        assert f'"Language: {language.replace("-", "_")}\\n"' in content
        assert '"Plural-Forms: nplurals=' in content
        assert language_of(texts(language)) == language

    def test_collecting_once_more_changes_nothing(self, language: str) -> None:
        catalogue = collected(language)
        translate(catalogue, committed(language))
        again = collected(language)
        translate(again, read(language, po(catalogue)))
        assert po(again) == po(catalogue)
        assert not re.search(r"\.(?:py|html):\d|\d{4}-\d{2}-\d{2}|Babel", po(catalogue).decode())


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
        assert messages_of(collected("zh-Hans", root)) == {
            (None, ("Hello, %(name)s",)),
            (None, ("Later",)),
            (None, ("%(count)d page", "%(count)d pages")),
            ("a verb", ("Open",)),
            (None, ("Open",)),
            (None, ("%(count)s line of it", "%(count)s lines of it")),
        }
        assert b"#: web/pages.py web/templates/_parts/a.html\n" in po(collected("zh-Hans", root))

    def test_a_template_that_is_none_is_not_passed_over(self, root: Path) -> None:
        (root / "web/templates/broken.html").write_text("{% trans %}")
        with pytest.raises(TemplateSyntaxError) as raised:
            collected("zh-Hans", root)
        assert raised.value.__notes__ == ["web/templates/broken.html, line 1"]

    def test_translations_are_kept_dropped_and_never_guessed(self, root: Path) -> None:
        known = collected("zh-Hans", root)
        known.get("Later").string = "以后"
        known.get("Open", "a verb").string = "打开"
        known.add("Gone", "没了")
        known.add("Hello, %(names)s", "你好，%(names)s")
        now = collected("zh-Hans", root)
        translate(now, read("zh-Hans", po(known)))
        assert {
            (message.context, message.id): message.string
            for message in now
            if message.id and not is_open(message)
        } == {
            (None, "Later"): "以后",
            ("a verb", "Open"): "打开",
        }
        assert messages_of(read("zh-Hans", po(now))) == messages_of(now)

    def test_what_is_not_translated_or_only_perhaps_stays_english(self, root: Path) -> None:
        known = collected("zh-Hans", root)
        known.get("Later").string = "以后"
        known.get("Open").string = "打开"
        known.get("Open").flags.add("fuzzy")
        content = mo("zh-Hans", po(known))
        assert "以后".encode() in content
        assert "打开".encode() not in content
        assert b"page" not in content


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
