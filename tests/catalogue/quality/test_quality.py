"""The measure of quality finds what is bad."""

import json
from copy import deepcopy
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from core.net.link_probe import Visit
from quality import likeness, links, reading_level
from quality.__main__ import main
from quality.code_blocks import GRAMMARS, fault, is_code
from quality.floor import FLOORS, TRACK_FLOORS, faults, track_faults
from quality.measuring import Comparison, ConceptMetrics, FinishedRoadmap, Subject, measured
from quality.report import Report, as_json, summary
from quality.subjects import NotMeasurable, of_catalogue, of_file
from roadmap.generation.tutorial_lint import CodeBlock
from roadmap.plan.outline import Question, Quiz
from tests.cases import try_each
from tests.portables import DOCUMENT

SOME = ("caching", "command-line-and-git", "background-jobs", "http-fundamentals", "transactions")


@lru_cache(maxsize=1)
def course() -> FinishedRoadmap:
    """Some concepts of one, beside which a changed one is measured."""
    whole = next(of_catalogue("python-backend"))
    return FinishedRoadmap(
        whole.name, tuple(each for each in whole.concepts if each.key.rpartition("/")[2] in SOME)
    )


def changed(key: str = "python-backend/caching", **changes: Any) -> ConceptMetrics:
    """One concept of a course, as it is when something of it is different."""
    concepts = tuple(
        replace(each, **changes) if each.key == key else each for each in course().concepts
    )
    made = FinishedRoadmap("changed", concepts)
    return next(each for each in measured(made, Comparison([made])) if each.key == key)


def subject(key: str = "python-backend/caching") -> Subject:
    return next(each for each in course().concepts if each.key == key)


class TestQuestionsOfATrack:
    """None can be guessed by type, number, length or position."""

    def test_good_questions_have_no_fault(self) -> None:
        assert self.faults() == []
        assert track_faults(FinishedRoadmap("empty", ())) == []

    @pytest.mark.parametrize(
        ("change", "fault"),
        [
            ({"typed": 0, "order": 1}, "typed answers and lines to order: 0.06, at least 0.12"),
            ({"single": 4}, "choice of one: 0.31, at least 0.45"),
            ({"single": 24}, "choice of one: 0.73, at most 0.65"),
            ({"multiple": 1}, "choice of several: 0.06, at least 0.1"),
            ({"multiple": 8}, "choice of several: 0.35, at most 0.25"),
            ({"true_false": 8}, "true or false: 0.32, at most 0.2"),
            ({"true": 2}, "statements that are true: 1, at most 0.6"),
            ({"true": 0}, "statements that are true: 0, at least 0.4"),
            ({"right": (2,)}, "several: most frequent count of right options: 1, at most 0.6"),
            ({"extra": 0}, "several: different counts of options: 1, at least 2"),
            ({"long": 4}, "one: right option the only longest: 0.4, at most 0.33"),
            ({"places": (0, 1, 2)}, "one: rarest position of the right option: 0, at least 0.15"),
            ({"places": (0, 0, 1, 2, 3)}, "one: most frequent position of the right option: 0.4, "),
            ({"tied": 4}, "questions about numbers of the tutorial: 0.21, at most 0.15"),
        ],
        ids=str,
    )
    def test_each_rule_can_fail(self, change: dict[str, Any], fault: str) -> None:
        found = self.faults(**change)
        assert any(each.startswith(f"made (en), track: {fault}") for each in found), found

    def test_each_rule_has_a_name_of_its_own(self) -> None:
        names = [floor.name for floor in (*FLOORS, *TRACK_FLOORS)]
        assert len({*names}) == len(names)

    def faults(
        self,
        *,
        single: int = 10,
        multiple: int = 4,
        true_false: int = 2,
        typed: int = 2,
        order: int = 1,
        true: int = 1,
        right: tuple[int, ...] = (2, 3),
        extra: int = 1,
        long: int = 3,
        places: tuple[int, ...] = (0, 1, 2, 3),
        tied: int = 2,
    ) -> list[str]:
        """Of a track with as many questions of each type; `tied` need the tutorial."""
        made: list[dict[str, Any]] = []
        for number in range(single):
            options = [f"option {letter}" for letter in "abcd"]
            place = places[number % len(places)]
            options[place] += " and more" if number < long else ""
            made.append({"type": "single", "options": options, "answers": [place]})
        for number in range(multiple):
            options = [*"abcde"][: 4 + extra * (number % 2)]
            answers = [*range(right[number % len(right)])]
            made.append({"type": "multiple", "options": options, "answers": answers})
        for number in range(true_false):
            answers = [0] if number < true * true_false / 2 else [1]
            made.append({"type": "true_false", "options": ["True", "False"], "answers": answers})
        made += [{"type": "typed", "accepted": ["a"]}] * typed
        made += [{"type": "order", "options": ["a", "b"]}] * order
        questions = [
            {"prompt": f"{number}?", "explanation": "So.", "needs_tutorial": number < tied, **each}
            for number, each in enumerate(made)
        ]
        quiz = Quiz.model_validate({"questions": questions})
        concept = replace(subject(), quiz=quiz)
        return track_faults(FinishedRoadmap("made (en)", (concept,)))


