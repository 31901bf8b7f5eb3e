"""Every route of the service.

Those for programs have their request and response models.
"""

from functools import partial

from core import json_types
from core.errors import Conflict, Forbidden, Gone, NotFound, Unauthenticated
from roadmap.accounts.api_keys import KeyInfo, KeyList, KeyRequest, NewKey
from roadmap.accounts.identity import Scope
from roadmap.accounts.invitations import InvitationInfo, InvitationRequest
from roadmap.accounts.schemas import (
    Credentials,
    Deletion,
    DeletionRequest,
    EmailChange,
    PasswordChange,
    Registration,
    User,
)
from roadmap.accounts.sessions import SessionList
from roadmap.accounts.transfer import Transferred, TransferRequest
from roadmap.budget.cost_report import Receipt
from roadmap.exchange.formats.registry import FORMATS
from roadmap.exchange.import_validation import RoadmapFile
from roadmap.exchange.share_links import LinkInfo, LinkRequest, NewLink
from roadmap.exchange.shared_view import SharedConceptDetail, SharedRoadmap
from roadmap.learning.daily_limits import ReviewForecast, ReviewLimits
from roadmap.learning.placement import (
    Placement,
    PlacementRequest,
    SkippedConcepts,
    SkipRequest,
)
from roadmap.learning.progress import (
    Attempt,
    AttemptRequest,
    Attempts,
    ExerciseRequest,
    LearnerConcept,
    NotesRequest,
    PartRequest,
    Profile,
    ProfilePatch,
)
from roadmap.learning.projects import Project, ProjectRequest
from roadmap.learning.reviews import (
    CardState,
    CheckedReview,
    ReviewCheck,
    ReviewRequest,
    Reviews,
    UndoRequest,
)
from roadmap.learning.schedule import Schedule
from roadmap.learning.today import Today
from roadmap.lifecycle.admin_queries import OverseenDetail, OverseenRoadmap
from roadmap.lifecycle.content_versions import VersionDetail, VersionDiff, Versions
from roadmap.lifecycle.revisions import Diff, RevisionDetail, Revisions
from roadmap.lifecycle.schedule_settings import ScheduleRequest
from roadmap.lifecycle.timeline.timeline import Trace
from roadmap.lifecycle.trash import Trashed
from roadmap.operations.audit_log import AuditEntry
from roadmap.operations.execution_log import LogRecord
from roadmap.operations.log_search import LogEntry
from roadmap.plan.edits import EditRequest
from roadmap.plan.schemas import (
    AnswersRequest,
    ApproveRequest,
    ProgressRequest,
    RegenerateRequest,
    ReviseRequest,
    RoadmapRequest,
)
from roadmap.plan.views import Activity, ConceptDetail, RoadmapSummary
from roadmap.webhooks.subscriptions import (
    DeliveryDetail,
    DeliveryInfo,
    WebhookChange,
    WebhookInfo,
    WebhookList,
    WebhookPatch,
    WebhookRequest,
    WebhookWithSecret,
)
from tasks.queue_admin import DeadLettersRequest
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
from web.call import EmptyBody
from web.endpoint import Endpoint, LargeBody
from web.http.pagination import PageQuery
from web.links import ImportedRoadmap
from web.pages import docs, static_files, templates, timeline_view
from web.pages.account import account
from web.pages.account import webhooks as webhook_pages
from web.pages.admin import logs as admin_logs
from web.pages.admin import overview as admin_overview
from web.pages.admin import queues as admin_queues
from web.pages.admin import roadmaps as admin_roadmaps
from web.pages.learn import catalogue, concept, endings, home, placement, project, review
from web.pages.own_chat import ChatQuery
from web.pages.page_route import PageRoute, UploadPage
from web.pages.plan import editing, history, roadmap, roadmap_stream
from web.pages.share import importing, sharing
from web.search_filters import FilterQuery, LogSearchQuery, SearchQuery
from web.stated_endpoint import StatedEndpoint

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

