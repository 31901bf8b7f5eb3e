"""A roadmap (Stage > Module > Concept) with its revisions, the contents of its concepts, and the events of its making."""

from types import SimpleNamespace

import peewee

from models.accounts import Account
from models.base import Identified, Table, UtcDateTimeField


class Roadmap(Identified):
    """The request, the plan's head, and the ledger of the work: who holds it until when, and what is done."""

    owner = peewee.ForeignKeyField(Account, on_delete="CASCADE", index=False)
    goal = peewee.TextField()
    level = peewee.CharField(max_length=20)
    hours_per_week = peewee.IntegerField()
    deadline = peewee.DateField(null=True)
    begins_on = peewee.DateField(
        null=True
    )  # from when the plan counts; null: from when it was asked for
    background = peewee.TextField(default="")
    motivation = peewee.TextField(default="")
    preferences = peewee.TextField(default="")
    language = peewee.CharField(max_length=35)
    resource_language = peewee.CharField(max_length=35, null=True)
    review = peewee.BooleanField(default=False)  # contents wait for approval
    approved = peewee.BooleanField(
        default=False
    )  # of the plan as it is, or of one that only its owner has edited since

    analysis = peewee.JSONField(null=True)
    revision = peewee.IntegerField(default=0)  # the current one; 0: none yet
    title = peewee.CharField(max_length=200, default="")
    generator = peewee.CharField(max_length=100, default="")
    weeks = peewee.IntegerField(default=0)
    hours = peewee.IntegerField(default=0)

    status = peewee.CharField(max_length=20)
    error = peewee.TextField(default="")
    attempts = peewee.IntegerField(
        default=0
    )  # tries that ended by themselves, and the one that runs
    interruptions = peewee.IntegerField(default=0)  # tries that ended with their worker
    lease_token = peewee.UUIDField(null=True)
    lease_until = UtcDateTimeField(null=True)
    challenged_at = UtcDateTimeField(null=True)  # when somebody found the lease run out
    due_at = UtcDateTimeField()  # when its next step should begin
    contents_total = peewee.IntegerField(default=0)
    contents_ready = peewee.IntegerField(default=0)
    contents_failed = peewee.IntegerField(default=0)
    spent = peewee.BigIntegerField(
        default=0
    )  # millionths of the currency, with what is reserved for calls that run
    over_budget = peewee.BooleanField(default=False)
    last_seq = peewee.IntegerField(default=0)
    created_at = UtcDateTimeField()
    updated_at = UtcDateTimeField()
    finished_at = UtcDateTimeField(null=True)
    trashed_at = UtcDateTimeField(null=True)  # since when it is in the trash; null: it is not

    Meta = SimpleNamespace(
        indexes=(
            (("owner", "id"), False),
            (("owner", "status", "id"), False),
            (("status", "due_at"), False),
            (("status", "id"), False),
            (("generator", "id"), False),
        ),
    )


class Revision(Table):
    """One design of the plan: where it came from, and its outline. While it is being designed, its last draft."""

    roadmap = peewee.ForeignKeyField(Roadmap, on_delete="CASCADE", index=False)
    number = peewee.IntegerField()
    source = peewee.CharField(max_length=10)
    base = peewee.IntegerField(default=0)  # the revision that it changes; 0: none
    instruction = peewee.TextField(default="")  # in the words of the person
    before = peewee.CharField(
        max_length=20, default=""
    )  # the roadmap's status before this was begun
    status = peewee.CharField(max_length=10)
    outline = peewee.JSONField(null=True)  # an Outline, or a draft of one
    problems = (
        peewee.JSONField()
    )  # list of text: what is wrong with the draft; once it is done: what had to be accepted
    rounds = peewee.IntegerField(default=0)  # of repair
    error = peewee.TextField(default="")
    generator = peewee.CharField(max_length=100, default="")
    prompt_version = peewee.CharField(max_length=40, default="")
    created_at = UtcDateTimeField()
    finished_at = UtcDateTimeField(null=True)

    Meta = SimpleNamespace(
        primary_key=peewee.CompositeKey("roadmap", "number"),
    )


