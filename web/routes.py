"""Every route of the service.

Their models of bodies, queries and responses are the types of the handlers.
"""

from functools import partial

from core.errors import Conflict, Forbidden, Gone, NotFound, Unauthenticated
from roadmap.accounts.identity import Scope
from roadmap.exchange.formats.registry import FORMATS
from roadmap.exchange.import_validation import RoadmapFile
from web.api import (
    account_export,
    accounts,
    decisions,
    exports,
    health,
    imports,
    keys,
    learning,
    mcp,
    metrics,
    reviews,
    roadmaps,
    shares,
    trash,
    webhooks,
)
from web.api import docs as docs_
from web.api import revisions as revisions_
from web.api.admin import audit_log, logs, queues, task_stats
from web.api.admin import roadmaps as roadmaps_
from web.endpoints.endpoint import Endpoint, LargeBody
from web.endpoints.stated_endpoint import StatedEndpoint
from web.pages import docs, static_files, templates, timeline_view
from web.pages.account import account
from web.pages.account import webhooks as webhook_pages
from web.pages.admin import logs as admin_logs
from web.pages.admin import overview as admin_overview
from web.pages.admin import queues as admin_queues
from web.pages.admin import roadmaps as admin_roadmaps
from web.pages.learn import catalogue, concept, endings, home, placement, project, review
from web.pages.page_route import PageRoute, UploadPage
from web.pages.plan import editing, history, roadmap, roadmap_stream
from web.pages.share import importing, sharing

API = "/api/v1"
EXPORT = API + "/auth/me/export"
ROADMAP = API + "/roadmaps/{roadmap_id}"
REVISION = ROADMAP + "/revisions/{number}"
CONCEPT = ROADMAP + "/concepts/{concept_id}"
PROJECT = ROADMAP + "/stages/{stage_id}/project"
CONTENT = ROADMAP + "/concepts/{concept_id}/{kind}"
SHARED = API + "/shared/{token}"
REVIEW = API + "/reviews/{card_id}"
WEBHOOK = API + "/webhooks/{webhook_id}"
ADMIN = API + "/admin"
OVERSEEN = ADMIN + "/roadmaps/{roadmap_id}"
QUEUE = ADMIN + "/queues/{queue}"
MESSAGE = QUEUE + "/messages/{message}"
TRASHED = API + "/trash/{roadmap_id}"
DELIVERY = WEBHOOK + "/deliveries/{delivery_id}"

command = partial(Endpoint, "POST", status=202, current=roadmaps.read_roadmap, raises=(Conflict,))
observe = partial(Endpoint, "GET", scope=Scope.observe)
act = partial(queues.QueueEndpoint, "POST", status=204, scope=Scope.admin)

