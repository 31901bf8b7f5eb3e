"""Every route of the service: those for programs, each with its request and response models, and those for people."""

from core.errors import Conflict, Forbidden, Gone, NotFound, Unauthenticated
from roadmap import reading
from roadmap.accounts import (
    Credentials,
    Deletion,
    DeletionRequest,
    EmailChange,
    PasswordChange,
    Registration,
    User,
)
from roadmap.activity import Activity
from roadmap.api_keys import KeyInfo, KeyList, KeyRequest, NewKey, Scope
from roadmap.audit import AuditLog
from roadmap.contents import VersionDetail, VersionDiff, Versions
from roadmap.editing import EditRequest
from roadmap.invitations import InvitationInfo, InvitationList, InvitationRequest
from roadmap.learning import (
    Attempt,
    AttemptRequest,
    Attempts,
    LearnerConcept,
    NotesRequest,
    Profile,
    ProfilePatch,
    ProgressRequest,
)
from roadmap.log_search import LogEntry
from roadmap.overseeing import OverseenDetail, OverseenList
from roadmap.portable import PortableRoadmap
from roadmap.portable_rules import RoadmapFile
from roadmap.reading import ConceptDetail, LogRecord, RoadmapSummary
from roadmap.receipts import Receipt
from roadmap.requests import ApproveRequest, RegenerateRequest, ReviseRequest, RoadmapRequest
from roadmap.rescheduling import ScheduleRequest
from roadmap.reviewing import CardState, CheckedReview, ReviewCheck, ReviewRequest, Reviews
from roadmap.revisions import Diff, RevisionDetail, Revisions
from roadmap.schedule import Schedule
from roadmap.secret_links import LinkInfo, LinkRequest, NewLink
from roadmap.sessions import SessionList
from roadmap.sharing import SharedConceptDetail, SharedRoadmap
from roadmap.timeline.trace import Trace
from roadmap.transferring import Transferred, TransferRequest
from roadmap.trash import Trashed
from roadmap.webhooks import (
    DeliveryDetail,
    DeliveryInfo,
    WebhookChange,
    WebhookInfo,
    WebhookList,
    WebhookPatch,
    WebhookRequest,
    WebhookWithSecret,
)
from tasks.queue_acts import DeadLettersRequest
from web.api import (
    account_export,
    accounts,
    decisions,
    documentation,
    exporting,
    health,
    history,
    importing,
    keys,
    learning,
    metrics,
    reviews,
    roadmaps,
    sharing,
    trash,
    webhooks,
)
from web.api.operator import auditing, logs, measures, overseeing, queues
from web.endpoint import Endpoint, NoBody
from web.large_bodies import LargeBody
from web.pages import (
    account,
    concept,
    docs,
    editing,
    files,
    live,
    look,
    printing,
    review,
    revisions,
    roadmap,
    start,
    trace,
    versions,
)
from web.pages import importing as importing_page
from web.pages import sharing as sharing_pages
from web.pages import trash as trash_pages
from web.pages import webhooks as webhook_pages
from web.pages.operator import auditing as auditing_room
from web.pages.operator import logs as logs_room
from web.pages.operator import overview as overview_room
from web.pages.operator import queues as queues_room
from web.pages.operator import roadmaps as roadmaps_room
from web.pages.page import Page, UploadPage
from web.searching import FilterQuery, LogsQuery, SearchQuery

API = "/api/v1"
EXPORT = API + "/auth/me/export"
ROADMAP = API + "/roadmaps/{roadmap_id}"
REVISION = ROADMAP + "/revisions/{number}"
CONCEPT = ROADMAP + "/concepts/{concept_id}"
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

