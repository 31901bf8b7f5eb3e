"""Courses for goals, scored by code and by a judge; or two runs compared.

A run works as the content worker does, with its jobs, in a database of its own. Each answer is
saved in a folder, named after the options of the run: the same run goes on where it ended.
"""

import copy
import hashlib
import json
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import fmean
from time import sleep
from types import SimpleNamespace
from typing import Annotated, Any, Literal
from uuid import NAMESPACE_URL, UUID, uuid5

import click
from pydantic import Field, TypeAdapter, create_model

from core import backends, migrate
from core.db import session, settings
from models.roadmaps import Concept, Content, Roadmap
from quality import links, measuring, subjects
from quality.evaluation import scoring
from roadmap.accounts import accounts, identity
from roadmap.budget import budget, cost_report
from roadmap.exchange.formats import json_
from roadmap.generation import context, generator, retry_policy
from roadmap.generation.llm import prompt, schemas
from roadmap.lifecycle.making import content_job, create, plan_job
from roadmap.plan.outline import Outline
from roadmap.plan.schemas import RoadmapRequest

HERE = Path(__file__).parent
FILE = click.Path(path_type=Path, dir_okay=False, exists=True)
OWNER = identity.LOCAL_OWNER
DRAWN = 2  # concepts beside those of the first module
LONGEST = 20_000  # characters of a tutorial, and of a quiz, that a judge reads
TRIES, LONGEST_PAUSE = 3, 60.0  # of a judge; seconds between them
JUDGEMENT: Any = create_model(  # type: ignore[call-overload]
    "Judgement",
    __base__=schemas.Draft,
    **dict.fromkeys(scoring.CRITERIA, (Literal[1, 2, 3, 4, 5], ...)),
    reason=(Annotated[schemas.Line, Field(json_schema_extra={"maxLength": 200})], ...),
)