class Stage(Identified):
    roadmap = peewee.ForeignKeyField(Roadmap, on_delete="CASCADE")
    key = peewee.CharField(max_length=200)
    position = peewee.IntegerField()
    title = peewee.CharField(max_length=200)
    description = peewee.TextField()
    removed = peewee.BooleanField(default=False)


class Module(Identified):
    roadmap = peewee.ForeignKeyField(Roadmap, on_delete="CASCADE")
    key = peewee.CharField(max_length=200)
    stage = peewee.ForeignKeyField(Stage, on_delete="CASCADE")
    position = peewee.IntegerField()
    title = peewee.CharField(max_length=200)
    description = peewee.TextField()
    removed = peewee.BooleanField(default=False)


class Concept(Identified):
    roadmap = peewee.ForeignKeyField(Roadmap, on_delete="CASCADE")
    module = peewee.ForeignKeyField(Module, on_delete="CASCADE")
    key = peewee.CharField(
        max_length=200
    )  # its name within the outline; the catalogue finds its file by it
    position = peewee.IntegerField()
    week = peewee.IntegerField()
    title = peewee.CharField(max_length=200)
    description = peewee.TextField()
    hours = peewee.IntegerField()
    difficulty = peewee.IntegerField()
    prerequisites = peewee.JSONField()  # list of concept ids as text
    outcomes = peewee.JSONField()  # list of text
    progress = peewee.CharField(max_length=10, default="todo")
    progress_at = UtcDateTimeField(
        null=True
    )  # since when; null: not begun, or said to an older version
    notes = peewee.TextField(default="")  # of the learner
    removed = peewee.BooleanField(
        default=False
    )  # not in the current revision; kept with all that belongs to it

    Meta = SimpleNamespace(
        indexes=((("roadmap", "key"), True),),
    )


class Content(Identified):
    """One part of a concept: its tutorial, its resources or its quiz."""

    roadmap = peewee.ForeignKeyField(Roadmap, on_delete="CASCADE")
    concept = peewee.ForeignKeyField(Concept, on_delete="CASCADE", index=False)
    kind = peewee.CharField(max_length=10)
    status = peewee.CharField(max_length=10)
    version = peewee.IntegerField(default=0)  # the current one; 0: none yet
    links_noted = peewee.IntegerField(
        null=True
    )  # of resources: the version whose addresses are among those to check
    instruction = peewee.TextField(default="")  # what the person wants of the next version
    error = peewee.TextField(default="")
    attempts = peewee.IntegerField(default=0)
    interruptions = peewee.IntegerField(default=0)
    lease_token = peewee.UUIDField(null=True)
    lease_until = UtcDateTimeField(null=True)
    challenged_at = UtcDateTimeField(null=True)
    due_at = UtcDateTimeField()

    Meta = SimpleNamespace(
        indexes=((("concept", "kind"), True), (("status", "due_at"), False)),
    )


class ContentVersion(Table):
    """What was written, and by what; versions are never changed."""

    content = peewee.ForeignKeyField(Content, on_delete="CASCADE", index=False)
    version = peewee.IntegerField()
    body = peewee.JSONField()
    generator = peewee.CharField(max_length=100)
    prompt_version = peewee.CharField(max_length=40, default="")
    instruction = peewee.TextField(default="")
    subject = peewee.CharField(
        max_length=64, default=""
    )  # fingerprint of what the concept was when this was written
    created_at = UtcDateTimeField()

    Meta = SimpleNamespace(
        primary_key=peewee.CompositeKey("content", "version"),
    )


class RoadmapEvent(Table):
    roadmap = peewee.ForeignKeyField(Roadmap, on_delete="CASCADE", index=False)
    seq = peewee.IntegerField()
    type = peewee.CharField(max_length=40)
    data = peewee.JSONField()
    at = UtcDateTimeField()

    Meta = SimpleNamespace(
        primary_key=peewee.CompositeKey("roadmap", "seq"),
    )


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