class TestWhatIsBad:
    """Each fault is found, and no other."""

    def test_as_it_is_there_are_no_faults(self) -> None:
        assert faults(changed()) == []

    def test_a_part_that_is_missing(self) -> None:
        assert faults(changed(tutorial=None)) == ["no tutorial"]
        assert faults(changed(resources=None)) == ["no resources"]
        assert faults(changed(quiz=None)) == ["no quiz"]

    def test_a_tutorial_without_exercise_and_solution(self) -> None:
        assert subject().tutorial is not None
        beginning = subject().tutorial.split("\n## ")[0]  # type: ignore[union-attr]
        found = faults(changed(tutorial=beginning))
        assert any(each.startswith("sections: 0") for each in found)
        assert any(each.startswith("exercise: 0 words") for each in found)
        assert any(each.startswith("solution: 0 words") for each in found)
        assert any(each.startswith("length of the tutorial") for each in found)

    def test_code_that_does_not_parse(self) -> None:
        text = (subject().tutorial or "").replace("import threading", "import (threading", 1)
        (found,) = faults(changed(tutorial=text))
        assert found.startswith("code does not parse: line ")
        assert "python" in found

    def test_a_quiz_of_another_tutorial(self) -> None:
        other = subject("python-backend/command-line-and-git").quiz
        found = faults(changed(quiz=other))
        its = "the tutorial of python-backend/command-line-and-git"
        assert f"the quiz is closer to {its} than to its own" in found
        assert any(each.startswith("quiz answerable from the tutorial (mean)") for each in found)

    def test_a_tutorial_that_repeats_another(self) -> None:
        other = subject("python-backend/background-jobs").tutorial or ""
        paragraph = max(other.split("\n\n"), key=len)
        (found,) = faults(changed(tutorial=f"{paragraph}\n\n{subject().tutorial}"))
        assert found.startswith("overlap with another concept")

    def test_a_sentence_without_end(self) -> None:
        long = (
            "which is a representation of internationalised interoperability considerations " * 120
        )
        (found,) = faults(changed(tutorial=f"{long}.\n\n{subject().tutorial}"))[:1]
        assert found.startswith(("length of the tutorial", "reading level of English"))

    def test_resources_without_official_links(self) -> None:
        items = tuple(
            item.model_copy(update={"url": f"https://blog-{at}.example.org/"})
            for at, item in enumerate(subject().resources or ())
        )
        (found,) = faults(changed(resources=items))
        assert found == "official links: 0, at least 0.6"

    def test_a_link_that_is_dead(self) -> None:
        urls = [item.url for item in subject().resources or ()]
        seen = {
            urls[0]: Visit(404, "it answered with status 404"),
            urls[1]: Visit(200),
            urls[2]: Visit(503, "it answered with status 503"),
        }
        found = next(
            each
            for each in measured(course(), Comparison([course()]), seen)
            if each.key == subject().key
        )
        assert faults(found) == [f"dead link: {urls[0]} (it answered with status 404)"]
        assert found.alive == 1

    def test_questions_that_are_no_questions(self) -> None:
        good = subject().quiz
        assert good is not None
        one = good.questions[0]
        all_right = one.model_copy(
            update={"type": "multiple", "answers": tuple(range(len(one.options)))}
        )
        guess = Question(
            type="single",
            prompt=one.prompt,
            options=one.options[:2],
            answers=(0,),
            explanation=one.explanation,
        )
        same = one.model_copy(
            update={"options": (one.options[0], f" {one.options[0]} ".upper(), *one.options[2:])}
        )
        for bad, text in [
            (all_right, "question 1: every option is right"),
            (guess, "question 1: a choice of two is a guess"),
            (same, "question 1: two options are the same"),
        ]:
            assert f"quiz: {text}" in faults(
                changed(quiz=Quiz(questions=(bad, *good.questions[1:])))
            )
        assert "quiz: a question is asked twice" in faults(
            changed(quiz=Quiz(questions=(*good.questions, one)))
        )

    def test_few_questions_of_one_kind(self) -> None:
        good = subject().quiz
        assert good is not None
        alike = tuple(question for question in good.questions if question.type == "single")[:2]
        found = faults(changed(quiz=Quiz(questions=alike)))
        assert found == ["questions: 2, at least 4", "types of questions: 1, at least 2"]

    def test_a_quiz_in_another_language_than_its_tutorial_is_not_compared(self) -> None:
        found = changed(language="zh-Hans")
        assert found.support == ()
        assert found.not_measured == ("the quiz is in zh-Hans, its tutorial in en: not compared",)


