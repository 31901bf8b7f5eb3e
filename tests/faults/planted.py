"""Faults as a programmer makes them: what a user would lose by each, and the tests that find it."""

import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: `old` stands once in the file, and `new` takes its place.

    `found_by` are files of tests or single ones, the cheapest first: at least one of them fails
    then.
    """

    name: str
    file: str
    old: str
    new: str
    lost: str  # by a user
    found_by: tuple[str, ...]

    @property
    def pattern(self) -> re.Pattern[str]:
        """Match `old`, with its indentation, however the formatter breaks its lines."""
        tokens = (re.escape(token) for token in re.findall(r"\w+|\S", self.old))
        indentation = " " * (len(self.old) - len(self.old.lstrip(" ")))
        return re.compile(
            indentation
            + r"\s*".join(f",?{each}" if each in ("\\)", "\\]", "\\}") else each for each in tokens)
        )

    def put_into(self, root: Path) -> None:
        """Change the file in a copy. Raise ValueError where `old` is not there once."""
        path = root / self.file
        text, count = self.pattern.subn(lambda _: self.new, path.read_text("utf-8"))
        if count != 1:
            raise ValueError(f"{self.name}: {self.file} has {count} times what it replaces")
        path.write_text(text, "utf-8")


# What only processes, PostgreSQL and Redis show: consumers, starts and ends, transactions.
PROCESSES = (
    Fault(
        name="acknowledged-before-its-work",
        file="reliable_queue/queue.py",
        old="            self._known.add(claim.receipt)\n            return task",
        new="            self.storage.acknowledge(claim)\n            return task",
        lost="What a worker was doing when it died is not begun again by the next one.",
        found_by=(
            "tests/integration/reliable_queue/test_consumers.py::TestStopping::"
            "test_what_is_interrupted_is_handed_back_at_once",
        ),
    ),
    Fault(
        name="dead-consumer-never-missed",
        file="reliable_queue/redis_scripts.py",
        old="ARGV[8], 'PX', ARGV[2])",
        new="ARGV[8], 'EX', ARGV[2])",
        lost="A consumer that died counts as alive for hours, and its messages are not taken over.",
        found_by=(
            "tests/integration/reliable_queue/test_storage_takeover.py::"
            "test_redis_counts_a_beat_for_as_long_as_it_was_told",
        ),
    ),
    Fault(
        name="leases-not-handed-back",
        file="tasks/content.py",
        old="@content_queue.signal(SIGNAL_INTERRUPTED)  # type: ignore[untyped-decorator]\n",
        new="",
        lost="After each deployment, what was being written waits for its lease to run out.",
        found_by=(
            "tests/unit/roadmap/lifecycle/test_lease_handback.py::TestHandingBack::"
            "test_a_consumer_whose_grace_is_over_hands_back_the_rows_of_its_tasks",
        ),
    ),
    Fault(
        name="hangup-replaces-the-consumer",
        file="reliable_queue/consumer.py",
        old="        self._signal_actions[signal.SIGHUP] = (False, True)\n",
        new="",
        lost="A consumer that hears SIGHUP is restarted without its end: "
        "its last records are lost.",
        found_by=("tests/unit/cli/test_run_services.py",),
    ),
    Fault(
        name="shell-stays-above-the-service",
        file="entrypoint.sh",
        old='exec "${ROADMAP_PYTHON:-python}"',
        new='"${ROADMAP_PYTHON:-python}"',
        lost="SIGTERM ends the shell and not the service, which is killed in its work.",
        found_by=(
            "tests/startup/test_services.py::"
            "test_a_consumer_starts_under_its_old_name_says_once_that_it_is_ready_"
            "and_ends_with_zero",
        ),
    ),
    Fault(
        name="grace-not-asked-for",
        file="cli/run_services.py",
        old='"huey_consumer", "-q", "-g", "TERM", "-t",',
        new='"huey_consumer", "-q", "-t",',
        lost="At each deployment what is being written is broken off, and paid for once more.",
        found_by=("tests/unit/cli/test_run_services.py",),
    ),
    Fault(
        name="stopped-unit-counts-as-failed",
        file="deploy/systemd/roadmap-content@.service",
        old="SuccessExitStatus=143\n",
        new="",
        lost="systemd shows a worker as failed that somebody has stopped, and alarms go off.",
        found_by=(
            "tests/platforms/test_systemd.py::"
            "test_a_service_that_is_stopped_while_it_waits_has_not_failed",
        ),
    ),
    Fault(
        name="last-records-forgotten",
        file="roadmap/operations/execution_log.py",
        old="atexit.register(buffer.close)\n",
        new="",
        lost="What a worker recorded in its last moment is in no log.",
        found_by=(
            "tests/unit/roadmap/operations/test_execution_log.py::TestClosing::"
            "test_a_process_that_just_ends_has_stored_what_it_recorded",
        ),
    ),
    Fault(
        name="dead-connections-stay-in-the-pool",
        file="core/db.py",
        old="        database.close_idle()  # they lead to the same server\n",
        new="",
        lost="After a failover one request after the other fails, for each old connection.",
        found_by=("tests/startup/test_postgres_pool.py",),
    ),
    Fault(
        name="migrations-without-a-lock",
        file="core/migrate.py",
        old='        database.execute_sql("SELECT pg_advisory_xact_lock(%s)", (LOCK,))\n',
        new="",
        lost="Of several instances that start at once some fail in the middle of a migration.",
        found_by=(
            "tests/startup/test_server_waits.py::"
            "test_three_apis_that_start_at_once_migrate_once_and_all_serve",
        ),
    ),
    Fault(
        name="change-of-another-moment",
        file="core/db.py",
        old='ISOLATION LEVEL REPEATABLE READ")\n        try:',
        new='ISOLATION LEVEL READ COMMITTED")\n        try:',
        lost="Two who change the same thing at once overwrite each other in spite of If-Match.",
        found_by=(
            "tests/startup/test_postgres_pool.py::"
            "test_what_somebody_else_has_changed_since_it_was_read_is_not_overwritten",
        ),
    ),
    Fault(
        name="idle-consumers-ask-all-the-time",
        file="reliable_queue/redis_storage.py",
        old="        poll_seconds: float = 10.0,",
        new="        poll_seconds: float = 0.1,",
        lost="An idle service costs money where Redis is billed by the command.",
        found_by=(
            "tests/integration/reliable_queue/test_storage_waiting.py::"
            "test_an_idle_consumer_asks_redis_seldom",
        ),
    ),
    Fault(
        name="limits-not-shared",
        file="web/http/limits.py",
        old="    if exchange is not None:\n        exchange.request()\n    _refuse(limit, wait)",
        new="    _refuse(limit, wait)",
        lost="With several instances passwords can be guessed as often at each of them.",
        found_by=("tests/security/test_consumption.py::TestSharing",),
    ),
)

# What becomes of accepted work, in whichever process.
WORK = (
    Fault(
        name="sent-before-the-commit",
        file="tasks/dispatcher.py",
        old="    database.after_commit(partial(sender.submit, jobs))",
        new="    sender.submit(jobs)",
        lost="A worker looks for what is not there yet, and the work waits for rescue.",
        found_by=(
            "tests/unit/web/test_idempotency.py::TestEverythingElse::"
            "test_the_work_of_a_decision_is_sent_once_it_is_committed",
        ),
    ),
    Fault(
        name="lease-not-checked-at-the-save",
        file="roadmap/lifecycle/making/leases.py",
        old="where(table.id == row_id, table.lease_token == token)\n    rows: list[Row]",
        new="where(table.id == row_id)\n    rows: list[Row]",
        lost="A worker that was given up overwrites what its successor has written.",
        found_by=(
            "tests/unit/roadmap/lifecycle/test_leases.py",
            "tests/unit/roadmap/lifecycle/test_lease_handback.py",
        ),
    ),
    Fault(
        name="answer-dropped-while-the-database-is-away",
        file="roadmap/generation/retry_policy.py",
        old="            if monotonic() > deadline:",
        new="            if monotonic() < deadline:",
        lost="What a model has answered is thrown away when the database restarts.",
        found_by=(
            "tests/unit/roadmap/lifecycle/test_lease_handback.py::TestSaving::"
            "test_a_save_is_repeated_while_the_database_is_away",
        ),
    ),
    Fault(
        name="tries-without-end",
        file="roadmap/lifecycle/making/attempts.py",
        old="    elif fault.lasting or row.attempts >= settings.max_attempts:",
        new="    elif fault.lasting:",
        lost="A part that a model cannot write is tried for ever, and its roadmap never ends.",
        found_by=("tests/unit/roadmap/lifecycle/test_jobs.py::TestFaults",),
    ),
    Fault(
        name="trash-never-emptied",
        file="tasks/upkeep.py",
        old="    trash.purge_expired()\n",
        new="",
        lost="The trash is never emptied, although the page promises thirty days.",
        found_by=("tests/unit/roadmap/lifecycle/test_trash.py",),
    ),
    Fault(
        name="index-left-out",
        file="migrations/0013_growth.py",
        old='    "roadmap_owner_id_status_id": "roadmap (owner_id, status, id)",\n',
        new="",
        lost="The list of roadmaps in one state becomes slower with each roadmap of anybody.",
        found_by=(
            "tests/integration/roadmap/test_list_plans.py::test_a_list_looks_at_what_it_shows",
        ),
    ),
    Fault(
        name="backup-without-cards",
        file="roadmap/operations/backup.py",
        old='EXPORTS = ("account_export", "export_piece")',
        new='EXPORTS = ("account_export", "export_piece", "review_card")',
        lost="After a restore no review card is left: no question comes back.",
        found_by=(
            "tests/unit/cli/test_commands.py::"
            "test_nothing_but_what_is_made_again_is_left_out_of_a_backup",
        ),
    ),
    Fault(
        name="counts-added-twice",
        file="roadmap/operations/metrics_store.py",
        old="ProcessMetrics.last_batch < peewee.EXCLUDED.last_batch",
        new="ProcessMetrics.last_batch <= peewee.EXCLUDED.last_batch",
        lost="After an outage of the database the counts of requests and costs are too high.",
        found_by=("tests/unit/roadmap/operations/test_metrics_store.py::TestSaving",),
    ),
)

# Who asks, and what they are answered.
ANSWERS = (
    Fault(
        name="owner-left-out",
        file="roadmap/accounts/access.py",
        old="Roadmap.get_or_none(Roadmap.id == roadmap_id, Roadmap.owner == owner_id)",
        new="Roadmap.get_or_none(Roadmap.id == roadmap_id)",
        lost="Every account that knows its id reads the roadmap of another account.",
        found_by=(
            "tests/access/test_routes.py::TestEveryPlaceOfEveryPath::"
            "test_what_belongs_to_another_is_not_there_and_stays_as_it_is",
        ),
    ),
    Fault(
        name="keys-of-requests-shared-by-all",
        file="web/endpoints/idempotency.py",
        old='f"{owner_id.hex} {key}".encode()',
        new="key.encode()",
        lost="Who sends the Idempotency-Key of somebody else gets their answer, or none.",
        found_by=(
            "tests/unit/web/test_idempotency.py::TestKeeping::"
            "test_a_key_is_that_of_its_account_alone",
        ),
    ),
    Fault(
        name="next-page-forgets-the-filter",
        file="web/http/pagination.py",
        old="{**given, 'cursor': cursor}",
        new="{'cursor': cursor}",
        lost="The second page of a list shows what was filtered out on the first.",
        found_by=("tests/unit/web/http/test_etags.py::TestPaging",),
    ),
    Fault(
        name="etag-ignored",
        file="web/endpoints/endpoint.py",
        old="check_match(call.request, tag_of(self.current(call)))",
        new="pass",
        lost="Who changes something with If-Match overwrites what they have not seen.",
        found_by=("tests/unit/web/http/test_etags.py",),
    ),
    Fault(
        name="neighbours-may-send-forms",
        file="web/http/host_and_csrf.py",
        old='if site in ("same-origin", "none"):',
        new='if site in ("same-origin", "same-site", "none"):',
        lost="A page of a neighbour on the same domain acts in the name of its visitors.",
        found_by=("tests/security/browsers/test_csrf.py",),
    ),
    Fault(
        name="event-without-its-number",
        file="web/roadmaps/sse.py",
        old='f"id: {event.seq}\\nevent: {event.type}',
        new='f"event: {event.type}',
        lost="A browser whose stream was cut sees everything from the beginning once more.",
        found_by=(
            "tests/integration/web/test_main_job.py::"
            "test_events_are_numbered_without_gaps_and_resume_after_the_last_one_seen",
        ),
    ),
    Fault(
        name="words-become-tags",
        file="web/pages/markdown_html.py",
        old='    *("table", "thead", "tbody", "tr"),',
        new='    *("table", "thead", "tbody", "tr", "img"),',
        lost="A tutorial runs a script in the browser of its reader once a rule forgets to escape.",
        found_by=(
            "tests/unit/web/pages/test_markdown_text.py::TestText::"
            "test_a_tag_from_a_mistake_of_the_renderer_is_left_out",
        ),
    ),
    Fault(
        name="one-public-address-is-enough",
        file="core/net/safe_http.py",
        old="if not addresses or not all(is_allowed",
        new="if not addresses or not any(is_allowed",
        lost="A webhook whose name has a second address reaches into the operator's network.",
        found_by=(
            "tests/security/test_webhooks.py::TestAddresses::"
            "test_one_address_inside_is_enough_to_refuse",
        ),
    ),
    Fault(
        name="address-by-hearsay",
        file="web/http/host_and_csrf.py",
        old="before = _address(forwarded.pop())",
        new="before = _address(forwarded.pop(0))",
        lost="Who writes another address into a header each time may guess without limit.",
        found_by=("tests/security/test_consumption.py::TestAddresses",),
    ),
    Fault(
        name="token-of-a-link-logged",
        file="web/endpoints/errors.py",
        old="request.method, path, place",
        new="request.method, request.scope['path'], place",
        lost="Who reads the log can open what somebody has shared with a friend.",
        found_by=("tests/unit/roadmap/exchange/test_share_links.py::TestRefused",),
    ),
    Fault(
        name="model-library-in-every-process",
        file="roadmap/generation/llm/client.py",
        old="if TYPE_CHECKING:\n    import httpx2\n    import openai\n",
        new="import httpx2\nimport openai\n",
        lost="The API takes 24 MB and half a second more, which the smallest plan does not have.",
        found_by=(
            "tests/unit/repository/test_layers.py::"
            "test_openai_is_not_loaded_by_a_process_that_calls_no_model",
        ),
    ),
    Fault(
        name="number-too-large-for-the-database",
        file="web/endpoints/endpoint.py",
        old='"number": (r"[1-9][0-9]{0,5}"',
        new='"number": (r"[1-9][0-9]*"',
        lost="An address with a long number is answered with an error of the server.",
        found_by=(
            "tests/unit/web/api/test_commands.py::"
            "test_a_number_that_no_revision_can_have_is_not_found",
        ),
    ),
)

# Learning, planning, cost and webhooks.
DOMAIN = (
    Fault(
        name="hard-counts-as-good",
        file="roadmap/learning/spaced_repetition.py",
        old="    ReviewRating.hard: fsrs.Rating.Hard,",
        new="    ReviewRating.hard: fsrs.Rating.Good,",
        lost="What was hard to remember comes back too late, and is forgotten by then.",
        found_by=(
            "tests/unit/roadmap/learning/test_spaced_repetition.py::"
            "test_it_is_what_fsrs_says_however_often_it_is_taken_apart",
        ),
    ),
    Fault(
        name="budget-checked-without-the-call",
        file="roadmap/budget/budget.py",
        old="    within = (sum_ + most <= limit,) if limit else ()",
        new="    within = (sum_ <= limit,) if limit else ()",
        lost="Roadmaps cost more than their budget.",
        found_by=("tests/unit/roadmap/budget/test_limits.py",),
    ),
    Fault(
        name="signature-over-other-bytes",
        file="roadmap/webhooks/sender.py",
        old='f"{delivery_id}.{timestamp}.{payload}".encode()',
        new='f"{timestamp}.{payload}".encode()',
        lost="Receivers that check the signature as the specification says refuse every webhook.",
        found_by=("tests/unit/roadmap/webhooks/test_sender.py::TestSigning",),
    ),
    Fault(
        name="month-by-the-clock-of-the-machine",
        file="roadmap/budget/budget.py",
        old='    return f"{now.astimezone(UTC):%Y-%m}"',
        new='    return f"{now.astimezone():%Y-%m}"',
        lost="East of Greenwich the budget of a month begins hours too early.",
        found_by=("tests/unit/roadmap/budget/test_limits.py::TestMonths",),
    ),
    Fault(
        name="deadline-in-english-only",
        file="roadmap/exchange/formats/ics.py",
        old='texts.gettext("Target date: %(title)s") % {"title": name}',
        new='f"Deadline: {name}"',
        lost="In the calendar of a Chinese reader the deadline is in English.",
        found_by=("tests/unit/scripts/test_texts.py",),
    ),
    Fault(
        name="doctor-always-content",
        file="cli/doctor.py",
        old="raise click.exceptions.Exit(Exit.failed if counts[State.failed] else Exit.ok)",
        new="raise click.exceptions.Exit(Exit.ok)",
        lost="A deployment that asks the doctor goes on although the database is not there.",
        found_by=(
            "tests/commands/test_operators_commands.py::"
            "test_a_wrong_database_url_is_reported_with_its_cause",
        ),
    ),
    Fault(
        name="official-by-the-end-of-a-name",
        file="quality/links.py",
        old="    return host_of(url) in official_hosts()",
        new="    return any(host_of(url).endswith(host) for host in official_hosts())",
        lost="A link to not-arxiv.org counts as one to the archive of papers.",
        found_by=(
            "tests/catalogue/quality/test_quality.py::TestMeasures::"
            "test_an_official_host_is_named_with_its_publisher",
        ),
    ),
)

FAULTS = (*PROCESSES, *WORK, *ANSWERS, *DOMAIN)