ENDPOINTS = (
    Endpoint("GET", "/", health.show_index, "Read the entry point", public=True),
    Endpoint("GET", "/health", health.show_alive, "Check liveness", public=True, unlimited=True),
    Endpoint("GET", "/health/live", health.show_alive, "Check liveness (probe)", public=True,
        unlimited=True),
    health.ProbeEndpoint("GET", "/health/ready", health.show_ready, "Check readiness", public=True),
    Endpoint("GET", "/openapi.json", docs_.show_openapi, "Read the OpenAPI document", public=True),
    Endpoint("GET", "/problems", docs_.list_problem_types, "List problem types", public=True),
    Endpoint("GET", "/problems/{slug}", docs_.read_problem_type, "Read a problem type",
        public=True),
    metrics.MetricsEndpoint("GET", "/metrics", metrics.show_metrics, "Read metrics",
        scope=Scope.observe, media_type="text/plain"),
    Endpoint("POST", API + "/auth/register", accounts.register, "Register", status=201, public=True,
        raises=(Forbidden, Conflict)),
    Endpoint("POST", API + "/auth/login", accounts.log_in, "Log in", public=True,
        raises=(Unauthenticated, Conflict)),
    Endpoint("POST", API + "/auth/logout", accounts.log_out, "Log out", status=204,
        login_only=True),
    Endpoint("PUT", API + "/auth/password", accounts.change_password, "Change the password",
        login_only=True, raises=(Conflict,)),
    Endpoint("PUT", API + "/auth/email", accounts.change_email, "Change the e-mail address",
        login_only=True, raises=(Conflict,)),
    Endpoint("GET", API + "/auth/me", accounts.read_me, "Read the current account"),
    Endpoint("DELETE", API + "/auth/me", accounts.delete_me, "Delete the account", login_only=True,
        raises=(Conflict,)),
    Endpoint("POST", EXPORT, account_export.order_export, "Export the account data", status=202,
        login_only=True, confirms=True),
    Endpoint("GET", EXPORT, account_export.read_export, "Read the account export", login_only=True,
        raises=(NotFound,)),
    Endpoint("GET", EXPORT + ".zip", account_export.download_export, "Download the account export",
        login_only=True, media_type="application/zip", raises=(NotFound, Conflict)),
    Endpoint("GET", API + "/auth/sessions", accounts.list_logins, "List login sessions",
        login_only=True),
    Endpoint("DELETE", API + "/auth/sessions/{session_id}", accounts.end_login,
        "End a login session", status=204, login_only=True),
    Endpoint("POST", API + "/api-keys", keys.create_key, "Create an API key", status=201,
        login_only=True, raises=(Conflict,), has_secret=True),
    Endpoint("GET", API + "/api-keys", keys.list_keys, "List API keys", login_only=True),
    Endpoint("GET", API + "/api-keys/{key_id}", keys.read_key, "Read an API key", login_only=True),
    Endpoint("DELETE", API + "/api-keys/{key_id}", keys.revoke_key, "Revoke an API key", status=204,
        login_only=True, current=keys.read_key),
    Endpoint("POST", API + "/invitations", keys.create_invitation, "Create an invitation",
        status=201, scope=Scope.admin, has_secret=True),
    Endpoint("GET", API + "/invitations", keys.list_invitations, "List invitations",
        scope=Scope.admin),
    Endpoint("GET", API + "/invitations/{invitation_id}", keys.read_invitation,
        "Read an invitation", scope=Scope.admin),
    Endpoint("DELETE", API + "/invitations/{invitation_id}", keys.withdraw_invitation,
        "Revoke an invitation", status=204, scope=Scope.admin, current=keys.read_invitation),
    roadmaps.CreateEndpoint("POST", API + "/roadmaps", roadmaps.create_roadmap, "Create a roadmap",
        status=202),
    StatedEndpoint("GET", API + "/roadmaps", roadmaps.list_roadmaps, "List roadmaps",
        place=roadmaps.list_place),
    StatedEndpoint("GET", ROADMAP, roadmaps.read_roadmap, "Read a roadmap",
        place=roadmaps.tree_place),
    Endpoint("DELETE", ROADMAP, trash.trash_roadmap, "Move a roadmap to the trash", status=204,
        current=roadmaps.read_roadmap),
    Endpoint("GET", API + "/trash", trash.list_trash, "List the trash"),
    Endpoint("POST", TRASHED + "/restore", trash.restore_from_trash,
        "Restore a roadmap from the trash"),
    Endpoint("DELETE", TRASHED, trash.delete_for_ever, "Delete a roadmap permanently", status=204),
    *(exports.endpoint(ROADMAP, each) for each in FORMATS.values()),
    LargeBody("POST", API + "/imports", imports.import_roadmap, "Import a roadmap", status=201),
    Endpoint("GET", ROADMAP + "/events", roadmaps.watch_roadmap, "Stream the events of a roadmap",
        media_type="text/event-stream", raises=(Conflict,)),
    Endpoint("GET", ROADMAP + "/activity", roadmaps.read_activity, "Read the current activity"),
    Endpoint("GET", ROADMAP + "/logs", roadmaps.list_logs, "Read the execution log of a roadmap"),
    StatedEndpoint("GET", ROADMAP + "/concepts/{concept_id}", roadmaps.read_concept,
        "Read a concept", place=roadmaps.concept_place),
    command(ROADMAP + "/answers", decisions.answer_questions,
        "Answer the questions before the plan"),
    command(ROADMAP + "/approve", decisions.approve_plan, "Approve the plan"),
    command(ROADMAP + "/revise", decisions.revise_plan, "Revise the plan"),
    command(ROADMAP + "/edits", decisions.edit_plan, "Edit the plan"),
    command(ROADMAP + "/cancel", decisions.cancel_roadmap, "Cancel a roadmap"),
    command(ROADMAP + "/retry", decisions.retry_roadmap, "Retry failed parts"),
    Endpoint("GET", ROADMAP + "/revisions", revisions_.list_revisions, "List revisions"),
    Endpoint("GET", REVISION, revisions_.read_revision, "Read a revision"),
    Endpoint("GET", REVISION + "/diff", revisions_.compare_revisions, "Compare two revisions"),
    command(REVISION + "/restore", decisions.restore_revision, "Restore a revision"),
    command(CONTENT + "/retry", decisions.retry_part, "Retry a failed part"),
    command(CONTENT + "/regenerate", decisions.regenerate_part, "Regenerate a part"),
    Endpoint("GET", CONTENT + "/versions", revisions_.list_versions, "List versions of a part"),
    Endpoint("GET", CONTENT + "/versions/{number}", revisions_.read_version,
        "Read a version of a part"),
    Endpoint("GET", CONTENT + "/versions/{number}/diff", revisions_.compare_versions,
        "Compare two versions of a part"),
    command(CONTENT + "/versions/{number}/restore", decisions.restore_version,
        "Restore a version of a part"),
    command(CONCEPT + "/upgrade", decisions.upgrade_concept,
        "Rewrite a built-in concept with the model"),
    Endpoint("GET", CONCEPT + "/progress", learning.read_progress,
        "Read the progress of a concept"),
    Endpoint("PUT", CONCEPT + "/part", learning.finish_part, "Finish a part of a concept",
        current=learning.read_progress, raises=(Conflict,)),
    Endpoint("PUT", CONCEPT + "/progress", learning.set_progress, "Set the progress of a concept",
        current=learning.read_progress),
    Endpoint("GET", CONCEPT + "/notes", learning.read_notes, "Read the notes"),
    Endpoint("PUT", CONCEPT + "/notes", learning.set_notes, "Save the notes",
        current=learning.read_notes, raises=(Conflict,)),
    Endpoint("GET", CONCEPT + "/exercise", learning.read_exercise,
        "Read the exercise of a concept"),
    Endpoint("PUT", CONCEPT + "/exercise", learning.save_exercise, "Save the exercise of a concept",
        current=learning.read_exercise),
    Endpoint("POST", CONCEPT + "/quiz/attempts", learning.answer_quiz, "Answer a quiz", status=201,
        raises=(Conflict,)),
    Endpoint("GET", CONCEPT + "/quiz/attempts", learning.list_attempts, "List attempts at a quiz"),
    Endpoint("GET", CONCEPT + "/quiz/attempts/{attempt_id}", learning.read_attempt,
        "Read an attempt at a quiz"),
    Endpoint("GET", PROJECT, learning.read_project, "Read the project of a stage"),
    Endpoint("PUT", PROJECT, learning.save_project, "Save the work on a project",
        current=learning.read_project),
    Endpoint("POST", PROJECT + "/judgement", learning.order_judgement,
        "Have a project judged by the model", status=202, raises=(Conflict,)),
    Endpoint("POST", ROADMAP + "/links", shares.create_link, "Create a share link", status=201,
        raises=(Conflict,), has_secret=True),
    Endpoint("GET", ROADMAP + "/links", shares.list_links, "List share links"),
    Endpoint("GET", ROADMAP + "/links/{link_id}", shares.read_link, "Read a share link"),
    Endpoint("DELETE", ROADMAP + "/links/{link_id}", shares.revoke_link, "Revoke a share link",
        status=204, current=shares.read_link),
    Endpoint("GET", SHARED, shares.read_shared, "Read a shared roadmap", public=True,
        raises=(Gone,)),
    Endpoint("GET", SHARED + "/concepts/{concept_id}", shares.read_shared_concept,
        "Read a concept of a shared roadmap", public=True, raises=(Gone,)),
    Endpoint("POST", ROADMAP + "/placement", learning.place_learner,
        "Ask what the learner knows already", raises=(Conflict,)),
    Endpoint("POST", ROADMAP + "/placement/skip", learning.skip_concepts, "Skip known concepts",
        raises=(Conflict,)),
    StatedEndpoint("GET", ROADMAP + "/schedule", learning.read_schedule, "Read the schedule",
        place=learning.schedule_place),
    Endpoint("PUT", ROADMAP + "/schedule", learning.save_schedule, "Set the schedule",
        current=learning.read_schedule, raises=(Conflict,)),
    Endpoint("GET", API + "/today", learning.read_today, "Read what to learn today"),
    Endpoint("GET", API + "/reviews", reviews.list_reviews, "List due reviews", raises=(NotFound,)),
    Endpoint("POST", REVIEW + "/check", reviews.check_review, "Check an answer"),
    Endpoint("POST", REVIEW, reviews.rate_review, "Rate a review", raises=(Conflict,)),
    Endpoint("POST", REVIEW + "/undo", reviews.undo_review, "Undo a rating", raises=(Conflict,)),
    Endpoint("GET", API + "/review-forecast", reviews.read_forecast, "Read the review forecast"),
    Endpoint("GET", API + "/review-limits", reviews.read_limits, "Read the review limits"),
    Endpoint("PUT", API + "/review-limits", reviews.save_limits, "Set the review limits",
        current=reviews.read_limits),
    shares.CopyEndpoint("POST", SHARED + "/copy", shares.copy_shared, "Copy a shared roadmap",
        status=201, raises=(Conflict, Gone)),
    Endpoint("GET", "/calendars/{token}/roadmap.ics", shares.follow_calendar,
        "Read a calendar feed", public=True, media_type=shares.CALENDAR.media_type, raises=(Gone,)),
    Endpoint("GET", API + "/profile", learning.read_profile, "Read the profile"),
    Endpoint("PUT", API + "/profile", learning.save_profile, "Replace the profile",
        current=learning.read_profile),
    Endpoint("PATCH", API + "/profile", learning.patch_profile, "Change fields of the profile",
        current=learning.read_profile),
    Endpoint("POST", API + "/webhooks", webhooks.create_webhook, "Create a webhook", status=201,
        raises=(Conflict,), has_secret=True),
    Endpoint("GET", API + "/webhooks", webhooks.list_webhooks, "List webhooks"),
    Endpoint("GET", WEBHOOK, webhooks.read_webhook, "Read a webhook"),
    Endpoint("PUT", WEBHOOK, webhooks.change_webhook, "Replace a webhook",
        current=webhooks.read_webhook, confirms=True),
    Endpoint("PATCH", WEBHOOK, webhooks.patch_webhook, "Change fields of a webhook",
        current=webhooks.read_webhook, confirms=True),
    Endpoint("DELETE", WEBHOOK, webhooks.delete_webhook, "Delete a webhook", status=204,
        current=webhooks.read_webhook),
    Endpoint("POST", WEBHOOK + "/secret", webhooks.rotate_webhook_secret,
        "Rotate the secret of a webhook", current=webhooks.read_webhook, has_secret=True),
    Endpoint("POST", WEBHOOK + "/test", webhooks.test_webhook, "Send a test delivery", status=202,
        raises=(Conflict,)),
    Endpoint("GET", WEBHOOK + "/deliveries", webhooks.list_deliveries,
        "List deliveries of a webhook"),
    Endpoint("GET", DELIVERY, webhooks.read_delivery, "Read a delivery"),
    Endpoint("POST", DELIVERY + "/retry", webhooks.retry_delivery, "Retry a delivery", status=202,
        raises=(Conflict,)),
    observe(ADMIN + "/logs", logs.search_logs, "Search the execution log"),
    observe(ADMIN + "/logs/export", logs.export_logs, "Export the execution log",
        media_type="application/x-ndjson"),
    Endpoint("GET", ROADMAP + "/receipt", revisions_.read_receipt, "Read the cost of a roadmap"),
    Endpoint("GET", ROADMAP + "/trace", revisions_.read_trace, "Read the timeline of a roadmap"),
    observe(ADMIN + "/roadmaps", roadmaps_.search_roadmaps, "Search all roadmaps"),
    observe(OVERSEEN, roadmaps_.read_overseen, "Read the state of any roadmap"),
    observe(OVERSEEN + "/trace", roadmaps_.read_overseen_trace, "Read the timeline of any roadmap"),
    Endpoint("POST", OVERSEEN + "/cancel", roadmaps_.cancel_overseen, "Cancel any roadmap",
        status=202, scope=Scope.admin, raises=(Conflict,)),
    Endpoint("POST", OVERSEEN + "/retry", roadmaps_.retry_overseen, "Retry any roadmap", status=202,
        scope=Scope.admin, raises=(Conflict,)),
    Endpoint("POST", ADMIN + "/transfers", roadmaps_.transfer_roadmaps,
        "Transfer all roadmaps of an account", scope=Scope.admin, confirms=True,
        raises=(NotFound, Conflict)),
    observe(ADMIN + "/queues", queues.list_queues, "List queues"),
    observe(QUEUE, queues.read_queue, "Read a queue"),
    observe(QUEUE + "/messages", queues.list_queue_messages, "List messages of a queue"),
    act(QUEUE + "/pause", queues.pause_queue, "Pause a queue"),
    act(QUEUE + "/resume", queues.resume_queue, "Resume a queue"),
    act(MESSAGE + "/retry", queues.retry_message, "Retry a dead letter"),
    act(MESSAGE + "/revoke", queues.revoke_message, "Revoke a message", raises=(Conflict,)),
    Endpoint("DELETE", MESSAGE, queues.delete_message, "Delete a dead letter", status=204,
        scope=Scope.admin),
    queues.QueueEndpoint("POST", QUEUE + "/dead/retry", queues.retry_dead_letters,
        "Retry dead letters", scope=Scope.admin),
    queues.QueueEndpoint("POST", QUEUE + "/dead/delete", queues.delete_dead_letters,
        "Delete dead letters", scope=Scope.admin),
    observe(QUEUE + "/history", task_stats.read_queue_history, "Read the task history of a queue"),
    observe(ADMIN + "/workers", queues.list_workers, "List workers"),
    observe(ADMIN + "/tasks", task_stats.list_tasks, "List task statistics"),
    observe(ADMIN + "/audit", audit_log.list_audit, "Read the audit log"),
)  # fmt: skip