class TestMeasures:
    def test_the_index_is_that_of_its_authors(self) -> None:
        """4.71 letters a word + 0.5 words a sentence - 21.43."""
        assert reading_level.automated_readability_index("One two six ten.") == pytest.approx(
            4.71 * 3 + 0.5 * 4 - 21.43
        )
        assert reading_level.level("Simple words. Short ones.", "en-GB") == pytest.approx(
            4.71 * 20 / 4 + 0.5 * 2 - 21.43
        )

    def test_of_chinese_characters_a_sentence_are_counted(self) -> None:
        assert reading_level.level("缓存保存应答。它会变旧！", "zh-Hans") == pytest.approx(
            (6 + 4) / 2
        )

    def test_other_languages_have_no_level(self) -> None:
        assert reading_level.level("Ein Satz.", "de") is None

    @try_each(
        ("language", "good", "bad"),
        [
            ("python", "print(1)\n", "print(1\n"),
            ("json", '{"a": 1}', "{'a': 1}"),
            ("toml", "a = 1\n", "a = = 1\n"),
            ("yaml", "a: [1, 2]\n", "a: [1, 2\n"),
            ("yaml", "a: !Ref b\nc: 2026-13-45\n", "a: *b\n"),
            ("yaml", "[[]]", "[" * 3000),
            ("ini", "[a]\nb = 1\n", "[a\nb = 1\n"),
            ("ini", "b = 'x'\n", "[a]\n= 1\n[a"),
            ("sql", "SELECT a FROM b WHERE c = 1 ORDER BY a LIMIT 3;", "SELECT FROM WHERE (a"),
            ("sql", "SELECT 1", "SELECT " + "(" * 3000),
            ("bash", "for x in a b; do echo $x; done\n", "for x in a b; do echo $x\n"),
            ("javascript", "const a = () => 1;\n", "const = 1;\n"),
            ("jsx", "const a = <p>{b}</p>;\n", "const a = <p>{b;\n"),
            ("typescript", "const a: number = 1;\n", "const a: = 1;\n"),
            ("tsx", "const a = <p>{b as string}</p>;\n", "const a = <p>{b as}</p;\n"),
            ("html", "<p>a <b>c</b></p>\n", "<p <b>a</p\n"),
            ("css", "a { color: red; }\n", "a { color red }} b {\n"),
            ("hcl", 'resource "a" "b" { c = 1 }\n', 'resource "a" { c = \n'),
            ("dockerfile", "FROM a\nRUN b\n", "FRM a\n"),
        ],
    )
    def test_code_is_parsed_in_its_language(self, language: str, good: str, bad: str) -> None:
        assert fault(CodeBlock(language, good, 1)) == ""
        assert fault(CodeBlock(language, bad, 1))

    def test_every_grammar_can_be_loaded(self) -> None:
        assert [
            language for language in GRAMMARS if fault(CodeBlock(language, "", 1)) is None
        ] == []

    @pytest.mark.parametrize("code", ["(" * 300, "[a for a in " * 300, "f(" * 300])
    def test_code_that_is_too_deep_for_its_parser_does_not_parse(self, code: str) -> None:
        assert fault(CodeBlock("python", code, 1))

    def test_code_is_parsed_and_not_compiled(self) -> None:
        """Each nested `finally` doubles the work of compile(): 30 took 10 hours and all memory."""
        levels = "".join(
            f"{' ' * at}try:\n{' ' * at} pass\n{' ' * at}finally:\n" for at in range(30)
        )
        assert fault(CodeBlock("python", f"{levels}{' ' * 30}pass", 1)) == ""

    @try_each(
        ("language", "code"),
        [
            *(("yaml", "[" * 3000), ("yaml", '"\\UFFFFFFFF"')),
            *(("ini", "[a]\nb\n c"), ("sql", "select " + "(" * 2000)),
        ],
    )
    def test_any_error_of_a_parser_is_a_fault(self, language: str, code: str) -> None:
        assert fault(CodeBlock(language, code, 1))

    def test_code_that_would_take_minutes_to_parse_is_not_looked_at(self) -> None:
        assert fault(CodeBlock("toml", "a" + ".a" * 45_000 + " = 1", 1)) == ""

    def test_a_language_without_a_parser_has_no_result(self) -> None:
        assert fault(CodeBlock("cobol", "DISPLAY 'A'.", 1)) is None

    def test_what_is_printed_is_no_code(self) -> None:
        assert not is_code(CodeBlock("text", "(", 1))
        assert not is_code(CodeBlock("", "(", 1))
        assert is_code(CodeBlock("python", "(", 1))

    def test_what_is_common_tells_little(self) -> None:
        weight = likeness.weights(["the cache is fast", "the queue is slow", "the cache expires"])
        question = Question(
            type="single", prompt="queue", options=("slow", "x", "y"), answers=(0,), explanation="z"
        )
        assert (
            likeness.support(question, frozenset(likeness.terms("the queue is slow")), weight)
            == 1.0
        )
        assert (
            likeness.support(question, frozenset(likeness.terms("the cache is fast")), weight)
            == 0.0
        )

    def test_an_official_host_is_named_with_its_publisher(self) -> None:
        assert links.is_official("https://docs.python.org/3/library/functools.html#x")
        assert not links.is_official("https://docs.python.org.example.org/")
        assert not links.is_official("https://not-arxiv.org/")
        assert all(name and publisher for name, publisher in links.official_hosts().items())

    def test_an_address_that_cannot_be_read_is_not_official(self) -> None:
        assert not links.is_official("http://[")


