"""Roadmaps (Stage > Module > Concept) with revisions, contents, events and links."""

import peewee

from models.accounts import Account
from models.base import Identified, Leased, Table, UtcDateTimeField


class Roadmap(Leased):
    """Roadmap: the request, the head of the plan, and the state of the work."""

    owner = peewee.ForeignKeyField(Account, on_delete="CASCADE", index=False)
    goal = peewee.TextField()
    level = peewee.CharField(max_length=20)
    hours_per_week = peewee.IntegerField()
    deadline = peewee.DateField(null=True)
    # First day of the plan; null: the day of the request
    begins_on = peewee.DateField(null=True)
    background = peewee.TextField(default="")
    motivation = peewee.TextField(default="")
    preferences = peewee.TextField(default="")
    language = peewee.CharField(max_length=35)
    resource_language = peewee.CharField(max_length=35, null=True)
    review = peewee.BooleanField(default=False)  # contents wait for approval
    clarify = peewee.BooleanField(default=False)  # questions may come before the plan
    # To the questions of the analysis: a list, empty if they were skipped; null: none yet
    answers = peewee.JSONField(null=True)
    scope = peewee.CharField(max_length=10, default="ask")  # a CourseScope
    # A GoalMatch of the goal and the catalogue; null: a model makes the plan, or it is not read yet
    goal_match = peewee.JSONField(null=True)
    # Still true when only the owner has edited the plan since
    approved = peewee.BooleanField(default=False)

    analysis = peewee.JSONField(null=True)
    revision = peewee.IntegerField(default=0)  # the current one; 0: none yet
    title = peewee.CharField(max_length=200, default="")
    generator = peewee.CharField(max_length=100, default="")
    weeks = peewee.IntegerField(default=0)
    hours = peewee.IntegerField(default=0)

    status = peewee.CharField(max_length=20)
    error = peewee.TextField(default="")
    contents_total = peewee.IntegerField(default=0)
    contents_ready = peewee.IntegerField(default=0)
    contents_failed = peewee.IntegerField(default=0)
    # Millionths of the currency, with reservations of running calls
    spent = peewee.BigIntegerField(default=0)
    over_budget = peewee.BooleanField(default=False)
    last_seq = peewee.IntegerField(default=0)
    created_at = UtcDateTimeField()
    updated_at = UtcDateTimeField()
    finished_at = UtcDateTimeField(null=True)
    trashed_at = UtcDateTimeField(null=True)  # null: it is not in the trash
    # State of the placement that was left, as the next request sends it; null: none
    placement = peewee.JSONField(null=True)
    test = peewee.JSONField(null=True)  # of all concepts: see `Stage.test`

    class Meta:
        indexes = (
            (("owner", "id"), False),
            (("owner", "status", "id"), False),
            (("status", "due_at"), False),
            (("status", "id"), False),
            (("generator", "id"), False),
        )


class Revision(Table):
    """Design of the plan: its origin and outline, or its last draft."""

    roadmap = peewee.ForeignKeyField(Roadmap, on_delete="CASCADE", index=False)
    number = peewee.IntegerField()
    source = peewee.CharField(max_length=10)
    base = peewee.IntegerField(default=0)  # the revision that it changes; 0: none
    instruction = peewee.TextField(default="")  # in the words of the person
    changes = peewee.JSONField(null=True)  # first ones of an edit: list of {how, title}
    # The roadmap's status before this revision began
    before = peewee.CharField(max_length=20, default="")
    status = peewee.CharField(max_length=10)
    outline = peewee.JSONField(null=True)  # an Outline, or a draft of one
    # List of text: faults of the draft; once it is done, those that had to be accepted
    problems = peewee.JSONField()
    rounds = peewee.IntegerField(default=0)  # of repair
    error = peewee.TextField(default="")
    generator = peewee.CharField(max_length=100, default="")
    prompt_version = peewee.CharField(max_length=40, default="")
    created_at = UtcDateTimeField()
    finished_at = UtcDateTimeField(null=True)

    class Meta:
        primary_key = peewee.CompositeKey("roadmap", "number")


class PlanPart(Identified):
    """Stage, module or concept."""

    # Its name in the outline, by which the catalogue finds the file of a concept
    key = peewee.CharField(max_length=200)
    position = peewee.IntegerField()
    title = peewee.CharField(max_length=200)
    description = peewee.TextField()
    # Not in the current revision, but kept with its contents
    removed = peewee.BooleanField(default=False)