PAGE = "/roadmaps/{roadmap_id}"
LESSON = PAGE + "/concepts/{concept_id}"
PROJECT_PAGE = PAGE + "/stages/{stage_id}/project"
QUEUE_PAGE = "/admin/queues/{queue}"
MESSAGE_PAGE = QUEUE_PAGE + "/messages/{message}"
HOOK = "/webhooks/{webhook_id}"
SHARED_PAGE = "/shared/{token}"
ADMIN_ROADMAP = "/admin/roadmaps/{roadmap_id}"  # the page of operators
BY_PATH = {  # for clients that want no page
    endpoint.path: endpoint for endpoint in ENDPOINTS if endpoint.method == "GET"
}

QUEUE_ACTIONS = {
    QUEUE_PAGE + "/pause": "queue.pause",
    QUEUE_PAGE + "/resume": "queue.resume",
    QUEUE_PAGE + "/dead/retry": "dead.retry",
    QUEUE_PAGE + "/dead/delete": "dead.delete",
    MESSAGE_PAGE + "/retry": "message.retry",
    MESSAGE_PAGE + "/revoke": "message.revoke",
    MESSAGE_PAGE + "/delete": "message.delete",
}  # pages that ask before an action, and carry it out
observe_page = partial(PageRoute, "GET", scope=Scope.observe)