class TestLinks:
    URLS = (
        "https://a.example/1",
        "https://a.example/2",
        "https://b.example/1",
        "https://a.example/1",
    )

    def looked_at(
        self, monkeypatch: pytest.MonkeyPatch, status: int | None
    ) -> tuple[list[str], dict[str, Visit] | None]:
        asked: list[str] = []

        def visit(url: str, **_: Any) -> Visit:
            asked.append(url)
            return Visit(status)

        monkeypatch.setattr(links, "visit", visit)
        monkeypatch.setattr(links, "PAUSE", 0)
        return asked, links.visited(self.URLS, lambda: None)

    def test_each_address_is_visited_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked, seen = self.looked_at(monkeypatch, 200)
        assert sorted(asked) == sorted(set(self.URLS))
        assert seen == dict.fromkeys(self.URLS, Visit(200))

    def test_where_no_host_answers_nothing_is_known(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked, seen = self.looked_at(monkeypatch, None)
        assert seen is None
        assert sorted(asked) == ["https://a.example/1", "https://b.example/1"]


class TestFiles:
    def test_an_exported_roadmap_is_measured(self, tmp_path: Path) -> None:
        file = tmp_path / "bread.json"
        file.write_text(json.dumps(DOCUMENT))
        made = of_file(file)
        found = {each.key: faults(each) for each in measured(made, Comparison([made]))}
        assert "sections: 0, at least 3" in found["flour"]
        assert "no resources" in found["dough"]

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("{", "Invalid JSON"),
            ("{}", "Field required"),
            (json.dumps({**DOCUMENT, "version": 9}), "newer version"),
        ],
    )
    def test_what_is_no_roadmap_is_refused(self, tmp_path: Path, text: str, expected: str) -> None:
        file = tmp_path / "bread.json"
        file.write_text(text)
        with pytest.raises(NotMeasurable, match=expected):
            of_file(file)

    def test_a_file_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(NotMeasurable, match="cannot be read: No such file"):
            of_file(tmp_path / "none.json")