class EvaluationRun:
    """A run of one model with its prompts, a judge and a choice of concepts."""

    def __init__(self, into: Path, limit: int, options: dict[str, Any]) -> None:
        prompt_files = sorted(prompt.FOLDER.glob("*.md")) + sorted(
            prompt.FOLDER.parent.glob("*.py")
        )
        asked = b"".join(each.read_bytes() for each in prompt_files if each.stem != "judge")
        self.options = {
            "model": settings.openai_model,
            "prompts": hashlib.sha256(asked).hexdigest()[:8],  # with the code that sends them
            **options,
            "rubric": prompt.prompt("judge").version,
            "currency": settings.currency,
        }
        self.folder = into / hashlib.sha256(json.dumps(self.options).encode()).hexdigest()[:8]
        own = settings.model_copy(update={"data_dir": self.folder})
        migrate.migrate(own)
        backends.database.initialize(backends.open_database(own))
        accounts.ensure_local_owner()
        self.numbers = iter(range(1, limit + 1))  # of calls
        self._generator = generator.choose_generator(settings)
        self._judge: Any = generator.choose_generator(
            settings.model_copy(update={"openai_model": options["judge"]})
        )

    def results(self) -> dict[str, Any]:
        """Return the finished goals, and save them with the options as one document."""
        entries = {each.stem: json.loads(each.read_bytes()) for each in self.folder.glob("*.goal")}
        goals = {name: entry for name, entry in sorted(entries.items()) if "scores" in entry}
        save(self.folder.with_suffix(".json"), {"options": self.options, "goals": goals})
        return goals

    def evaluate(self, name: str, request: RoadmapRequest) -> None:
        """Make, score and judge a course. Raises KeyboardInterrupt at the limit of calls."""
        file, roadmap_id = self.folder / f"{name}.goal", uuid5(NAMESPACE_URL, name)
        marks = json.loads(file.read_bytes())["judged"] if file.exists() else {}
        create.create_many([create.NewRoadmap(OWNER, request, roadmap_id)])  # unless it is there
        model: Any = copy.copy(self._generator)
        model.metered = lambda meter: self._generator.metered(self._counted(name, meter))
        follow(plan_job.plan, roadmap_id, model)
        with session():
            row = Roadmap.get_by_id(roadmap_id)
        scores: dict[str, float | None] = {"planned": float(row.revision > 0)}
        if row.revision:
            outline = json_.portable(OWNER, roadmap_id, with_learner=True).outline
            keys = chosen(outline, self.options["concepts"], f"{self.options['seed']} {name}")
            query = Content.select(Content.id, Concept.key).join(Concept)
            with session():
                parts = list(query.where(Concept.roadmap == roadmap_id, Concept.key.in_(keys)))
            for part in sorted(parts, key=lambda each: (keys.index(each.concept.key), each.id)):
                follow(content_job.build_content, part.id, model)
            text = json_.as_json(json_.portable(OWNER, roadmap_id, with_learner=True))
            (self.folder / f"{name}.json").write_bytes(text)
            written = [
                each for each in subjects.of_document(text, name).concepts if each.key in keys
            ]
            urls = [item.url for each in written for item in each.resources or ()]
            seen = links.visited(urls, lambda: None) if self.options["links"] and urls else None
            needs = {each.key: each.prerequisites for each in outline.concepts()}
            scores |= scoring.scored(measuring.FinishedRoadmap(name, tuple(written)), needs, seen)
            for each in written:
                if each.tutorial and each.key not in marks:
                    marks[each.key] = self._judged(name, roadmap_id, request, outline, each)
                    save(file, {"judged": marks})
            given = [each for each in marks.values() if each]
            scores |= {
                each: fmean(mark[each] for mark in given) for each in scoring.CRITERIA if given
            }
        receipt = cost_report.receipt(OWNER, roadmap_id, limit=1, after=None)
        save(
            file,
            {
                "error": row.error,
                "scores": scores,
                "judged": marks,
                "cost": [step.model_dump(mode="json") for step in receipt.steps],
            },
        )

    def _judged(
        self, name: str, roadmap_id: UUID, request: RoadmapRequest, outline: Outline, subject: Any
    ) -> dict[str, Any] | None:
        """Return the marks of a concept, or None after faults and answers of another form."""
        concepts = {each.key: each for each in outline.concepts()}
        facts = {
            "request": request.model_dump(mode="json", exclude_defaults=True),
            "course": [each.title for each in concepts.values()],
            "concept": concepts[subject.key].model_dump(mode="json"),
            "tutorial": subject.tutorial[:LONGEST],
            "resources": [each.model_dump(mode="json") for each in (subject.resources or ())[:20]],
            "quiz": (subject.quiz.model_dump_json() if subject.quiz else "")[:LONGEST],
        }
        purpose = budget.CallPurpose(OWNER, roadmap_id, None, None, attempt=1)
        meter = self._counted(name, budget.BudgetMeter(purpose, retry_policy.StopSignal()))
        for _ in range(TRIES):
            try:
                judge = self._judge.metered(meter)
                return dict(judge.ask("judge", JUDGEMENT, facts, JUDGEMENT.model_dump))
            except context.GeneratorFault as fault:
                sleep(min(fault.retry_after or 1.0, LONGEST_PAUSE))
        return None

    def _counted(self, name: str, meter: Any) -> Any:
        """Return the meter with a bound on the number of calls, and a line for each."""

        def call(step: str, *facts: Any) -> Any:
            if not (number := next(self.numbers, 0)):
                raise KeyboardInterrupt
            click.echo(f"{number:5} {name}: {step}")
            return meter.call(step, *facts)

        return SimpleNamespace(call=call)


def chosen(outline: Outline, most: int, seed: str) -> list[str]:
    """Return the concepts to write: those of the first module, and two that are drawn."""
    keys = [each.key for each in outline.concepts()]
    first = [each.key for each in next(outline.modules()).concepts]
    others = keys[len(first) :]
    drawn = random.Random(seed).sample(others, min(DRAWN, len(others), most - 1))
    return [key for key in keys if key in {*first[: most - len(drawn)], *drawn}]


