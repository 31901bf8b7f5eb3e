"""Time spent, what takes "learned" away, and retries of quizzes.

New columns have a default or may be null, so that the version before can write meanwhile. Hours
that were credited by the plan stay as time spent, and a page says once why hours change from now
on. `studied` was a share of the hours of a concept, of which the exercise took half. It becomes
minutes of reading: a built-in tutorial takes 11, and a place in others is kept about as well.
"""

from typing import Any

import peewee

ZERO, FALSE = peewee.SQL("DEFAULT 0"), peewee.SQL("DEFAULT FALSE")
COLUMNS: tuple[tuple[str, str, peewee.Field], ...] = (
    ("concept", "forgotten_at", peewee.DateTimeField(null=True)),
    ("concept", "spent", peewee.IntegerField(default=0, constraints=[ZERO])),
    ("account", "credited_at", peewee.DateTimeField(null=True)),
    ("account", "explains_hours", peewee.BooleanField(default=False, constraints=[FALSE])),
    ("quiz_attempt", "asked", peewee.JSONField(null=True)),
    ("quiz_attempt", "passed", peewee.BooleanField(default=False, constraints=[FALSE])),
    ("quiz_attempt", "reread_at", peewee.DateTimeField(null=True)),
)
KEEP = (
    """UPDATE quiz_attempt SET passed = TRUE WHERE score * 100 >= total * 80
    AND CAST(answers AS text) NOT LIKE '%%[]%%' AND CAST(answers AS text) NOT LIKE '%%\"\"%%'""",
    """UPDATE concept SET spent = CASE progress WHEN 'done' THEN hours * 3600
    ELSE studied * 60 END WHERE progress = 'done' OR studied > 0""",
    """UPDATE concept SET studied = 11 * CASE WHEN studied < hours * 30 THEN studied
    ELSE hours * 30 END / (hours * 30) WHERE studied > 0""",
    """UPDATE account SET explains_hours = TRUE
    WHERE EXISTS (SELECT 1 FROM learning_day d WHERE d.account_id = account.id)""",
)


def up(migrator: Any, db: peewee.Database) -> None:
    migrator.migrate(*(migrator.add_column(*column) for column in COLUMNS))
    for statement in KEEP:
        db.execute_sql(statement)