PAGES = (
    PageRoute("GET", "/", home.home_page, for_programs=BY_PATH["/"]),
    PageRoute("GET", "/roadmaps", home.roadmaps_page),
    PageRoute("POST", "/roadmaps", home.create),
    PageRoute("GET", "/catalogue", catalogue.catalogue_page),
    PageRoute("GET", "/catalogue/{track}", catalogue.track_page),
    PageRoute("GET", "/import", importing.import_page),
    UploadPage("POST", "/import", importing.take, body=RoadmapFile),
    PageRoute("GET", PAGE, roadmap.roadmap_page),
    PageRoute("GET", PAGE + "/print", roadmap.print_page),
    PageRoute("GET", PAGE + "/picture", roadmap.picture),
    PageRoute("GET", PAGE + "/stages/{number}", endings.stage_page),
    PageRoute("GET", PAGE + "/completion", endings.completion_page),
    PageRoute("GET", PAGE + "/live", roadmap_stream.watch),
    PageRoute("POST", PAGE + "/answers", roadmap.answer),
    PageRoute("POST", PAGE + "/approve", roadmap.approve),
    PageRoute("POST", PAGE + "/revise", roadmap.revise),
    PageRoute("POST", PAGE + "/cancel", roadmap.cancel),
    PageRoute("POST", PAGE + "/retry", roadmap.retry),
    PageRoute("POST", PAGE + "/schedule", roadmap.reschedule),
    PageRoute("GET", PAGE + "/trace", timeline_view.timeline_page),
    PageRoute("POST", PAGE + "/trash", roadmap.move_to_trash),
    PageRoute("GET", PAGE + "/revisions", history.revisions_page),
    PageRoute("GET", PAGE + "/revisions/{number}", history.revision_page),
    PageRoute("POST", PAGE + "/revisions/{number}/restore", history.restore_revision),
    PageRoute("GET", PAGE + "/edit", editing.edit_page),
    PageRoute("POST", PAGE + "/edit", editing.edit),
    PageRoute("GET", PAGE + "/placement", placement.placement_page),
    PageRoute("POST", PAGE + "/placement", placement.answer),
    PageRoute("POST", PAGE + "/placement/skip", placement.skip),
    PageRoute("GET", "/trash", roadmap.trash_page),
    PageRoute("POST", "/trash/{roadmap_id}/restore", roadmap.restore_from_trash),
    PageRoute("POST", "/trash/{roadmap_id}/delete", roadmap.delete_for_ever),
    PageRoute("GET", LESSON, concept.concept_page),
    PageRoute("POST", LESSON + "/progress", concept.set_progress),
    PageRoute("POST", LESSON + "/part", concept.finish_part),
    PageRoute("GET", LESSON + "/panel", roadmap.panel),
    PageRoute("POST", LESSON + "/notes", concept.set_notes),
    PageRoute("POST", LESSON + "/exercise", concept.save_exercise),
    PageRoute("POST", LESSON + "/quiz", concept.answer),
    PageRoute("POST", LESSON + "/{kind}/retry", roadmap.retry_part),
    PageRoute("GET", PROJECT_PAGE, project.project_page),
    PageRoute("POST", PROJECT_PAGE, project.save),
    PageRoute("POST", PROJECT_PAGE + "/judgement", project.order_judgement),
    PageRoute("POST", PROJECT_PAGE + "/link", project.create_link, has_secret=True),
    PageRoute("POST", PROJECT_PAGE + "/link/revoke", project.revoke_link),
    PageRoute("GET", "/judge/{token}", project.judge_page, public=True),
    PageRoute("POST", "/judge/{token}", project.judge, public=True),
    PageRoute("GET", PAGE + "/sharing", sharing.sharing_page),
    PageRoute("POST", PAGE + "/sharing", sharing.create, has_secret=True),
    PageRoute("POST", PAGE + "/sharing/{link_id}/revoke", sharing.revoke),
    PageRoute("GET", SHARED_PAGE, sharing.shared_page, public=True),
    PageRoute("POST", SHARED_PAGE + "/copy", sharing.copy),
    PageRoute("GET", SHARED_PAGE + "/concepts/{concept_id}", sharing.shared_concept_page,
        public=True),
    PageRoute("POST", LESSON + "/upgrade", concept.upgrade),
    PageRoute("POST", LESSON + "/{kind}/regenerate", concept.regenerate),
    PageRoute("GET", LESSON + "/{kind}/versions", history.versions_page),
    PageRoute("POST", LESSON + "/{kind}/versions/{number}/restore", history.restore_version),
    PageRoute("GET", "/review", review.review_page),
    PageRoute("POST", "/review/limits", review.save_limits),
    PageRoute("POST", "/review/{card_id}/check", review.check),
    PageRoute("POST", "/review/{card_id}/undo", review.undo),
    PageRoute("POST", "/review/{card_id}", review.rate),
    PageRoute("GET", "/login", account.login_page, public=True),
    PageRoute("POST", "/login", account.log_in, public=True),
    PageRoute("GET", "/register", account.registration_page, public=True),
    PageRoute("POST", "/register", account.register, public=True),
    PageRoute("POST", "/logout", account.log_out, login_only=True),
    PageRoute("GET", "/account", account.account_page),
    PageRoute("POST", "/account/profile", account.save_profile),
    PageRoute("POST", "/account/learning", account.save_learning),
    PageRoute("POST", "/account/password", account.change_password, login_only=True),
    PageRoute("POST", "/account/email", account.change_email, login_only=True),
    PageRoute("POST", "/account/export", account.order_export, login_only=True, confirms=True),
    PageRoute("POST", "/account/delete", account.delete, login_only=True),
    PageRoute("POST", "/account/logins/{session_id}/end", account.end_session, login_only=True),
    PageRoute("GET", "/webhooks", webhook_pages.webhooks_page),
    PageRoute("POST", "/webhooks", webhook_pages.add_webhook, has_secret=True),
    PageRoute("GET", HOOK, webhook_pages.webhook_page),
    PageRoute("POST", HOOK + "/test", webhook_pages.test_webhook),
    PageRoute("POST", HOOK + "/secret", webhook_pages.rotate_secret, has_secret=True),
    PageRoute("POST", HOOK + "/enabled", webhook_pages.set_enabled, confirms=True),
    PageRoute("POST", HOOK + "/delete", webhook_pages.delete_webhook),
    PageRoute("POST", HOOK + "/deliveries/{delivery_id}/retry", webhook_pages.retry_delivery),
    observe_page("/admin/logs", admin_logs.logs_page),
    observe_page("/admin/roadmaps", admin_roadmaps.roadmaps_page),
    observe_page(ADMIN_ROADMAP, admin_roadmaps.roadmap_page),
    PageRoute("POST", ADMIN_ROADMAP + "/cancel", admin_roadmaps.cancel, scope=Scope.admin),
    PageRoute("POST", ADMIN_ROADMAP + "/retry", admin_roadmaps.retry, scope=Scope.admin),
    PageRoute("POST", "/admin/transfers", admin_roadmaps.transfer, scope=Scope.admin,
        confirms=True),
    observe_page("/admin", admin_overview.overview_page),
    observe_page("/admin/measures", admin_overview.statistics_part),
    observe_page("/admin/audit", admin_logs.audit_log_page),
    observe_page(QUEUE_PAGE, admin_queues.queue_page),
    *(
        PageRoute("GET", path, partial(admin_queues.confirm_page, name=action), scope=Scope.admin)
        for path, action in QUEUE_ACTIONS.items()
    ),
    *(
        PageRoute("POST", path, partial(admin_queues.perform, name=action), scope=Scope.admin)
        for path, action in QUEUE_ACTIONS.items()
    ),
    PageRoute("POST", "/look", templates.change_preferences, public=True),
    PageRoute("GET", "/docs", docs.docs_page, public=True),
    PageRoute("GET", "/docs/{tag}", docs.chapter_page, public=True),
    PageRoute("GET", "/problems", docs.problem_types_page, public=True,
        for_programs=BY_PATH["/problems"]),
    PageRoute("GET", "/problems/{slug}", docs.problem_type_page, public=True,
        for_programs=BY_PATH["/problems/{slug}"]),
    PageRoute("GET", "/static/{file}", static_files.serve, public=True, unlimited=True),
    PageRoute("GET", "/static/run/{digest}/{file}", static_files.serve_run, public=True,
        unlimited=True),
)  # fmt: skip

# Not an operation of the API: JSON-RPC, which clients of MCP know
MCP = mcp.McpEndpoint("POST", "/mcp", mcp.serve_mcp, "Call the MCP server",
    body=mcp.JsonRpcMessage, scope=Scope.read)  # fmt: skip
ROUTES = [
    *(page.route() for page in PAGES),
    *(endpoint.route() for endpoint in ENDPOINTS),
    MCP.route(),
]


def operation_id(endpoint: Endpoint) -> str:
    """The name of its handler; a path that is only another name for one has its own."""
    name = endpoint.handler.__name__
    first = next(each for each in ENDPOINTS if each.handler is endpoint.handler)
    return name if first is endpoint else f"{name}_at_{endpoint.path.rpartition('/')[2]}"