command = partial(
    Endpoint,
    "POST",
    response=decisions.Decision,
    status=202,
    current=roadmaps.read_roadmap,
    raises=(Conflict,),
)
observe = partial(Endpoint, "GET", scope=Scope.observe)
act = partial(
    queues.QueueEndpoint, "POST", response=None, body=EmptyBody, status=204, scope=Scope.admin
)

ENDPOINTS = (
    Endpoint("GET", "/", health.show_index, "Read the entry point", health.Index, public=True),
    Endpoint("GET", "/health", health.show_alive, "Check liveness", health.Alive, public=True,
        unlimited=True),
    Endpoint("GET", "/health/live", health.show_alive, "Check liveness (probe)", health.Alive,
        public=True, unlimited=True),
    health.ProbeEndpoint("GET", "/health/ready", health.show_ready, "Check readiness", health.Ready,
        public=True),
    Endpoint("GET", "/openapi.json", docs_.show_openapi, "Read the OpenAPI document", None,
        public=True),
    Endpoint("GET", "/problems", docs_.list_problem_types, "List problem types",
        docs_.ProblemMeanings, public=True),
    Endpoint("GET", "/problems/{slug}", docs_.read_problem_type, "Read a problem type",
        docs_.ProblemMeaning, public=True),
    metrics.MetricsEndpoint("GET", "/metrics", metrics.show_metrics, "Read metrics", None,
        scope=Scope.observe, media_type="text/plain"),
    Endpoint("POST", API + "/auth/register", accounts.register, "Register", accounts.Session,
        body=Registration, status=201, public=True, raises=(Forbidden, Conflict)),
    Endpoint("POST", API + "/auth/login", accounts.log_in, "Log in", accounts.Session,
        body=Credentials, public=True, raises=(Unauthenticated, Conflict)),
    Endpoint("POST", API + "/auth/logout", accounts.log_out, "Log out", None, body=EmptyBody,
        status=204, login_only=True),
    Endpoint("PUT", API + "/auth/password", accounts.change_password, "Change the password",
        accounts.Session, body=PasswordChange, login_only=True, raises=(Conflict,)),
    Endpoint("PUT", API + "/auth/email", accounts.change_email, "Change the e-mail address",
        accounts.Session, body=EmailChange, login_only=True, raises=(Conflict,)),
    Endpoint("GET", API + "/auth/me", accounts.read_me, "Read the current account", User),
    Endpoint("DELETE", API + "/auth/me", accounts.delete_me, "Delete the account", Deletion,
        body=DeletionRequest, login_only=True, raises=(Conflict,)),
    Endpoint("POST", EXPORT, account_export.order_export, "Export the account data",
        account_export.LinkedExport, body=EmptyBody, status=202, login_only=True, confirms=True),
    Endpoint("GET", EXPORT, account_export.read_export, "Read the account export",
        account_export.LinkedExport, login_only=True, raises=(NotFound,)),
    Endpoint("GET", EXPORT + ".zip", account_export.download_export,
        "Download the account export", None, login_only=True, media_type="application/zip",
        raises=(NotFound, Conflict)),
    Endpoint("GET", API + "/auth/sessions", accounts.list_logins, "List login sessions",
        SessionList, login_only=True),
    Endpoint("DELETE", API + "/auth/sessions/{session_id}", accounts.end_login,
        "End a login session", None, status=204, login_only=True),
    Endpoint("POST", API + "/api-keys", keys.create_key, "Create an API key", NewKey,
        body=KeyRequest, status=201, login_only=True, raises=(Conflict,), has_secret=True),
    Endpoint("GET", API + "/api-keys", keys.list_keys, "List API keys", KeyList,
        login_only=True),
    Endpoint("GET", API + "/api-keys/{key_id}", keys.read_key, "Read an API key", KeyInfo,
        login_only=True),
    Endpoint("DELETE", API + "/api-keys/{key_id}", keys.revoke_key, "Revoke an API key", None,
        status=204, login_only=True, current=keys.read_key),
    Endpoint("POST", API + "/invitations", keys.create_invitation, "Create an invitation",
        keys.NewInvitation, body=InvitationRequest, status=201, scope=Scope.admin, has_secret=True),
    Endpoint("GET", API + "/invitations", keys.list_invitations, "List invitations",
        json_types.Page[InvitationInfo], query=PageQuery, scope=Scope.admin),
    Endpoint("GET", API + "/invitations/{invitation_id}", keys.read_invitation,
        "Read an invitation", InvitationInfo, scope=Scope.admin),
    Endpoint("DELETE", API + "/invitations/{invitation_id}", keys.withdraw_invitation,
        "Revoke an invitation", None, status=204, scope=Scope.admin,
        current=keys.read_invitation),
    roadmaps.CreateEndpoint("POST", API + "/roadmaps", roadmaps.create_roadmap, "Create a roadmap",
        roadmaps.Accepted, body=RoadmapRequest, status=202),
    StatedEndpoint("GET", API + "/roadmaps", roadmaps.list_roadmaps, "List roadmaps",
        json_types.Page[RoadmapSummary], query=roadmaps.ListQuery, place=roadmaps.list_place),
    StatedEndpoint("GET", ROADMAP, roadmaps.read_roadmap, "Read a roadmap", roadmaps.LinkedTree,
        place=roadmaps.tree_place),
    Endpoint("DELETE", ROADMAP, trash.trash_roadmap, "Move a roadmap to the trash", None,
        status=204, current=roadmaps.read_roadmap),
    Endpoint("GET", API + "/trash", trash.list_trash, "List the trash", json_types.Page[Trashed],
        query=trash.TrashQuery),
    Endpoint("POST", TRASHED + "/restore", trash.restore_from_trash,
        "Restore a roadmap from the trash", RoadmapSummary, body=EmptyBody),
    Endpoint("DELETE", TRASHED, trash.delete_for_ever, "Delete a roadmap permanently", None,
        status=204),
    *(exports.endpoint(ROADMAP, each) for each in FORMATS.values()),
    LargeBody("POST", API + "/imports", imports.import_roadmap, "Import a roadmap", ImportedRoadmap,
        body=RoadmapFile, status=201),
    Endpoint("GET", ROADMAP + "/events", roadmaps.watch_roadmap, "Stream the events of a roadmap",
        None, query=roadmaps.EventsQuery, media_type="text/event-stream", raises=(Conflict,)),
    Endpoint("GET", ROADMAP + "/activity", roadmaps.read_activity, "Read the current activity",
        Activity),
    Endpoint("GET", ROADMAP + "/logs", roadmaps.list_logs, "Read the execution log of a roadmap",
        json_types.Page[LogRecord], query=roadmaps.LogsQuery),
    StatedEndpoint("GET", ROADMAP + "/concepts/{concept_id}", roadmaps.read_concept,
        "Read a concept", ConceptDetail, place=roadmaps.concept_place),
    command(ROADMAP + "/answers", decisions.answer_questions,
        "Answer the questions before the plan", body=AnswersRequest),
    command(ROADMAP + "/approve", decisions.approve_plan, "Approve the plan", body=ApproveRequest),
    command(ROADMAP + "/revise", decisions.revise_plan, "Revise the plan",
        body=ReviseRequest),
    command(ROADMAP + "/edits", decisions.edit_plan, "Edit the plan", body=EditRequest),
    command(ROADMAP + "/cancel", decisions.cancel_roadmap, "Cancel a roadmap", body=EmptyBody),
    command(ROADMAP + "/retry", decisions.retry_roadmap, "Retry failed parts", body=EmptyBody),
    Endpoint("GET", ROADMAP + "/revisions", revisions_.list_revisions, "List revisions",
        Revisions),
    Endpoint("GET", REVISION, revisions_.read_revision, "Read a revision", RevisionDetail),
    Endpoint("GET", REVISION + "/diff", revisions_.compare_revisions, "Compare two revisions", Diff,
        query=revisions_.DiffQuery),
    command(REVISION + "/restore", decisions.restore_revision, "Restore a revision",
        body=EmptyBody),
    command(CONTENT + "/retry", decisions.retry_part, "Retry a failed part", body=EmptyBody),
    command(CONTENT + "/regenerate", decisions.regenerate_part, "Regenerate a part",
        body=RegenerateRequest),
    Endpoint("GET", CONTENT + "/versions", revisions_.list_versions, "List versions of a part",
        Versions),
    Endpoint("GET", CONTENT + "/versions/{number}", revisions_.read_version,
        "Read a version of a part", VersionDetail),
    Endpoint("GET", CONTENT + "/versions/{number}/diff", revisions_.compare_versions,
        "Compare two versions of a part", VersionDiff, query=revisions_.VersionDiffQuery),
    command(CONTENT + "/versions/{number}/restore", decisions.restore_version,
        "Restore a version of a part", body=EmptyBody),
    command(CONCEPT + "/upgrade", decisions.upgrade_concept,
        "Rewrite a built-in concept with the model", body=EmptyBody),
    Endpoint("GET", CONCEPT + "/progress", learning.read_progress, "Read the progress of a concept",
        LearnerConcept),
    Endpoint("PUT", CONCEPT + "/part", learning.finish_part, "Finish a part of a concept",
        LearnerConcept, body=PartRequest, current=learning.read_progress, raises=(Conflict,)),
    Endpoint("PUT", CONCEPT + "/progress", learning.set_progress, "Set the progress of a concept",
        LearnerConcept, body=ProgressRequest, current=learning.read_progress),
    Endpoint("GET", CONCEPT + "/notes", learning.read_notes, "Read the notes", LearnerConcept),
    Endpoint("PUT", CONCEPT + "/notes", learning.set_notes, "Save the notes", LearnerConcept,
        body=NotesRequest, current=learning.read_notes, raises=(Conflict,)),
    Endpoint("GET", CONCEPT + "/exercise", learning.read_exercise, "Read the exercise of a concept",
        LearnerConcept),
    Endpoint("PUT", CONCEPT + "/exercise", learning.save_exercise, "Save the exercise of a concept",
        LearnerConcept, body=ExerciseRequest, current=learning.read_exercise),
    Endpoint("POST", CONCEPT + "/quiz/attempts", learning.answer_quiz, "Answer a quiz", Attempt,
        body=AttemptRequest, status=201, raises=(Conflict,)),
    Endpoint("GET", CONCEPT + "/quiz/attempts", learning.list_attempts, "List attempts at a quiz",
        Attempts, query=learning.AttemptsQuery),
    Endpoint("GET", CONCEPT + "/quiz/attempts/{attempt_id}", learning.read_attempt,
        "Read an attempt at a quiz", Attempt),
    Endpoint("GET", PROJECT, learning.read_project, "Read the project of a stage", Project),
    Endpoint("PUT", PROJECT, learning.save_project, "Save the work on a project", Project,
        body=ProjectRequest, current=learning.read_project),
    Endpoint("POST", PROJECT + "/judgement", learning.order_judgement,
        "Have a project judged by the model", Project, body=EmptyBody, status=202,
        raises=(Conflict,)),
    Endpoint("POST", ROADMAP + "/links", shares.create_link, "Create a share link", NewLink,
        body=LinkRequest, status=201, raises=(Conflict,), has_secret=True),
    Endpoint("GET", ROADMAP + "/links", shares.list_links, "List share links", shares.LinkList),
    Endpoint("GET", ROADMAP + "/links/{link_id}", shares.read_link, "Read a share link", LinkInfo),
    Endpoint("DELETE", ROADMAP + "/links/{link_id}", shares.revoke_link, "Revoke a share link",
        None, status=204, current=shares.read_link),
    Endpoint("GET", SHARED, shares.read_shared, "Read a shared roadmap", SharedRoadmap, public=True,
        raises=(Gone,)),
    Endpoint("GET", SHARED + "/concepts/{concept_id}", shares.read_shared_concept,
        "Read a concept of a shared roadmap", SharedConceptDetail, public=True, raises=(Gone,)),
    Endpoint("POST", ROADMAP + "/placement", learning.place_learner,
        "Ask what the learner knows already", Placement, body=PlacementRequest, raises=(Conflict,)),
    Endpoint("POST", ROADMAP + "/placement/skip", learning.skip_concepts,
        "Skip known concepts", SkippedConcepts, body=SkipRequest, raises=(Conflict,)),
    StatedEndpoint("GET", ROADMAP + "/schedule", learning.read_schedule, "Read the schedule",
        Schedule, place=learning.schedule_place),
    Endpoint("PUT", ROADMAP + "/schedule", learning.save_schedule, "Set the schedule",
        Schedule, body=ScheduleRequest, current=learning.read_schedule, raises=(Conflict,)),
    Endpoint("GET", API + "/today", learning.read_today, "Read what to learn today", Today),
    Endpoint("GET", API + "/reviews", reviews.list_reviews, "List due reviews", Reviews,
        query=reviews.ReviewsQuery, raises=(NotFound,)),
    Endpoint("POST", REVIEW + "/check", reviews.check_review, "Check an answer", CheckedReview,
        body=ReviewCheck),
    Endpoint("POST", REVIEW, reviews.rate_review, "Rate a review", CardState, body=ReviewRequest,
        raises=(Conflict,)),
    Endpoint("POST", REVIEW + "/undo", reviews.undo_review, "Undo a rating", CardState,
        body=UndoRequest, raises=(Conflict,)),
    Endpoint("GET", API + "/review-forecast", reviews.read_forecast, "Read the review forecast",
        ReviewForecast),
    Endpoint("GET", API + "/review-limits", reviews.read_limits, "Read the review limits",
        ReviewLimits),
    Endpoint("PUT", API + "/review-limits", reviews.save_limits, "Set the review limits",
        ReviewLimits, body=ReviewLimits, current=reviews.read_limits),
    shares.CopyEndpoint("POST", SHARED + "/copy", shares.copy_shared, "Copy a shared roadmap",
        ImportedRoadmap, body=EmptyBody, status=201, raises=(Conflict, Gone)),
    Endpoint("GET", "/calendars/{token}/roadmap.ics", shares.follow_calendar,
        "Read a calendar feed", None, public=True,
        media_type=shares.CALENDAR.media_type, raises=(Gone,)),
    Endpoint("GET", API + "/profile", learning.read_profile, "Read the profile", Profile),
    Endpoint("PUT", API + "/profile", learning.save_profile, "Replace the profile", Profile,
        body=Profile, current=learning.read_profile),
    Endpoint("PATCH", API + "/profile", learning.patch_profile, "Change fields of the profile",
        Profile, body=ProfilePatch, current=learning.read_profile),
    Endpoint("POST", API + "/webhooks", webhooks.create_webhook, "Create a webhook",
        WebhookWithSecret, body=WebhookRequest, status=201, raises=(Conflict,), has_secret=True),
    Endpoint("GET", API + "/webhooks", webhooks.list_webhooks, "List webhooks", WebhookList),
    Endpoint("GET", WEBHOOK, webhooks.read_webhook, "Read a webhook", WebhookInfo),
    Endpoint("PUT", WEBHOOK, webhooks.change_webhook, "Replace a webhook", WebhookInfo,
        body=WebhookChange, current=webhooks.read_webhook, confirms=True),
    Endpoint("PATCH", WEBHOOK, webhooks.patch_webhook, "Change fields of a webhook", WebhookInfo,
        body=WebhookPatch, current=webhooks.read_webhook, confirms=True),
    Endpoint("DELETE", WEBHOOK, webhooks.delete_webhook, "Delete a webhook", None, status=204,
        current=webhooks.read_webhook),
    Endpoint("POST", WEBHOOK + "/secret", webhooks.rotate_webhook_secret,
        "Rotate the secret of a webhook",
        WebhookWithSecret, body=EmptyBody, current=webhooks.read_webhook, has_secret=True),
    Endpoint("POST", WEBHOOK + "/test", webhooks.test_webhook, "Send a test delivery",
        DeliveryInfo, body=EmptyBody, status=202, raises=(Conflict,)),
    Endpoint("GET", WEBHOOK + "/deliveries", webhooks.list_deliveries,
        "List deliveries of a webhook",
        json_types.Page[DeliveryInfo], query=webhooks.DeliveriesQuery),
    Endpoint("GET", DELIVERY, webhooks.read_delivery, "Read a delivery", DeliveryDetail),
    Endpoint("POST", DELIVERY + "/retry", webhooks.retry_delivery, "Retry a delivery",
        DeliveryInfo, body=EmptyBody, status=202, raises=(Conflict,)),
    observe(ADMIN + "/logs", logs.search_logs, "Search the execution log",
        json_types.Page[LogEntry], query=LogSearchQuery),
    observe(ADMIN + "/logs/export", logs.export_logs, "Export the execution log", None,
        query=FilterQuery, media_type="application/x-ndjson"),
    Endpoint("GET", ROADMAP + "/receipt", revisions_.read_receipt, "Read the cost of a roadmap",
        Receipt, query=PageQuery),
    Endpoint("GET", ROADMAP + "/trace", revisions_.read_trace, "Read the timeline of a roadmap",
        Trace),
    observe(ADMIN + "/roadmaps", roadmaps_.search_roadmaps, "Search all roadmaps",
        json_types.Page[OverseenRoadmap], query=SearchQuery),
    observe(OVERSEEN, roadmaps_.read_overseen, "Read the state of any roadmap", OverseenDetail),
    observe(OVERSEEN + "/trace", roadmaps_.read_overseen_trace, "Read the timeline of any roadmap",
        Trace),
    Endpoint("POST", OVERSEEN + "/cancel", roadmaps_.cancel_overseen, "Cancel any roadmap",
        roadmaps_.OperatorDecision, body=EmptyBody, status=202, scope=Scope.admin,
        raises=(Conflict,)),
    Endpoint("POST", OVERSEEN + "/retry", roadmaps_.retry_overseen, "Retry any roadmap",
        roadmaps_.OperatorDecision, body=EmptyBody, status=202, scope=Scope.admin,
        raises=(Conflict,)),
    Endpoint("POST", ADMIN + "/transfers", roadmaps_.transfer_roadmaps,
        "Transfer all roadmaps of an account", Transferred, body=TransferRequest, scope=Scope.admin,
        confirms=True, raises=(NotFound, Conflict)),
    observe(ADMIN + "/queues", queues.list_queues, "List queues", queues.QueueList),
    observe(QUEUE, queues.read_queue, "Read a queue", queues.QueueInfo),
    observe(QUEUE + "/messages", queues.list_queue_messages, "List messages of a queue",
        queues.QueueMessages, query=queues.MessagesQuery),
    act(QUEUE + "/pause", queues.pause_queue, "Pause a queue"),
    act(QUEUE + "/resume", queues.resume_queue, "Resume a queue"),
    act(MESSAGE + "/retry", queues.retry_message, "Retry a dead letter"),
    act(MESSAGE + "/revoke", queues.revoke_message, "Revoke a message", raises=(Conflict,)),
    Endpoint("DELETE", MESSAGE, queues.delete_message, "Delete a dead letter", None, status=204,
        scope=Scope.admin),
    queues.QueueEndpoint("POST", QUEUE + "/dead/retry", queues.retry_dead_letters,
        "Retry dead letters", queues.Counted, body=DeadLettersRequest, scope=Scope.admin),
    queues.QueueEndpoint("POST", QUEUE + "/dead/delete", queues.delete_dead_letters,
        "Delete dead letters", queues.Counted, body=DeadLettersRequest, scope=Scope.admin),
    observe(QUEUE + "/history", task_stats.read_queue_history, "Read the task history of a queue",
        task_stats.QueueHistory, query=task_stats.SpanQuery),
    observe(ADMIN + "/workers", queues.list_workers, "List workers", queues.WorkerList),
    observe(ADMIN + "/tasks", task_stats.list_tasks, "List task statistics", task_stats.TaskList,
        query=task_stats.SpanQuery),
    observe(ADMIN + "/audit", audit_log.list_audit, "Read the audit log",
        json_types.Page[AuditEntry], query=audit_log.AuditQuery),
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
    PageRoute("GET", "/", home.home_page, query=home.StartQuery, for_programs=BY_PATH["/"]),
    PageRoute("GET", "/roadmaps", home.roadmaps_page, query=home.RoadmapListQuery),
    PageRoute("POST", "/roadmaps", home.create),
    PageRoute("GET", "/catalogue", catalogue.catalogue_page),
    PageRoute("GET", "/catalogue/{track}", catalogue.track_page),
    PageRoute("GET", "/import", importing.import_page, query=ChatQuery),
    UploadPage("POST", "/import", importing.take, body=RoadmapFile, query=ChatQuery),
    PageRoute("GET", PAGE, roadmap.roadmap_page),
    PageRoute("GET", PAGE + "/print", roadmap.print_page, query=roadmap.PrintQuery),
    PageRoute("GET", PAGE + "/picture", roadmap.picture),
    PageRoute("GET", PAGE + "/stages/{number}", endings.stage_page),
    PageRoute("GET", PAGE + "/completion", endings.completion_page),
    PageRoute("GET", PAGE + "/live", roadmap_stream.watch, query=roadmap_stream.LiveQuery),
    PageRoute("POST", PAGE + "/answers", roadmap.answer),
    PageRoute("POST", PAGE + "/approve", roadmap.approve),
    PageRoute("POST", PAGE + "/revise", roadmap.revise),
    PageRoute("POST", PAGE + "/cancel", roadmap.cancel),
    PageRoute("POST", PAGE + "/retry", roadmap.retry),
    PageRoute("POST", PAGE + "/schedule", roadmap.reschedule),
    PageRoute("GET", PAGE + "/trace", timeline_view.timeline_page, query=timeline_view.TraceQuery),
    PageRoute("POST", PAGE + "/trash", roadmap.move_to_trash),
    PageRoute("GET", PAGE + "/revisions", history.revisions_page),
    PageRoute("GET", PAGE + "/revisions/{number}", history.revision_page,
        query=history.CompareQuery),
    PageRoute("POST", PAGE + "/revisions/{number}/restore", history.restore_revision),
    PageRoute("GET", PAGE + "/edit", editing.edit_page, query=editing.EditQuery),
    PageRoute("POST", PAGE + "/edit", editing.edit),
    PageRoute("GET", PAGE + "/placement", placement.placement_page, query=placement.PlacementQuery),
    PageRoute("POST", PAGE + "/placement", placement.answer, query=placement.PlacementQuery),
    PageRoute("POST", PAGE + "/placement/skip", placement.skip, query=placement.PlacementQuery),
    PageRoute("GET", "/trash", roadmap.trash_page, query=roadmap.TrashPageQuery),
    PageRoute("POST", "/trash/{roadmap_id}/restore", roadmap.restore_from_trash),
    PageRoute("POST", "/trash/{roadmap_id}/delete", roadmap.delete_for_ever),
    PageRoute("GET", LESSON, concept.concept_page, query=concept.ConceptQuery),
    PageRoute("POST", LESSON + "/progress", concept.set_progress),
    PageRoute("POST", LESSON + "/part", concept.finish_part),
    PageRoute("GET", LESSON + "/panel", roadmap.panel, query=roadmap.PanelQuery),
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
    PageRoute("GET", LESSON + "/{kind}/versions", history.versions_page,
        query=history.VersionsQuery),
    PageRoute("POST", LESSON + "/{kind}/versions/{number}/restore", history.restore_version),
    PageRoute("GET", "/review", review.review_page, query=review.ReviewQuery),
    PageRoute("POST", "/review/limits", review.save_limits),
    PageRoute("POST", "/review/{card_id}/check", review.check),
    PageRoute("POST", "/review/{card_id}/undo", review.undo),
    PageRoute("POST", "/review/{card_id}", review.rate),
    PageRoute("GET", "/login", account.login_page, query=account.LoginQuery, public=True),
    PageRoute("POST", "/login", account.log_in, public=True),
    PageRoute("GET", "/register", account.registration_page, query=account.RegisterQuery,
        public=True),
    PageRoute("POST", "/register", account.register, public=True),
    PageRoute("POST", "/logout", account.log_out, login_only=True),
    PageRoute("GET", "/account", account.account_page, query=account.AccountQuery),
    PageRoute("POST", "/account/profile", account.save_profile),
    PageRoute("POST", "/account/learning", account.save_learning),
    PageRoute("POST", "/account/password", account.change_password, login_only=True),
    PageRoute("POST", "/account/email", account.change_email, login_only=True),
    PageRoute("POST", "/account/export", account.order_export, login_only=True, confirms=True),
    PageRoute("POST", "/account/delete", account.delete, login_only=True),
    PageRoute("POST", "/account/logins/{session_id}/end", account.end_session, login_only=True),
    PageRoute("GET", "/webhooks", webhook_pages.webhooks_page),
    PageRoute("POST", "/webhooks", webhook_pages.add_webhook, has_secret=True),
    PageRoute("GET", HOOK, webhook_pages.webhook_page, query=webhook_pages.LogQuery),
    PageRoute("POST", HOOK + "/test", webhook_pages.test_webhook),
    PageRoute("POST", HOOK + "/secret", webhook_pages.rotate_secret, has_secret=True),
    PageRoute("POST", HOOK + "/enabled", webhook_pages.set_enabled, confirms=True),
    PageRoute("POST", HOOK + "/delete", webhook_pages.delete_webhook),
    PageRoute("POST", HOOK + "/deliveries/{delivery_id}/retry", webhook_pages.retry_delivery),
    observe_page("/admin/logs", admin_logs.logs_page, query=admin_logs.LogPageQuery),
    observe_page("/admin/roadmaps", admin_roadmaps.roadmaps_page,
        query=admin_roadmaps.RoadmapsQuery),
    observe_page(ADMIN_ROADMAP, admin_roadmaps.roadmap_page, query=admin_roadmaps.RoadmapQuery),
    PageRoute("POST", ADMIN_ROADMAP + "/cancel", admin_roadmaps.cancel, scope=Scope.admin),
    PageRoute("POST", ADMIN_ROADMAP + "/retry", admin_roadmaps.retry, scope=Scope.admin),
    PageRoute("POST", "/admin/transfers", admin_roadmaps.transfer, scope=Scope.admin,
        confirms=True),
    observe_page("/admin", admin_overview.overview_page, query=admin_overview.OverviewQuery),
    observe_page("/admin/measures", admin_overview.statistics_part,
        query=admin_overview.OverviewQuery),
    observe_page("/admin/audit", admin_logs.audit_log_page, query=admin_logs.AuditPageQuery),
    observe_page(QUEUE_PAGE, admin_queues.queue_page, query=admin_queues.QueueQuery),
    *(
        PageRoute("GET", path, partial(admin_queues.confirm_page, name=action),
            query=admin_queues.ActQuery, scope=Scope.admin)
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
MCP = mcp.McpEndpoint("POST", "/mcp", mcp.serve_mcp, "Call the MCP server", None,
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
