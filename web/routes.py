"""Every route of the service, each with its request and response models."""

from roadmap.accounts import Credentials, Registration, User
from roadmap.contents import VersionDetail, Versions
from roadmap.reading import ConceptDetail, LogRecord, Page, RoadmapSummary
from roadmap.receipts import Receipt
from roadmap.requests import ApproveRequest, RegenerateRequest, ReviseRequest, RoadmapRequest
from roadmap.revisions import Diff, RevisionDetail, Revisions
from web.api import accounts, decisions, health, history, metrics, roadmaps
from web.endpoint import Endpoint, NoBody

API = "/api/v1"
ROADMAP = API + "/roadmaps/{roadmap_id}"
REVISION = ROADMAP + "/revisions/{number}"
CONTENT = ROADMAP + "/concepts/{concept_id}/{kind}"

ENDPOINTS = (
    Endpoint("GET", "/", health.index, "What this is", health.Index, public=True, is_async=True),
    Endpoint("GET", "/health", health.live, "Alive", health.Alive, public=True, is_async=True),
    Endpoint("GET", "/health/live", health.live, "Alive, for probes", health.Alive, public=True, is_async=True),
    Endpoint("GET", "/health/ready", health.ready, "Ready to serve", health.Ready, public=True),
    Endpoint("GET", "/metrics", metrics.show, "Counts for Prometheus", None, public=True),
    Endpoint("POST", API + "/auth/register", accounts.register, "Register", accounts.Session, body=Registration, status=201, public=True, is_async=True),
    Endpoint("POST", API + "/auth/login", accounts.log_in, "Log in", accounts.Session, body=Credentials, public=True, is_async=True),
    Endpoint("GET", API + "/auth/me", accounts.me, "Who am I", User),
    Endpoint("POST", API + "/roadmaps", roadmaps.create, "Create a roadmap", roadmaps.Accepted, body=RoadmapRequest, status=202, is_async=True),
    Endpoint("GET", API + "/roadmaps", roadmaps.list_, "List roadmaps", Page[RoadmapSummary], query=roadmaps.ListQuery),
    Endpoint("GET", ROADMAP, roadmaps.read, "Read a roadmap", roadmaps.LinkedTree),
    Endpoint("GET", ROADMAP + "/events", roadmaps.watch, "Watch a roadmap", None, is_async=True),
    Endpoint("GET", ROADMAP + "/logs", roadmaps.list_logs, "Read its execution log", Page[LogRecord], query=roadmaps.LogsQuery),
    Endpoint("GET", ROADMAP + "/concepts/{concept_id}", roadmaps.read_concept, "Read a concept", ConceptDetail),
    Endpoint("POST", ROADMAP + "/approve", decisions.approve, "Approve the plan", decisions.Decision, body=ApproveRequest, status=202),
    Endpoint("POST", ROADMAP + "/revise", decisions.revise, "Ask for changes of the plan", decisions.Decision, body=ReviseRequest, status=202),
    Endpoint("POST", ROADMAP + "/edits", decisions.edit, "Edit the plan", decisions.Decision, body=decisions.EditRequest, status=202),
    Endpoint("POST", ROADMAP + "/cancel", decisions.cancel, "Cancel a roadmap", decisions.Decision, body=NoBody, status=202),
    Endpoint("POST", ROADMAP + "/retry", decisions.retry, "Retry what failed", decisions.Decision, body=NoBody, status=202),
    Endpoint("GET", ROADMAP + "/revisions", history.list_revisions, "List its revisions", Revisions),
    Endpoint("GET", REVISION, history.read_revision, "Read a revision", RevisionDetail),
    Endpoint("GET", REVISION + "/diff", history.compare, "Compare two revisions", Diff, query=history.DiffQuery),
    Endpoint("POST", REVISION + "/restore", decisions.restore, "Restore a revision", decisions.Decision, body=NoBody, status=202),
    Endpoint("POST", CONTENT + "/regenerate", decisions.regenerate, "Write a part anew", decisions.Decision, body=RegenerateRequest, status=202),
    Endpoint("GET", CONTENT + "/versions", history.list_versions, "List versions of a part", Versions),
    Endpoint("GET", CONTENT + "/versions/{number}", history.read_version, "Read a version of a part", VersionDetail),
    Endpoint("GET", ROADMAP + "/receipt", history.receipt, "Read what it cost", Receipt, query=history.ReceiptQuery),
)  # fmt: skip

ROUTES = [endpoint.route() for endpoint in ENDPOINTS]
