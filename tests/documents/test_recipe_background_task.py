"""A task is added as docs/ARCHITECTURE.md says, in a copy: it is sent, run once and rescued.

It works on rows of a table that is there, with statuses of its own.
"""

from pathlib import Path

from tests.documents.recipes import Copy, places

MEMBER = '    judge_project = "judge_project"\n'
MODULE = '''"""Checks of the archives of exports."""

from uuid import UUID

from core.db import transaction
from models.accounts import AccountExport
from roadmap.lifecycle.making import leases
from roadmap.lifecycle.making.leases import CHECKING
from roadmap.plan.statuses import ExportStatus, Job, JobName


def order(export_id: UUID) -> list[Job]:
    """Ask for a check; the row waits for it."""
    with transaction():
        AccountExport.update(status="unchecked").where(AccountExport.id == export_id).execute()
    return [Job(JobName.check_export, export_id)]


def check(export_id: UUID) -> list[Job]:
    """Check an archive that waits."""
    with transaction():
        token = leases.claim(CHECKING, export_id)
        its = (AccountExport.id == export_id) & (AccountExport.lease_token == token)
        if token is not None:
            AccountExport.update(
                status=ExportStatus.ready, size=AccountExport.size + 1, lease_token=None
            ).where(its).execute()
    return []


def stop(export_id: UUID, reason: str) -> list[Job]:
    """Mark a check that waits as failed."""
    waits = AccountExport.status == "unchecked"
    with transaction():
        update = AccountExport.update(status=ExportStatus.failed, error=reason)
        update.where(AccountExport.id == export_id, waits).execute()
    return []
'''
LEASE = """CHECKING = LeaseKind(
    AccountExport, "unchecked", "checking", JobName.check_export, among=True
)
"""
TASK = """@task(content_queue, priority=BEFORE_CONTENTS)
def check_export(export_id: str) -> None:
    from roadmap.exchange import export_check

    follow(export_check.check(UUID(export_id)), UUID(export_id))


"""
NAME = '    "tasks.content.check_export": (content_queue, content.check_export),\n'
TEST = '''"""The added task, from its order to its rescue."""

from datetime import timedelta
from uuid import UUID

from starlette.testclient import TestClient

from core import clock
from core.db import session
from models.accounts import Account, AccountExport
from roadmap.exchange import account_export, export_check
from roadmap.lifecycle.making import rescue
from roadmap.plan.statuses import JobName
from tasks.dispatcher import enqueue


def state(export_id: UUID) -> tuple[str, int]:
    with session():
        row = AccountExport.get_by_id(export_id)
    return row.status, row.size


def test_it_runs_once_and_is_rescued(client: TestClient) -> None:
    with session():
        account_id = Account.select(Account.id).scalar()
    info, _ = account_export.order(account_id)
    jobs = export_check.order(info.id)
    assert [job.name for job in jobs] == [JobName.check_export]
    assert state(info.id) == ("unchecked", 0)
    assert JobName.check_export not in {job.name for job in rescue.overdue()}
    clock.travel(timedelta(minutes=5))
    found = [job for job in rescue.overdue() if job.name == JobName.check_export]
    assert [job.id for job in found] == [info.id]
    enqueue([*jobs, *found])
    assert state(info.id) == ("ready", 1)
    export_check.order(info.id)
    export_check.stop(info.id, "no")
    enqueue(jobs)
    assert state(info.id) == ("failed", 1)
'''


def test_the_recipe_adds_a_task(tmp_path: Path) -> None:
    domain, statuses, making, tasks, names = places("A background task")
    test = "tests/unit/tasks/test_export_check.py"
    copy = Copy(tmp_path, [domain, statuses, making, tasks, names, test])
    copy.add(f"{domain}exchange/export_check.py", MODULE)
    copy.replace(statuses, MEMBER, f'{MEMBER}    check_export = "check_export"\n')
    copy.insert(f"{making}leases.py", "JUDGING = LeaseKind(", LEASE)
    copy.insert(f"{making}rescue.py", "    DELIVERING,\n", "    CHECKING,\n")
    copy.insert(
        f"{making}rescue.py", "        *_overdue(EXPORTING),\n", "        *_overdue(CHECKING),\n"
    )
    copy.insert(tasks, "@task(content_queue)\ndef look_after_links", TASK)
    copy.replace(
        tasks, "import account_export\n    from", "import account_export, export_check\n    from"
    )
    copy.insert(
        tasks,
        "        JobName.judge_project:",
        "        JobName.check_export: export_check.stop,\n",
    )
    copy.insert(names, '    "tasks.content.judge_project"', NAME)
    copy.add(test, TEST)
    copy.run("-m", "pytest", "-p", "no:xdist", test, names)