class TestReport:
    def test_it_counts_what_is_below(self) -> None:
        reports = [
            Report("good", [changed()], visited=False),
            Report("bad", [changed(quiz=None)], visited=True),
        ]
        assert [report.below for report in reports] == [0, 1]
        assert reports[1].faults == ["bad, python-backend/caching: no quiz"]
        assert "2 concepts, 1 below the floor" in summary(reports)
        assert "links alive" in summary(reports).splitlines()[1]
        assert "4/6 blocks of code parse" in summary(
            [Report("odd", [replace(changed(), blocks=6, unread_blocks=2)], visited=False)]
        )
        body = json.loads(as_json(reports))
        assert body[1]["concepts"][0]["faults"] == ["no quiz"]

    def test_every_floor_has_its_name(self) -> None:
        assert len({floor.name for floor in FLOORS}) == len(FLOORS)


class TestProgram:
    def run(self, *arguments: str, columns: int = 200) -> Result:
        done = CliRunner().invoke(main, arguments, env={"COLUMNS": str(columns)})
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done

    def test_one_track_is_measured_and_printed(self) -> None:
        done = self.run("--track", "devops", "--no-links", columns=80)
        assert done.exit_code == 0, done.output
        assert "No link was looked at, as it was asked for." in done.stdout
        assert "devops (en): " in done.stdout
        assert (
            "\nlinux-processes-and-permissions " in done.stdout
        )  # whole, however narrow the terminal is
        assert "0 below the floor of docs/QUALITY.md" in done.stdout

    def test_a_bad_file_ends_with_1_and_says_what_is_bad(self, tmp_path: Path) -> None:
        file = tmp_path / "bread.json"
        file.write_text(json.dumps(DOCUMENT))
        done = self.run("--file", str(file), "--no-links")
        assert done.exit_code == 1
        assert "bread.json, flour: exercise: 0 words, at least 15 words" in done.stdout

    @pytest.mark.parametrize("arguments", [("--track", "cooking"), ("--file", "nowhere.json")])
    def test_what_cannot_be_measured_ends_with_2(self, arguments: tuple[str, str]) -> None:
        done = self.run(*arguments)
        assert done.exit_code == 2
        assert "There is no track 'cooking'" in done.stdout or "cannot be read" in done.stdout

    def test_everything_is_printed_as_json(self, tmp_path: Path) -> None:
        file = tmp_path / "bread.json"
        document = deepcopy(DOCUMENT)
        file.write_text(json.dumps(document))
        done = self.run("--file", str(file), "--no-links", "--json")
        assert json.loads(done.stdout)[0]["below"] == 2
