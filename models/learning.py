"""What a learner leaves behind beside the roadmap itself."""

import peewee

from models.base import Identified, UtcDateTimeField
from models.roadmaps import Concept, Roadmap


class QuizAttempt(Identified):
    """Answers to one version of a quiz, and how many of them were right."""

    roadmap = peewee.ForeignKeyField(Roadmap, on_delete="CASCADE")
    concept = peewee.ForeignKeyField(Concept, on_delete="CASCADE", index=False)
    version = peewee.IntegerField()
    answers = peewee.JSONField()  # list of lists of indexes
    score = peewee.IntegerField()
    total = peewee.IntegerField()
    created_at = UtcDateTimeField()

    class Meta:
        indexes = ((("concept", "id"), False),)