class Stage(PlanPart):
    """Stage, with its project: the task, what the learner made, and a link to have it judged."""

    roadmap = peewee.ForeignKeyField(Roadmap, on_delete="CASCADE")
    capstone = peewee.JSONField(null=True)  # a Capstone; null: there is none
    work = peewee.TextField(null=True)  # of the learner
    done_at = UtcDateTimeField(null=True)  # of the first judgement that finds it done
    # SHA-256 of the token that admits one judgement, in hexadecimal; null: no link
    token_hash = peewee.CharField(max_length=64, null=True)
    link_until = UtcDateTimeField(null=True)
    # Newest mixed test: its `questions` are lists of a concept's id, a Question as it was drawn and
    # its answer (null: it is open); `taken_at`, `score` and `total` are of the last one taken
    test = peewee.JSONField(null=True)


class Module(PlanPart):
    roadmap = peewee.ForeignKeyField(Roadmap, on_delete="CASCADE")
    stage = peewee.ForeignKeyField(Stage, on_delete="CASCADE")


class Concept(PlanPart):
    roadmap = peewee.ForeignKeyField(Roadmap, on_delete="CASCADE")
    module = peewee.ForeignKeyField(Module, on_delete="CASCADE")
    week = peewee.IntegerField()
    hours = peewee.IntegerField()
    difficulty = peewee.IntegerField()
    prerequisites = peewee.JSONField()  # list of concept ids as text
    outcomes = peewee.JSONField()  # list of text
    progress = peewee.CharField(max_length=10, default="todo")
    # Of the last change; null: not begun, or set by an older version
    progress_at = UtcDateTimeField(null=True)
    notes = peewee.TextField(default="")  # of the learner
    # Minutes of reading up to the end of the last part that is done
    studied = peewee.IntegerField(default=0)
    spent = peewee.IntegerField(default=0)  # seconds, by the clock or as the learner says
    exercise_attempt = peewee.TextField(default="")  # a text of the learner
    more_attempts = peewee.JSONField(default=())  # the same at exercises 2 to 4
    # When the learner first showed it by quiz and exercise, or by two quizzes; null: not yet
    learned_at = UtcDateTimeField(null=True)
    # When a test took `learned_at` away: quizzes passed before no longer count
    forgotten_at = UtcDateTimeField(null=True)

    class Meta:
        indexes = ((("roadmap", "key"), True),)


class Content(Leased):
    """Part of a concept: its tutorial, its resources or its quiz."""

    roadmap = peewee.ForeignKeyField(Roadmap, on_delete="CASCADE")
    concept = peewee.ForeignKeyField(Concept, on_delete="CASCADE", index=False)
    kind = peewee.CharField(max_length=10)
    status = peewee.CharField(max_length=10)
    version = peewee.IntegerField(default=0)  # the current one; 0: none yet
    # Of resources: the version whose URLs are in the link checks
    links_noted = peewee.IntegerField(null=True)
    instruction = peewee.TextField(default="")  # for the next version
    error = peewee.TextField(default="")

    class Meta:
        indexes = ((("concept", "kind"), True), (("status", "due_at"), False))


class ContentVersion(Table):
    """Version of a content, with its generator. Versions are never changed."""

    content = peewee.ForeignKeyField(Content, on_delete="CASCADE", index=False)
    version = peewee.IntegerField()
    body = peewee.JSONField()
    generator = peewee.CharField(max_length=100)
    prompt_version = peewee.CharField(max_length=40, default="")
    instruction = peewee.TextField(default="")
    # Fingerprint of the concept when this was written
    subject = peewee.CharField(max_length=64, default="")
    remarks = peewee.JSONField(null=True)  # list of text: what it lacks; null: of an older version
    created_at = UtcDateTimeField()

    class Meta:
        primary_key = peewee.CompositeKey("content", "version")


class RoadmapEvent(Table):
    roadmap = peewee.ForeignKeyField(Roadmap, on_delete="CASCADE", index=False)
    seq = peewee.IntegerField()
    type = peewee.CharField(max_length=40)
    data = peewee.JSONField()
    at = UtcDateTimeField()

    class Meta:
        primary_key = peewee.CompositeKey("roadmap", "seq")


