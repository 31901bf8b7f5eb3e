"""What a learner leaves behind beside the roadmap itself."""

from types import SimpleNamespace

import peewee

from models.accounts import Account
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

    Meta = SimpleNamespace(
        indexes=((("concept", "id"), False),),
    )


class ReviewCard(Identified):
    """A question of a quiz that comes back before it is forgotten, with what FSRS keeps of it.

    It is asked while the current version of the quiz is `version`, where it has the index `number`.
    """

    owner = peewee.ForeignKeyField(Account, on_delete="CASCADE", index=False)
    roadmap = peewee.ForeignKeyField(Roadmap, on_delete="CASCADE")
    concept = peewee.ForeignKeyField(Concept, on_delete="CASCADE", index=False)
    question = peewee.CharField(
        max_length=64
    )  # fingerprint: the same question in another version is the same card
    version = peewee.IntegerField()
    number = peewee.IntegerField()
    state = peewee.SmallIntegerField()  # 1 learning, 2 review, 3 relearning
    step = peewee.SmallIntegerField(null=True)  # of learning; null in review
    stability = peewee.DoubleField(null=True)  # days after which nine of ten are remembered
    difficulty = peewee.DoubleField(null=True)  # from 1 to 10
    due_at = UtcDateTimeField()
    reviewed_at = UtcDateTimeField(null=True)
    reviews = peewee.IntegerField(default=0)
    lapses = peewee.IntegerField(default=0)  # how often it was forgotten after it was learned
    created_at = UtcDateTimeField()

    Meta = SimpleNamespace(
        indexes=((("concept", "question"), True), (("owner", "due_at"), False)),
    )
