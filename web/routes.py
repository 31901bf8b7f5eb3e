"""Every route of the service, each with its request and response models."""

from roadmap.accounts import Credentials, Registration, User
from roadmap.reading import ConceptDetail, LogRecord, Page, RoadmapSummary
from roadmap.requests import RoadmapRequest
from web.api import accounts, health, metrics, roadmaps
from web.endpoint import Endpoint

API = "/api/v1"
ROADMAP = API + "/roadmaps/{roadmap_id}"

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
)  # fmt: skip

ROUTES = [endpoint.route() for endpoint in ENDPOINTS]
