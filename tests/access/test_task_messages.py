"""Messages of tasks name a row and no account."""

import inspect
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from huey.api import TaskWrapper
from huey.registry import Message

from core import clock
from core.db import database, session
from core.ids import new_id
from roadmap.exchange import account_export
from roadmap.learning import projects
from roadmap.lifecycle import commands
from roadmap.lifecycle.making.create import NewRoadmap, create_many
from roadmap.plan.outline import Level
from roadmap.plan.schemas import RoadmapRequest
from roadmap.webhooks import subscriptions as settings_
from roadmap.webhooks.subscriptions import WebhookRequest
from tasks import content
from tasks.message_browser import MessageState
from tasks.queue_admin import messages
from tasks.queues import RETRIES, content_queue
from testing.stack import GOAL
from tests.access.people import CLOSED_PORT, Person, everything

WORKED_ON = {  # by which task: in which table, and what becomes of it
    "plan_roadmap": ("roadmap", "ready"),
    "build_content": ("content", "ready"),
    "deliver_webhook": ("webhook_delivery", "failed"),
    "export_account": ("account_export", "ready"),
    "judge_project": ("judgement", "failed"),  # the catalogue judges nothing
}


class TestMessages:
    """Workers decide by the row: a message names it, and nothing else in it is believed."""

    TASKS = tuple(WORKED_ON)

    def deliver(self, task: str, *args: Any, **kwargs: Any) -> None:
        """Run any message, signed with our key, until it is no longer retried."""
        message = Message(
            id=uuid4().hex,
            name=f"tasks.content.{task}",
            args=args,
            kwargs=kwargs,
            retries=RETRIES,
            retry_delay=1,
        )
        content_queue.storage.enqueue(content_queue.serializer.seal(message, None, {}))
        for _ in range(RETRIES + 1):
            content_queue.drain()
            clock.travel(timedelta(minutes=1))

    def buried(self) -> list[tuple[str, str]]:
        return [
            (letter.task, letter.reason) for letter in messages("content", MessageState.dead).items
        ]

    def queued(self, person: Person, task: str) -> str:
        """Return the id of a row of this person that waits for its worker without a message."""
        if task == "plan_roadmap":
            request = RoadmapRequest(goal=GOAL, level=Level.advanced)
            (step,) = create_many([NewRoadmap(person.account_id(), request)])
            return str(step.id)
        if task == "deliver_webhook":
            webhook = settings_.create(person.account_id(), WebhookRequest(url=CLOSED_PORT))
            return str(settings_.test(person.account_id(), webhook.id)[0].id)
        if task == "export_account":
            return str(account_export.order(person.account_id())[0].id)
        if task == "judge_project":
            ids = (UUID(id_) for id_ in person.project())
            (job,) = projects.order_judgement(person.account_id(), *ids, has_model=True)[1]
            return str(job.id)
        roadmap_id = UUID(person.roadmap(review=True))
        return str(commands.approve(person.account_id(), roadmap_id, None).steps[0].id)

    def test_a_message_names_one_row_and_no_account(self) -> None:
        known = {name for name, task in vars(content).items() if isinstance(task, TaskWrapper)}
        assert known == {*self.TASKS, "look_after_links"}
        assert not inspect.signature(content.look_after_links.func).parameters  # it is of no row
        for task in self.TASKS:
            (parameter,) = inspect.signature(getattr(content, task).func).parameters.values()
            assert parameter.name.endswith("_id")

    @pytest.mark.parametrize("task", TASKS)
    def test_a_message_that_names_a_row_works_for_the_owner_of_the_row(
        self, ann: Person, bob: Person, task: str
    ) -> None:
        bob.roadmap()
        row_id, before = self.queued(ann, task), bob.all_of_it()
        self.deliver(task, row_id)
        assert self.buried() == []
        table, done = WORKED_ON[task]
        with session():
            (status,) = database.execute_sql(
                f"SELECT status FROM {table} WHERE id = ?", [UUID(row_id).hex]
            ).fetchone()
        assert status == done
        assert bob.all_of_it() == before

    @pytest.mark.parametrize("task", TASKS)
    @pytest.mark.parametrize("how", ["behind the id", "by name"])
    def test_a_message_that_names_an_owner_too_is_put_aside_and_changes_nothing(
        self, ann: Person, bob: Person, task: str, how: str
    ) -> None:
        row_id, owner = self.queued(ann, task), str(bob.account_id())
        before = everything()
        args, kwargs = (
            ((row_id, owner), {}) if how == "behind the id" else ((row_id,), {"owner_id": owner})
        )
        self.deliver(task, *args, **kwargs)
        ((name, reason),) = self.buried()
        assert name == task
        assert "argument" in reason
        assert "TypeError" in reason
        assert everything() == before

    @pytest.mark.parametrize("task", TASKS)
    def test_a_message_about_what_is_done_or_is_something_else_changes_nothing(
        self, ann: Person, task: str
    ) -> None:
        roadmap_id = ann.roadmap()
        with session():
            (content_id,) = database.execute_sql("SELECT id FROM content LIMIT 1").fetchone()
        before = everything()
        for id_ in (roadmap_id, content_id, str(ann.account_id()), str(new_id())):
            self.deliver(task, id_)
        assert everything() == before