ENDPOINTS = (
    Endpoint("GET", "/", health.show_index, "What this is", health.Index, public=True),
    Endpoint("GET", "/health", health.show_alive, "Alive", health.Alive, public=True, unlimited=True),
    Endpoint("GET", "/health/live", health.show_alive, "Alive, for probes", health.Alive, public=True, unlimited=True),
    health.ProbeEndpoint("GET", "/health/ready", health.show_ready, "Ready to serve", health.Ready, public=True),
    Endpoint("GET", "/openapi.json", documentation.show_openapi, "Read this description", None, public=True),
    Endpoint("GET", "/problems", documentation.list_problem_types, "List the types of problems", documentation.ProblemMeanings, public=True),
    Endpoint("GET", "/problems/{slug}", documentation.read_problem_type, "Read what a problem means", documentation.ProblemMeaning, public=True),
    metrics.MetricsEndpoint("GET", "/metrics", metrics.show_metrics, "Counts for Prometheus", None, scope=Scope.observe, media_type="text/plain"),
    Endpoint("POST", API + "/auth/register", accounts.register, "Register", accounts.Session, body=Registration, status=201, public=True, raises=(Forbidden, Conflict)),
    Endpoint("POST", API + "/auth/login", accounts.log_in, "Log in", accounts.Session, body=Credentials, public=True, raises=(Unauthenticated, Conflict)),
    Endpoint("POST", API + "/auth/logout", accounts.log_out, "Log out", None, body=NoBody, status=204, login_only=True),
    Endpoint("PUT", API + "/auth/password", accounts.change_password, "Change the password", accounts.Session, body=PasswordChange, login_only=True, raises=(Conflict,)),
    Endpoint("PUT", API + "/auth/email", accounts.change_email, "Change the e-mail address", accounts.Session, body=EmailChange, login_only=True, raises=(Conflict,)),
    Endpoint("GET", API + "/auth/me", accounts.read_me, "Who am I", User),
    Endpoint("DELETE", API + "/auth/me", accounts.delete_me, "Delete the account", Deletion, body=DeletionRequest, login_only=True, raises=(Conflict,)),
    Endpoint("POST", EXPORT, account_export.order_export, "Export all data of the account", account_export.LinkedExport, body=NoBody, status=202, login_only=True, confirms=True),
    Endpoint("GET", EXPORT, account_export.read_export, "Read the export of the account", account_export.LinkedExport, login_only=True, raises=(NotFound,)),
    Endpoint("GET", EXPORT + ".zip", account_export.download_export, "Download all data of the account", None, login_only=True, media_type="application/zip", raises=(NotFound, Conflict)),
    Endpoint("GET", API + "/auth/sessions", accounts.list_logins, "List my logins", SessionList, login_only=True),
    Endpoint("DELETE", API + "/auth/sessions/{session_id}", accounts.end_login, "End a login", None, status=204, login_only=True),
    Endpoint("POST", API + "/api-keys", keys.create_key, "Make an API key", NewKey, body=KeyRequest, status=201, login_only=True, raises=(Conflict,), has_secret=True),
    Endpoint("GET", API + "/api-keys", keys.list_keys, "List my API keys", KeyList, login_only=True),
    Endpoint("GET", API + "/api-keys/{key_id}", keys.read_key, "Read an API key", KeyInfo, login_only=True),
    Endpoint("DELETE", API + "/api-keys/{key_id}", keys.revoke_key, "Revoke an API key", None, status=204, login_only=True, current=keys.read_key),
    Endpoint("POST", API + "/invitations", keys.create_invitation, "Invite somebody", keys.NewInvitation, body=InvitationRequest, status=201, scope=Scope.admin, has_secret=True),
    Endpoint("GET", API + "/invitations", keys.list_invitations, "List invitations", InvitationList, query=keys.InvitationsQuery, scope=Scope.admin),
    Endpoint("GET", API + "/invitations/{invitation_id}", keys.read_invitation, "Read an invitation", InvitationInfo, scope=Scope.admin),
    Endpoint("DELETE", API + "/invitations/{invitation_id}", keys.withdraw_invitation, "Withdraw an invitation", None, status=204, scope=Scope.admin, current=keys.read_invitation),
    roadmaps.CreateEndpoint("POST", API + "/roadmaps", roadmaps.create_roadmap, "Create a roadmap", roadmaps.Accepted, body=RoadmapRequest, status=202),
    Endpoint("GET", API + "/roadmaps", roadmaps.list_roadmaps, "List roadmaps", reading.Page[RoadmapSummary], query=roadmaps.ListQuery),
    Endpoint("GET", ROADMAP, roadmaps.read_roadmap, "Read a roadmap", roadmaps.LinkedTree),
    Endpoint("DELETE", ROADMAP, trash.trash_roadmap, "Put a roadmap into the trash", None, status=204, current=roadmaps.read_roadmap),
    Endpoint("GET", API + "/trash", trash.list_trash, "List the trash", reading.Page[Trashed], query=trash.TrashQuery),
    Endpoint("POST", TRASHED + "/restore", trash.restore_from_trash, "Restore a roadmap from the trash", RoadmapSummary, body=NoBody),
    Endpoint("DELETE", TRASHED, trash.delete_for_ever, "Delete a roadmap for ever", None, status=204),
    Endpoint("GET", ROADMAP + "/export.svg", exporting.export_picture, "Read a roadmap as a picture", None, query=exporting.PictureQuery, media_type="image/svg+xml"),
    Endpoint("GET", ROADMAP + "/export.json", exporting.export_json, "Take a roadmap along", PortableRoadmap, raises=(Conflict,)),
    Endpoint("GET", ROADMAP + "/export.md", exporting.export_markdown, "Take a roadmap along as Markdown", None, media_type=exporting.MEDIA_TYPES["md"], raises=(Conflict,)),
    Endpoint("GET", ROADMAP + "/export.zip", exporting.export_archive, "Take a roadmap along as a folder", None, media_type=exporting.MEDIA_TYPES["zip"], raises=(Conflict,)),
    Endpoint("GET", ROADMAP + "/export.ics", exporting.export_calendar, "Take a roadmap along as a calendar", None, media_type=exporting.MEDIA_TYPES["ics"]),
    Endpoint("GET", ROADMAP + "/export.apkg", exporting.export_cards, "Take its questions along for Anki", None, media_type=exporting.MEDIA_TYPES["apkg"], raises=(Conflict,)),
    LargeBody("POST", API + "/imports", importing.import_roadmap, "Import a roadmap", importing.ImportedRoadmap, body=RoadmapFile, status=201),
    Endpoint("GET", ROADMAP + "/events", roadmaps.watch_roadmap, "Watch a roadmap", None, media_type="text/event-stream", raises=(Conflict,)),
    Endpoint("GET", ROADMAP + "/activity", roadmaps.read_activity, "Read what is being done now", Activity),
    Endpoint("GET", ROADMAP + "/logs", roadmaps.list_logs, "Read its execution log", reading.Page[LogRecord], query=roadmaps.LogsQuery),
    Endpoint("GET", ROADMAP + "/concepts/{concept_id}", roadmaps.read_concept, "Read a concept", ConceptDetail),
    Endpoint("POST", ROADMAP + "/approve", decisions.approve_plan, "Approve the plan", decisions.Decision, body=ApproveRequest, status=202, current=roadmaps.read_roadmap, raises=(Conflict,)),
    Endpoint("POST", ROADMAP + "/revise", decisions.revise_plan, "Ask for changes of the plan", decisions.Decision, body=ReviseRequest, status=202, current=roadmaps.read_roadmap, raises=(Conflict,)),
    Endpoint("POST", ROADMAP + "/edits", decisions.edit_plan, "Edit the plan", decisions.Decision, body=EditRequest, status=202, current=roadmaps.read_roadmap, raises=(Conflict,)),
    Endpoint("POST", ROADMAP + "/cancel", decisions.cancel_roadmap, "Cancel a roadmap", decisions.Decision, body=NoBody, status=202, current=roadmaps.read_roadmap, raises=(Conflict,)),
    Endpoint("POST", ROADMAP + "/retry", decisions.retry_roadmap, "Retry what failed", decisions.Decision, body=NoBody, status=202, current=roadmaps.read_roadmap, raises=(Conflict,)),
    Endpoint("GET", ROADMAP + "/revisions", history.list_revisions, "List its revisions", Revisions),
    Endpoint("GET", REVISION, history.read_revision, "Read a revision", RevisionDetail),
    Endpoint("GET", REVISION + "/diff", history.compare_revisions, "Compare two revisions", Diff, query=history.DiffQuery),
    Endpoint("POST", REVISION + "/restore", decisions.restore_revision, "Restore a revision", decisions.Decision, body=NoBody, status=202, current=roadmaps.read_roadmap, raises=(Conflict,)),
    Endpoint("POST", CONTENT + "/retry", decisions.retry_part, "Retry a part that failed", decisions.Decision, body=NoBody, status=202, current=roadmaps.read_roadmap, raises=(Conflict,)),
    Endpoint("POST", CONTENT + "/regenerate", decisions.regenerate_part, "Write a part anew", decisions.Decision, body=RegenerateRequest, status=202, current=roadmaps.read_roadmap, raises=(Conflict,)),
    Endpoint("GET", CONTENT + "/versions", history.list_versions, "List versions of a part", Versions),
    Endpoint("GET", CONTENT + "/versions/{number}", history.read_version, "Read a version of a part", VersionDetail),
    Endpoint("GET", CONTENT + "/versions/{number}/diff", history.compare_versions, "Compare two versions of a part", VersionDiff, query=history.VersionDiffQuery),
    Endpoint("POST", CONTENT + "/versions/{number}/restore", decisions.restore_version, "Restore a version of a part", decisions.Decision, body=NoBody, status=202, current=roadmaps.read_roadmap, raises=(Conflict,)),
    Endpoint("POST", CONCEPT + "/upgrade", decisions.upgrade_concept, "Have a built-in concept written by the model", decisions.Decision, body=NoBody, status=202, current=roadmaps.read_roadmap, raises=(Conflict,)),
    Endpoint("GET", CONCEPT + "/progress", learning.read_progress, "Read how far one is", LearnerConcept),
    Endpoint("PUT", CONCEPT + "/progress", learning.set_progress, "Say how far one is", LearnerConcept, body=ProgressRequest, current=learning.read_progress),
    Endpoint("GET", CONCEPT + "/notes", learning.read_notes, "Read the notes", LearnerConcept),
    Endpoint("PUT", CONCEPT + "/notes", learning.set_notes, "Write notes", LearnerConcept, body=NotesRequest, current=learning.read_notes, raises=(Conflict,)),
    Endpoint("POST", CONCEPT + "/quiz/attempts", learning.answer_quiz, "Answer a quiz", Attempt, body=AttemptRequest, status=201, raises=(Conflict,)),
    Endpoint("GET", CONCEPT + "/quiz/attempts", learning.list_attempts, "List attempts at a quiz", Attempts, query=learning.AttemptsQuery),
    Endpoint("GET", CONCEPT + "/quiz/attempts/{attempt_id}", learning.read_attempt, "Read an attempt at a quiz", Attempt),
    Endpoint("POST", ROADMAP + "/links", sharing.create_link, "Make a link to a roadmap", NewLink, body=LinkRequest, status=201, raises=(Conflict,), has_secret=True),
    Endpoint("GET", ROADMAP + "/links", sharing.list_links, "List its links", sharing.LinkList),
    Endpoint("GET", ROADMAP + "/links/{link_id}", sharing.read_link, "Read a link", LinkInfo),
    Endpoint("DELETE", ROADMAP + "/links/{link_id}", sharing.revoke_link, "Revoke a link", None, status=204, current=sharing.read_link),
    Endpoint("GET", SHARED, sharing.read_shared, "Read a shared roadmap", SharedRoadmap, public=True, raises=(Gone,)),
    Endpoint("GET", SHARED + "/concepts/{concept_id}", sharing.read_shared_concept, "Read a concept of a shared roadmap", SharedConceptDetail, public=True, raises=(Gone,)),
    Endpoint("GET", ROADMAP + "/schedule", learning.read_schedule, "Read when it will be learned", Schedule),
    Endpoint("PUT", ROADMAP + "/schedule", learning.save_schedule, "Set its hours and days", Schedule, body=ScheduleRequest, current=learning.read_schedule, raises=(Conflict,)),
    Endpoint("GET", API + "/reviews", reviews.list_reviews, "List what is due for review", Reviews, query=reviews.ReviewsQuery, raises=(NotFound,)),
    Endpoint("POST", REVIEW + "/check", reviews.check_review, "Check an answer", CheckedReview, body=ReviewCheck),
    Endpoint("POST", REVIEW, reviews.rate_review, "Rate a review", CardState, body=ReviewRequest, raises=(Conflict,)),
    sharing.CopyEndpoint("POST", SHARED + "/copy", sharing.copy_shared, "Make a shared roadmap mine", importing.ImportedRoadmap, body=NoBody, status=201, raises=(Conflict, Gone)),
    Endpoint("GET", "/calendars/{token}/roadmap.ics", sharing.follow_calendar, "Follow a plan in a calendar", None, public=True, media_type=exporting.MEDIA_TYPES["ics"], raises=(Gone,)),
    Endpoint("GET", API + "/profile", learning.read_profile, "Read my profile", Profile),
    Endpoint("PUT", API + "/profile", learning.save_profile, "Save my profile", Profile, body=Profile, current=learning.read_profile),
    Endpoint("PATCH", API + "/profile", learning.patch_profile, "Change a part of my profile", Profile, body=ProfilePatch, current=learning.read_profile),
    Endpoint("POST", API + "/webhooks", webhooks.create_webhook, "Make a webhook", WebhookWithSecret, body=WebhookRequest, status=201, raises=(Conflict,), has_secret=True),
    Endpoint("GET", API + "/webhooks", webhooks.list_webhooks, "List my webhooks", WebhookList),
    Endpoint("GET", WEBHOOK, webhooks.read_webhook, "Read a webhook", WebhookInfo),
    Endpoint("PUT", WEBHOOK, webhooks.change_webhook, "Change a webhook", WebhookInfo, body=WebhookChange, current=webhooks.read_webhook, confirms=True),
    Endpoint("PATCH", WEBHOOK, webhooks.patch_webhook, "Change a part of a webhook", WebhookInfo, body=WebhookPatch, current=webhooks.read_webhook, confirms=True),
    Endpoint("DELETE", WEBHOOK, webhooks.delete_webhook, "Delete a webhook", None, status=204, current=webhooks.read_webhook),
    Endpoint("POST", WEBHOOK + "/secret", webhooks.rotate_webhook_secret, "Make its secret anew", WebhookWithSecret, body=NoBody, current=webhooks.read_webhook, has_secret=True),
    Endpoint("POST", WEBHOOK + "/test", webhooks.test_webhook, "Send a test to a webhook", DeliveryInfo, body=NoBody, status=202, raises=(Conflict,)),
    Endpoint("GET", WEBHOOK + "/deliveries", webhooks.list_deliveries, "List its deliveries", reading.Page[DeliveryInfo], query=webhooks.DeliveriesQuery),
    Endpoint("GET", DELIVERY, webhooks.read_delivery, "Read a delivery", DeliveryDetail),
    Endpoint("POST", DELIVERY + "/retry", webhooks.retry_delivery, "Send a delivery once more", DeliveryInfo, body=NoBody, status=202, raises=(Conflict,)),
    Endpoint("GET", ADMIN + "/logs", logs.search_logs, "Search the execution log", reading.Page[LogEntry], query=LogsQuery, scope=Scope.observe),
    Endpoint("GET", ADMIN + "/logs/export", logs.export_logs, "Export the execution log", None, query=FilterQuery, scope=Scope.observe, media_type="application/x-ndjson"),
    Endpoint("GET", ROADMAP + "/receipt", history.read_receipt, "Read what it cost", Receipt, query=history.ReceiptQuery),
    Endpoint("GET", ROADMAP + "/trace", history.read_trace, "Read how it was made", Trace),
    Endpoint("GET", ADMIN + "/roadmaps", overseeing.search_roadmaps, "Search all roadmaps", OverseenList, query=SearchQuery, scope=Scope.observe),
    Endpoint("GET", OVERSEEN, overseeing.read_overseen, "Read the ledger of a roadmap", OverseenDetail, scope=Scope.observe),
    Endpoint("GET", OVERSEEN + "/trace", overseeing.read_overseen_trace, "Read how a roadmap was made", Trace, scope=Scope.observe),
    Endpoint("POST", OVERSEEN + "/cancel", overseeing.cancel_overseen, "Cancel a roadmap of anybody", overseeing.OperatorDecision, body=NoBody, status=202, scope=Scope.admin, raises=(Conflict,)),
    Endpoint("POST", OVERSEEN + "/retry", overseeing.retry_overseen, "Retry a roadmap of anybody", overseeing.OperatorDecision, body=NoBody, status=202, scope=Scope.admin, raises=(Conflict,)),
    Endpoint("POST", ADMIN + "/transfers", overseeing.transfer_roadmaps, "Transfer all roadmaps of an account", Transferred, body=TransferRequest, scope=Scope.admin, confirms=True, raises=(NotFound, Conflict)),
    Endpoint("GET", ADMIN + "/queues", queues.list_queues, "List the queues", queues.QueueList, scope=Scope.observe),
    Endpoint("GET", QUEUE, queues.read_queue, "Read a queue", queues.QueueInfo, scope=Scope.observe),
    Endpoint("GET", QUEUE + "/messages", queues.list_queue_messages, "List messages of a queue", queues.QueueMessages, query=queues.MessagesQuery, scope=Scope.observe),
    queues.QueueEndpoint("POST", QUEUE + "/pause", queues.pause_queue, "Pause a queue", None, body=NoBody, status=204, scope=Scope.admin),
    queues.QueueEndpoint("POST", QUEUE + "/resume", queues.resume_queue, "Resume a queue", None, body=NoBody, status=204, scope=Scope.admin),
    queues.QueueEndpoint("POST", MESSAGE + "/retry", queues.retry_message, "Retry a dead letter", None, body=NoBody, status=204, scope=Scope.admin),
    queues.QueueEndpoint("POST", MESSAGE + "/revoke", queues.revoke_message, "Revoke a message", None, body=NoBody, status=204, scope=Scope.admin, raises=(Conflict,)),
    Endpoint("DELETE", MESSAGE, queues.delete_message, "Delete a dead letter", None, status=204, scope=Scope.admin),
    queues.QueueEndpoint("POST", QUEUE + "/dead/retry", queues.retry_dead_letters, "Retry dead letters", queues.Counted, body=DeadLettersRequest, scope=Scope.admin),
    queues.QueueEndpoint("POST", QUEUE + "/dead/delete", queues.delete_dead_letters, "Delete dead letters", queues.Counted, body=DeadLettersRequest, scope=Scope.admin),
    Endpoint("GET", QUEUE + "/history", measures.read_queue_history, "Read what a queue has done", measures.QueueHistory, query=measures.SpanQuery, scope=Scope.observe),
    Endpoint("GET", ADMIN + "/workers", queues.list_workers, "List the workers", queues.WorkerList, scope=Scope.observe),
    Endpoint("GET", ADMIN + "/tasks", measures.list_tasks, "List the tasks", measures.TaskList, query=measures.SpanQuery, scope=Scope.observe),
    Endpoint("GET", ADMIN + "/audit", auditing.list_audit, "Read the audit log", AuditLog, query=auditing.AuditQuery, scope=Scope.observe),
)  # fmt: skip

