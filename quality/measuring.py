"""What is measured of each concept of a course."""

from collections.abc import Mapping
from dataclasses import dataclass

from core.visiting import Visit
from quality import code_blocks, likeness, links, reading_level
from quality.subjects import Course, Subject
from roadmap import lesson
from roadmap.lesson import Lesson
from roadmap.outline import Question


@dataclass(frozen=True, slots=True)
class Measured:
    """`words` are of the tutorial; `level` is the reading level, in the unit of its language; `support` has, of each question, how
    much of it stands in the tutorial (0 to 1); `overlap` is the share of eight-word runs in common with the concept that has most
    of them. What could not be measured is None, and `not_measured` says why.
    """

    key: str
    title: str
    language: str
    words: int | None = None
    level: float | None = None
    blocks: int = 0  # of code
    broken_blocks: tuple[str, ...] = ()
    unread_blocks: int = 0  # in a language that nothing here reads
    sections: int = 0
    exercise_words: int = 0
    solution_words: int = 0
    resources: int = 0
    unofficial: tuple[str, ...] = ()
    dead: tuple[str, ...] = ()
    alive: int | None = None
    questions: int = 0
    types: frozenset[str] = frozenset()
    quiz_faults: tuple[str, ...] = ()
    support: tuple[float, ...] = ()
    overlap: float = 0.0
    overlaps_with: str = ""
    missing: tuple[str, ...] = ()
    not_measured: tuple[str, ...] = ()
    tutorial_language: str = "en"

    @property
    def is_chinese(self) -> bool:
        return self.tutorial_language.split("-")[0].lower() == "zh"


def measured(course: Course, seen: Mapping[str, Visit] | None = None) -> list[Measured]:
    """`seen` is what was found at the addresses; None: nobody has looked."""
    written = [concept for concept in course.concepts if concept.tutorial is not None]
    weight = likeness.weights(concept.tutorial or "" for concept in written)
    runs = {concept.key: likeness.shingles(concept.tutorial or "") for concept in written}
    return [_of(concept, weight, runs, seen) for concept in course.concepts]


def _of(
    concept: Subject,
    weight: Mapping[str, float],
    runs: Mapping[str, frozenset[tuple[str, ...]]],
    seen: Mapping[str, Visit] | None,
) -> Measured:
    facts: dict[str, object] = {"tutorial_language": concept.tutorial_language}
    missing = [
        name
        for name, part in (("tutorial", concept.tutorial), ("resources", concept.resources), ("quiz", concept.quiz))
        if part is None
    ]
    not_measured = []
    if concept.tutorial is not None:
        facts |= _tutorial(concept.tutorial, concept.tutorial_language)
        facts |= _most_overlap(concept.key, runs)
    if concept.resources is not None:
        urls = [resource.url for resource in concept.resources]
        facts |= {"resources": len(urls), "unofficial": tuple(url for url in urls if not links.is_official(url))}
        if seen is not None:
            found = {url: seen[url] for url in urls if url in seen}
            facts["dead"] = tuple(f"{url} ({visit.wrong})" for url, visit in found.items() if links.is_dead(visit))
            facts["alive"] = sum(1 for visit in found.values() if not visit.wrong)
    if concept.quiz is not None:
        asked = concept.quiz.questions
        faults = [
            f"question {number}: {fault}" for number, question in enumerate(asked, start=1) for fault in question_faults(question)
        ]
        prompts = [question.prompt for question in asked]
        faults += ["a question is asked twice"] if len(set(prompts)) < len(prompts) else []
        facts |= {"questions": len(asked), "types": frozenset(question.type for question in asked), "quiz_faults": tuple(faults)}
        if concept.tutorial is not None and not concept.is_mixed:
            its = frozenset(likeness.terms(concept.tutorial))
            facts["support"] = tuple(likeness.support(question, its, weight) for question in asked)
    if concept.is_mixed:
        not_measured.append(f"the quiz is in {concept.language}, its tutorial in {concept.tutorial_language}: not compared")
    return Measured(
        concept.key,
        concept.title,
        concept.language,
        missing=tuple(missing),
        not_measured=tuple(not_measured),
        **facts,  # type: ignore[arg-type]
    )


def _tutorial(markdown: str, language: str) -> dict[str, object]:
    read = lesson.read(markdown)
    code = [block for block in read.blocks if code_blocks.is_code(block)]
    faults = {block: code_blocks.fault(block) for block in code}
    broken = tuple(f"line {block.line}, {block.language}: {fault}" for block, fault in faults.items() if fault)
    return {
        "words": lesson.words(markdown),
        "level": reading_level.level(read.prose, language),
        "blocks": len(code),
        "broken_blocks": broken,
        "unread_blocks": sum(1 for fault in faults.values() if fault is None),
        "sections": len(read.sections) - 1,
        **_exercise(read),
    }


def _exercise(read: Lesson) -> dict[str, object]:
    exercise, solution = read.exercise, read.solution
    return {
        "exercise_words": lesson.words(exercise.text) if exercise else 0,
        "solution_words": lesson.words(solution.text) if solution else 0,
    }


def _most_overlap(key: str, runs: Mapping[str, frozenset[tuple[str, ...]]]) -> dict[str, object]:
    shares = {other: likeness.overlap(runs[key], its) for other, its in runs.items() if other != key}
    other = max(shares, key=shares.__getitem__, default="")
    return {"overlap": shares.get(other, 0.0), "overlaps_with": other}


def question_faults(question: Question) -> list[str]:
    """What is wrong with a question that its type does not forbid already; a sentence goes on behind its number."""
    found = []
    if len(question.options) == len(question.answers):
        found.append("every option is right")
    if question.type == "true_false" and len(question.options) != 2:
        found.append(f"true or false has {len(question.options)} options")
    if question.type == "single" and len(question.options) < 3:
        found.append("a choice of two is a guess")
    if len({option.strip().casefold() for option in question.options}) < len(question.options):
        found.append("two options are the same")
    if question.explanation.strip() == question.prompt.strip():
        found.append("its explanation is its question")
    return found
