"""Stacks to measure: this service in several forms, and the stack that it replaces.

The service runs as three instances, with and without a model, and as one instance. Each stack has a
PostgreSQL and a Redis of its own, so that none pays for memory that another has used.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from benchmarks.contenders import PATH, FastApi, Service
from benchmarks.ground import Ground
from benchmarks.targets import PREFORK
from benchmarks.usage.learning import Learner
from benchmarks.usage.measuring import POSTGRES, REDIS, Subject
from benchmarks.usage.model import Model, settings_for
from testing.stack import running

APART, WITH_MODEL, TOGETHER = "three services", "three services, model", "one instance"
TIMES = 10  # as many goals as the others get: one is cheap to those who make no roadmap of it
OF_MODEL = (
    "The model answers at once and without TLS, with the words of the catalogue. Waiting for a "
    "real one costs memory for longer, and hardly any CPU time; encrypting does. While commands of "
    "Redis are counted it takes its time: then fewer records of the "
    "log go together."
)
OF_PEER = (
    "Its task makes no roadmap, but writes one status: what a roadmap costs here is accepting, "
    "delivering and logging alone, and what is stored is a row, an event and a record of the log. "
    "There are no events to follow, so what is sent is the answer to the goal and a tree that is "
    "as large as that of the others and was put there before. Its answers are not compressed."
)


def _servers(ground: Ground) -> dict[str, int]:
    return {POSTGRES: ground.postgres.pid, REDIS: ground.broker.pid}


@contextmanager
def service(
    ground: Ground, name: str, *, in_one: bool = False, with_model: bool = False
) -> Iterator[Subject]:
    writer = Model()
    with ExitStack() as ends:
        settings = settings_for(ends.enter_context(writer.serving())) if with_model else {}
        stack = ends.enter_context(running(ground.stack(in_one=in_one, **settings)))
        yield Subject(
            name=name,
            parts={each: of.pid for each, of in stack.services.items()} | _servers(ground),
            api=stack.api.name,
            database=stack.environment["DATABASE_URL"],
            learner=Learner(stack.port, stack.headers),
            taking=writer.taking if with_model else None,
            note=OF_MODEL if with_model else "",
        )


@contextmanager
def peer(ground: Ground, name: str) -> Iterator[Subject]:
    """The peers' API, a worker for each queue, and Flower, which the service does without."""
    celery, maker = FastApi(), Service(members=1)
    with Ground() as elsewhere, maker.serving(elsewhere):
        tree = maker.finished_roadmap()
        celery.trees = [[tree]]
    with (
        celery.serving(ground),
        celery.consuming(ground) as (content, logs),
        celery.flower(ground) as flower,
    ):
        programs = {
            "api": celery.program,
            "worker content": content,
            "worker logs": logs,
            "flower": flower,
        }
        yield Subject(
            name=name,
            parts={each: program.pid for each, program in programs.items()} | _servers(ground),
            api="api",
            database=celery.environment["DATABASE_URL"],
            learner=Learner(celery.port, celery.headers(celery.tokens[0]), follows=False),
            tree=f"{PATH}/{tree['id']}",
            times=TIMES,
            note=OF_PEER,
        )


STACKS: Mapping[str, Callable[[Ground, str], Any]] = {
    APART: service,
    WITH_MODEL: lambda ground, name: service(ground, name, with_model=True),
    TOGETHER: lambda ground, name: service(ground, name, in_one=True),
    PREFORK: peer,
}