class QuizAttempt(Identified):
    """Answers to one version of a quiz, with the score.

    A retry has the right answers of the attempt before to what it did not ask.
    """

    roadmap = peewee.ForeignKeyField(Roadmap, on_delete="CASCADE")
    concept = peewee.ForeignKeyField(Concept, on_delete="CASCADE", index=False)
    version = peewee.IntegerField()
    answers = peewee.JSONField()  # lists of indexes, or typed texts
    score = peewee.IntegerField()
    total = peewee.IntegerField()
    passed = peewee.BooleanField(default=False)
    asked = peewee.JSONField(null=True)  # list of indexes of a retry; null: all questions
    # When the learner opened the tutorial again after it; null: not yet
    reread_at = UtcDateTimeField(null=True)
    created_at = UtcDateTimeField()

    class Meta:
        indexes = ((("concept", "id"), False),)


class ReviewCard(Identified):
    """Question of a quiz for spaced repetition, with its FSRS state.

    It is asked while the current version of the quiz is `version`, where it has the index `number`.
    """

    owner = peewee.ForeignKeyField(Account, on_delete="CASCADE", index=False)
    roadmap = peewee.ForeignKeyField(Roadmap, on_delete="CASCADE")
    concept = peewee.ForeignKeyField(Concept, on_delete="CASCADE", index=False)
    # Fingerprint: the same question in another version is the same card
    question = peewee.CharField(max_length=64)
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
    begun_at = UtcDateTimeField(null=True)  # of the first rating; null also of an older version
    gave_up_at = UtcDateTimeField(null=True)  # when it was last checked without an answer
    missed_at = UtcDateTimeField(null=True)  # when it was last checked with a wrong one

    class Meta:
        # Migration 0026 adds three by owner, of new, known and rated ones.
        indexes = ((("concept", "question"), True), (("owner", "due_at"), False))


class Judgement(Leased):
    """Judgement of a project by its rubric; the lease is that of a model's work."""

    roadmap = peewee.ForeignKeyField(Roadmap, on_delete="CASCADE")
    stage = peewee.ForeignKeyField(Stage, on_delete="CASCADE", index=False)
    judge = peewee.CharField(max_length=10)  # the newest judgement of each is kept
    status = peewee.CharField(max_length=10)
    marks = peewee.JSONField()  # list of Mark, as long as the rubric; empty: not judged yet
    comments = peewee.JSONField()  # list of text: one for each mark, or none
    error = peewee.TextField(default="")
    created_at = UtcDateTimeField()

    class Meta:
        indexes = ((("stage", "judge"), True), (("status", "due_at"), False))


# Contents whose current version has URLs that are not registered yet; an index of migration 0016.
UNNOTED = peewee.SQL(
    "kind = 'resources' AND version > 0 AND (links_noted IS NULL OR links_noted <> version)"
)


class CheckedLink(Table):
    """Resource URL with the result of its check. It has no owner: its resources have."""

    # SHA-256 of the URL, in hexadecimal
    digest = peewee.CharField(max_length=64, primary_key=True)
    url = peewee.TextField()
    state = peewee.CharField(max_length=10)
    status = peewee.IntegerField(null=True)  # of the last answer; null: none came
    # Why it is not alive, as the rest of a sentence
    reason = peewee.CharField(max_length=300, default="")
    failures = peewee.IntegerField(default=0)  # in a row, without a conclusive answer
    checked_at = UtcDateTimeField(null=True)
    due_at = UtcDateTimeField(index=True)  # of the next check


class LinkUse(Table):
    """Content that names a URL in its current version."""

    content = peewee.ForeignKeyField(Content, on_delete="CASCADE", index=False)
    link = peewee.ForeignKeyField(CheckedLink, on_delete="CASCADE")
    # When a replacement was requested, whatever the result
    replaced_at = UtcDateTimeField(null=True)

    class Meta:
        primary_key = peewee.CompositeKey("content", "link")


class ShareLink(Identified):
    """Link whose token begins with its id. Deleting the row revokes it.

    `token_hashes`: SHA-256 of the token that opens it, in hexadecimal. Of a link that a version
    before 0.2.0 has signed: `signed`, and a hash by each key that was there, separated by spaces;
    null until the API has started.
    """

    roadmap = peewee.ForeignKeyField(Roadmap, on_delete="CASCADE")
    purpose = peewee.CharField(max_length=10)
    created_at = UtcDateTimeField()
    expires_at = UtcDateTimeField(null=True)
    # Readers see what its owner has completed
    shows_completion = peewee.BooleanField(default=False)
    token_hashes = peewee.TextField(null=True)

    class Meta:
        table_name = "secret_link"