PAGE = "/roadmaps/{roadmap_id}"
LESSON = PAGE + "/concepts/{concept_id}"
QUEUE_PAGE = "/admin/queues/{queue}"
MESSAGE_PAGE = QUEUE_PAGE + "/messages/{message}"
HOOK = "/webhooks/{webhook_id}"
SHARED_PAGE = "/shared/{token}"
IN_ROOM = "/admin/roadmaps/{roadmap_id}"  # the operator's
BY_PATH = {
    endpoint.path: endpoint for endpoint in ENDPOINTS if endpoint.method == "GET"
}  # for who wants no page

PAGES = (
    Page("GET", "/", start.show, query=start.StartQuery, for_programs=BY_PATH["/"]),
    Page("GET", "/roadmaps", start.list_, query=start.ListQuery),
    Page("POST", "/roadmaps", start.create),
    Page("GET", "/import", importing_page.show),
    UploadPage("POST", "/import", importing_page.take, body=RoadmapFile),
    Page("GET", PAGE, roadmap.show),
    Page("GET", PAGE + "/print", printing.show),
    Page("GET", PAGE + "/picture", roadmap.picture),
    Page("GET", PAGE + "/live", live.watch, query=live.LiveQuery),
    Page("POST", PAGE + "/approve", roadmap.approve),
    Page("POST", PAGE + "/revise", roadmap.revise),
    Page("POST", PAGE + "/cancel", roadmap.cancel),
    Page("POST", PAGE + "/retry", roadmap.retry),
    Page("POST", PAGE + "/schedule", roadmap.reschedule),
    Page("GET", PAGE + "/trace", trace.show, query=trace.TraceQuery),
    Page("POST", PAGE + "/trash", trash_pages.throw_away),
    Page("GET", PAGE + "/revisions", revisions.show_all),
    Page("GET", PAGE + "/revisions/{number}", revisions.show, query=revisions.CompareQuery),
    Page("POST", PAGE + "/revisions/{number}/restore", revisions.restore),
    Page("GET", PAGE + "/edit", editing.show, query=editing.EditQuery),
    Page("POST", PAGE + "/edit", editing.edit),
    Page("GET", "/trash", trash_pages.show, query=trash_pages.TrashQuery),
    Page("POST", "/trash/{roadmap_id}/restore", trash_pages.restore),
    Page("POST", "/trash/{roadmap_id}/delete", trash_pages.delete),
    Page("GET", LESSON, concept.show, query=concept.ConceptQuery),
    Page("POST", LESSON + "/progress", concept.set_progress),
    Page("POST", LESSON + "/notes", concept.set_notes),
    Page("POST", LESSON + "/quiz", concept.answer),
    Page("POST", LESSON + "/{kind}/retry", roadmap.retry_part),
    Page("GET", PAGE + "/sharing", sharing_pages.show),
    Page("POST", PAGE + "/sharing", sharing_pages.create, has_secret=True),
    Page("POST", PAGE + "/sharing/{link_id}/revoke", sharing_pages.revoke),
    Page("GET", SHARED_PAGE, sharing_pages.show_shared, public=True),
    Page("POST", SHARED_PAGE + "/copy", sharing_pages.copy),
    Page("GET", SHARED_PAGE + "/concepts/{concept_id}", sharing_pages.show_shared_concept, public=True),
    Page("POST", LESSON + "/upgrade", versions.upgrade),
    Page("POST", LESSON + "/{kind}/regenerate", versions.regenerate),
    Page("GET", LESSON + "/{kind}/versions", versions.show, query=versions.VersionsQuery),
    Page("POST", LESSON + "/{kind}/versions/{number}/restore", versions.restore),
    Page("GET", "/review", review.show, query=review.ReviewQuery),
    Page("POST", "/review/{card_id}/check", review.check),
    Page("POST", "/review/{card_id}", review.rate),
    Page("GET", "/login", account.show_login, query=account.LoginQuery, public=True),
    Page("POST", "/login", account.log_in, public=True),
    Page("GET", "/register", account.show_registration, query=account.RegisterQuery, public=True),
    Page("POST", "/register", account.register, public=True),
    Page("POST", "/logout", account.log_out, login_only=True),
    Page("GET", "/account", account.show, query=account.AccountQuery),
    Page("POST", "/account/profile", account.save_profile),
    Page("POST", "/account/password", account.change_password, login_only=True),
    Page("POST", "/account/email", account.change_email, login_only=True),
    Page("POST", "/account/export", account.order_export, login_only=True, confirms=True),
    Page("POST", "/account/delete", account.delete, login_only=True),
    Page("POST", "/account/logins/{session_id}/end", account.end_session, login_only=True),
    Page("GET", "/webhooks", webhook_pages.show_webhooks),
    Page("POST", "/webhooks", webhook_pages.add_webhook, has_secret=True),
    Page("GET", HOOK, webhook_pages.show_webhook, query=webhook_pages.LogQuery),
    Page("POST", HOOK + "/test", webhook_pages.test_webhook),
    Page("POST", HOOK + "/secret", webhook_pages.rotate_secret, has_secret=True),
    Page("POST", HOOK + "/enabled", webhook_pages.set_enabled, confirms=True),
    Page("POST", HOOK + "/delete", webhook_pages.delete_webhook),
    Page("POST", HOOK + "/deliveries/{delivery_id}/retry", webhook_pages.retry_delivery),
    Page("GET", "/admin/logs", logs_room.show, query=logs_room.LogsQuery, scope=Scope.observe),
    Page("GET", "/admin/roadmaps", roadmaps_room.show_roadmaps, query=roadmaps_room.RoadmapsQuery, scope=Scope.observe),
    Page("GET", IN_ROOM, roadmaps_room.show_roadmap, query=roadmaps_room.RoadmapQuery, scope=Scope.observe),
    Page("POST", IN_ROOM + "/cancel", roadmaps_room.cancel, scope=Scope.admin),
    Page("POST", IN_ROOM + "/retry", roadmaps_room.retry, scope=Scope.admin),
    Page("POST", "/admin/transfers", roadmaps_room.transfer, scope=Scope.admin, confirms=True),
    Page("GET", "/admin", overview_room.show, query=overview_room.OverviewQuery, scope=Scope.observe),
    Page("GET", "/admin/measures", overview_room.show_measures, query=overview_room.OverviewQuery, scope=Scope.observe),
    Page("GET", "/admin/audit", auditing_room.show, query=auditing_room.AuditQuery, scope=Scope.observe),
    Page("GET", QUEUE_PAGE, queues_room.show, query=queues_room.QueueQuery, scope=Scope.observe),
    Page("GET", QUEUE_PAGE + "/pause", queues_room.ask("queue.pause"), "Be asked before a queue is paused", query=queues_room.ActQuery, scope=Scope.admin),
    Page("POST", QUEUE_PAGE + "/pause", queues_room.do("queue.pause"), "Pause a queue by a button", scope=Scope.admin),
    Page("GET", QUEUE_PAGE + "/resume", queues_room.ask("queue.resume"), "Be asked before a queue is resumed", query=queues_room.ActQuery, scope=Scope.admin),
    Page("POST", QUEUE_PAGE + "/resume", queues_room.do("queue.resume"), "Resume a queue by a button", scope=Scope.admin),
    Page("GET", QUEUE_PAGE + "/dead/retry", queues_room.ask("dead.retry"), "Be asked before dead letters are retried", query=queues_room.ActQuery, scope=Scope.admin),
    Page("POST", QUEUE_PAGE + "/dead/retry", queues_room.do("dead.retry"), "Retry dead letters by a button", scope=Scope.admin),
    Page("GET", QUEUE_PAGE + "/dead/delete", queues_room.ask("dead.delete"), "Be asked before dead letters are deleted", query=queues_room.ActQuery, scope=Scope.admin),
    Page("POST", QUEUE_PAGE + "/dead/delete", queues_room.do("dead.delete"), "Delete dead letters by a button", scope=Scope.admin),
    Page("GET", MESSAGE_PAGE + "/retry", queues_room.ask("message.retry"), "Be asked before a dead letter is retried", query=queues_room.ActQuery, scope=Scope.admin),
    Page("POST", MESSAGE_PAGE + "/retry", queues_room.do("message.retry"), "Retry a dead letter by a button", scope=Scope.admin),
    Page("GET", MESSAGE_PAGE + "/revoke", queues_room.ask("message.revoke"), "Be asked before a message is revoked", query=queues_room.ActQuery, scope=Scope.admin),
    Page("POST", MESSAGE_PAGE + "/revoke", queues_room.do("message.revoke"), "Revoke a message by a button", scope=Scope.admin),
    Page("GET", MESSAGE_PAGE + "/delete", queues_room.ask("message.delete"), "Be asked before a dead letter is deleted", query=queues_room.ActQuery, scope=Scope.admin),
    Page("POST", MESSAGE_PAGE + "/delete", queues_room.do("message.delete"), "Delete a dead letter by a button", scope=Scope.admin),
    Page("POST", "/look", look.change, public=True),
    Page("GET", "/docs", docs.show, public=True),
    Page("GET", "/docs/{tag}", docs.show_chapter, public=True),
    Page("GET", "/problems", docs.list_problem_types, public=True, for_programs=BY_PATH["/problems"]),
    Page("GET", "/problems/{slug}", docs.show_problem_type, public=True, for_programs=BY_PATH["/problems/{slug}"]),
    Page("GET", "/static/{file}", files.serve, public=True, unlimited=True),
)  # fmt: skip

ROUTES = [*(page.route() for page in PAGES), *(endpoint.route() for endpoint in ENDPOINTS)]
