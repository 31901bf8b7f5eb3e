// The project on Railway: three services from one image, PostgreSQL and Redis. `railway config plan` shows what would change,
// `railway config apply` does it; docs/QUICK_START_RAILWAY.md is the way there, docs/RAILWAY_DEPLOYMENT.md explains every line.

import {
  defineRailway,
  github,
  group,
  postgres,
  preserve,
  project,
  redis,
  service,
  type DeployConfig,
  type VariableValue,
} from "railway/iac";

/** More of them when docs/SCALING.md says so. Consumers of one queue share its work. */
const REPLICAS = { api: 1, logs: 1, content: 1 };

/** true: no logs and no content, the api is all of it (SERVICE_TYPE=all). docs/RAILWAY_DEPLOYMENT.md#one-instance */
const ONE_INSTANCE: boolean = false;

/** Seconds: what a consumer may still need after SIGTERM, and when Railway kills whatever is left. One instance kills what hangs by
 * itself, 15 seconds after the grace. */
const GRACE = 20;
const DRAINING = GRACE + (ONE_INSTANCE ? 25 : 10);

/** A bound, not a reservation: Railway bills what is used. Bytes, and cores. */
const MOST_OF_A_REPLICA = { memoryBytes: 512_000_000, cpu: 2 };

// Set on the api alone, with `railway variable set`; `preserve()` keeps what is there.
// The api must exist before the first apply (docs/QUICK_START_RAILWAY.md).
// settings: make format

const API = [
  "API_WORKERS",
  "TOKEN_TTL_SECONDS",
  "SESSION_IDLE_SECONDS",
  "REGISTRATION",
  "ADMIN_EMAIL",
  "ADMIN_PASSWORD",
  "CORS_ORIGINS",
  "HSTS_INCLUDE_SUBDOMAINS",
  "CLIENT_ADDRESS_HEADER",
  "TRUSTED_PROXIES",
  "REQUESTS_PER_MINUTE",
  "LOGIN_ATTEMPTS",
  "MOST_UNFINISHED_ROADMAPS",
  "MOST_QUEUED_ROADMAPS",
  "METRICS_TOKEN",
] as const;

const EVERY_SERVICE = [
  "LOGS_WORKERS",
  "CONTENT_WORKERS",
  "DIRECT_DATABASE_URL",
  "SECRET_KEY",
  "MODEL_PROFILE",
  "MODEL_TIMEOUT_SECONDS",
  "LEASE_SECONDS",
  "MAX_ATTEMPTS",
  "RETRY_BASE_SECONDS",
  "RESCUE_AFTER_SECONDS",
  "HEARTBEAT_SECONDS",
  "HEARTBEAT_TTL_SECONDS",
  "STARTUP_WAIT_SECONDS",
  "WEBHOOK_NETWORKS",
  "LINK_CHECK_DAYS",
  "LINK_NETWORKS",
  "LOG_RETENTION_DAYS",
  "LOG_LEVEL",
  "LOG_FORMAT",
] as const;

const API_AND_CONTENT = [
  "TRACKS_DIR",
  "OPENAI_API_KEY",
  "OPENAI_BASE_URL",
  "OPENAI_MODEL",
  "OPENAI_MODEL_OUTLINE",
  "OPENAI_MODEL_TUTORIAL",
  "OPENAI_MODEL_RESOURCES",
  "OPENAI_MODEL_QUIZ",
  "OPENAI_REASONING_EFFORT",
  "MODEL_IDLE_SECONDS",
  "MODEL_CONCURRENCY",
  "MODEL_MAX_TOKENS",
  "MODEL_PRICES",
  "CURRENCY",
  "BUDGET_PER_ROADMAP",
  "BUDGET_PER_USER_MONTH",
  "REPAIR_ROUNDS",
  "QUIZ_CHECK",
  "CHECKED_CONCEPTS",
  "LESSONS_AHEAD",
  "ALLOWED_HOSTS",
  "SEARCH_PROVIDER",
  "SEARCH_URL",
  "SEARCH_KEY",
] as const;

// end of settings

export default defineRailway((ctx) => {
  // Which repository to build at each push, as owner/name. Without one, `railway up` uploads this folder.
  const repository = process.env["ROADMAP_REPOSITORY"];
  const database = postgres("postgres");
  const broker = redis("redis");

  const source = repository ? { source: github(repository) } : {};
  const build = { builder: "DOCKERFILE", dockerfilePath: "Dockerfile.railway" } as const;
  const servers = {
    // Both on the private network (*.railway.internal, IPv6): no traffic that is billed, nothing that is open to others.
    DATABASE_URL: database.env.DATABASE_URL,
    REDIS_URL: broker.env.REDIS_URL,
    SHUTDOWN_GRACE_SECONDS: String(GRACE),
    RAILWAY_DEPLOYMENT_DRAINING_SECONDS: String(DRAINING), // as below, where `roadmap doctor` can read it
  };
  const deploy = {
    drainingSeconds: DRAINING,
    overlapSeconds: 0, // a consumer that ends hands back what it has not finished, and the new one takes it
    restartPolicyType: "ALWAYS", // also after the servers were away for long
    sleepApplication: false, // a consumer that sleeps is woken by nobody
    limitOverride: { containers: MOST_OF_A_REPLICA },
  } satisfies DeployConfig;

  const api = service("api", {
    ...source,
    build,
    replicas: REPLICAS.api,
    deploy: {
      ...deploy,
      preDeployCommand: ["roadmap migrate"], // once for all replicas, before any of them starts; when it fails, the old ones stay
      healthcheckPath: "/health/ready",
      healthcheckTimeout: 120,
      overlapSeconds: 15, // until Railway's edge sends nothing more to the old one
    },
    env: {
      ...servers,
      SERVICE_TYPE: ONE_INSTANCE ? "all" : "api",
      ...kept(EVERY_SERVICE),
      ...kept(API_AND_CONTENT),
      ...kept(API),
    },
  });
  const logs = service("logs", {
    ...source,
    build,
    replicas: REPLICAS.logs,
    deploy,
    env: { ...servers, SERVICE_TYPE: "huey_logs", ...asIn(api, EVERY_SERVICE) },
  });
  const content = service("content", {
    ...source,
    build,
    replicas: REPLICAS.content,
    deploy,
    env: {
      ...servers,
      SERVICE_TYPE: "huey_content",
      ...asIn(api, EVERY_SERVICE),
      ...asIn(api, API_AND_CONTENT),
      // Beside ALLOWED_HOSTS, the names under which the api is reached.
      API_PUBLIC_DOMAIN: api.env.RAILWAY_PUBLIC_DOMAIN,
      API_PRIVATE_DOMAIN: api.env.RAILWAY_PRIVATE_DOMAIN,
    },
  });

  return project(ctx.projectName ?? "roadmap", {
    resources: [group("Service", ONE_INSTANCE ? [api] : [api, logs, content]), group("Servers", [database, broker])],
  });
});

function kept<Name extends string>(names: readonly Name[]): Record<Name, VariableValue> {
  return Object.fromEntries(names.map((name) => [name, preserve()])) as Record<Name, VariableValue>;
}

/** The same values, said once. One that the api has not is empty, and an empty one counts as absent. */
function asIn<Name extends string>(other: { env: { [name in Name]: VariableValue } }, names: readonly Name[]): Record<Name, VariableValue> {
  return Object.fromEntries(names.map((name) => [name, other.env[name]])) as Record<Name, VariableValue>;
}