def follow(job: Any, row_id: UUID, model: Any) -> None:
    """Run the job of a row, and the jobs that it returns for the same row, when they are due."""
    while delays := [each.delay for each in job(row_id, model) if each.id == row_id]:
        sleep(delays[0])


def save(file: Path, found: Any) -> None:
    """Write a JSON file as a whole or not at all."""
    draft = file.with_suffix(".draft")
    draft.write_text(json.dumps(found, ensure_ascii=False, indent=1), "utf-8")
    draft.replace(file)


@click.command()
@click.option("--goals", default=HERE / "goals.json", type=FILE, help="File of goals.")
@click.option("--only", default="", help="Names of goals, separated by spaces; otherwise all.")
@click.option("--concepts", default=5, type=click.IntRange(1, 20), help="At most, of a course.")
@click.option("--seed", default=1, help="Of the concepts that are drawn.")
@click.option("--limit", default=1000, type=click.IntRange(1), help="Model calls, at most.")
@click.option("--links/--no-links", default=False, help="Visit the links.")
@click.option("--label", default="", help="Name of a further run with the same options.")
@click.option(
    "--judge",
    envvar="EVALUATE_JUDGE_MODEL",
    default=settings.openai_model,
    help="Model that judges: EVALUATE_JUDGE_MODEL, otherwise OPENAI_MODEL.",
)
@click.option(
    "--into",
    default=HERE / "results",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the results.",
)
@click.option("--compare", nargs=2, type=FILE, default=None, help="Two results to compare.")
def main(
    *,
    goals: Path,
    only: str,
    limit: int,
    into: Path,
    compare: tuple[Path, Path] | None,
    **options: Any,
) -> None:
    """Evaluate the prompts with the model of the environment, or compare two runs."""
    if compare:
        click.echo(scoring.compared(*(json.loads(path.read_bytes()) for path in compare)))
        return
    if settings.openai_api_key is None:
        raise click.UsageError("An evaluation needs a model: set OPENAI_API_KEY.")
    requests = TypeAdapter(dict[str, RoadmapRequest]).validate_json(goals.read_bytes())
    names = [name for name in requests if name in (only.split() or requests)]
    run = EvaluationRun(into, limit, options)
    left = [name for name in names if name not in run.results()]
    count, concepts = len(left), len(left) * options["concepts"]
    # A call of the judge counts as one of a tutorial: it reads about as much as that writes.
    steps = {"analysis": count, "outline": count, "repair": count, "tutorial": 2 * concepts}
    about = cost_report.estimate(
        {**steps, "resources": concepts, "quiz": concepts}, settings.openai_model
    )
    click.echo(
        f"{count} of {len(names)} goals left: about {about.calls:,} calls, "
        f"{about.prompt_tokens + about.completion_tokens:,} tokens, "
        f"{about.price or '?'} {about.currency}; at most {limit:,} calls. "
        f"Results: {run.folder}.json"
    )
    with ThreadPoolExecutor(settings.model_concurrency) as pool:
        try:
            list(pool.map(lambda name: run.evaluate(name, requests[name]), left))
        except KeyboardInterrupt:
            run.numbers = iter(())
    missing = {*names} - run.results().keys()
    files = sorted(path for path in into.glob("*.json") if path.name != "table.json")
    rows = [scoring.row(json.loads(path.read_bytes())) for path in files]
    save(into / "table.json", rows)
    (into / "table.md").write_text(f"{scoring.table(rows)}\n", "utf-8")
    click.echo(scoring.table(rows))
    if missing:
        raise click.ClickException("Not finished. The same command goes on where this one ended.")


if __name__ == "__main__":
    main(prog_name="python -m quality.evaluation")
