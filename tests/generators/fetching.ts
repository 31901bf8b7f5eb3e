// A goal is enough, and an export is a file, also by openapi-typescript's types and openapi-fetch.
import createClient from "openapi-fetch";
import type { paths } from "./api";

const [baseUrl, token] = JSON.parse(process.argv[2] as string) as [string, string];
const headers = token ? { Authorization: `Bearer ${token}` } : {};
const client = createClient<paths>({ baseUrl, headers });

async function main(): Promise<void> {
  const body = { goal: "Become a web frontend developer", review: true };
  const waiting = { params: { header: { Prefer: "wait=30" } } };
  const made = await client.POST("/api/v1/roadmaps", { body, ...waiting });
  const path = { roadmap_id: made.data!.id };
  const tree = await client.GET("/api/v1/roadmaps/{roadmap_id}", { params: { path } });
  const archive = "/api/v1/roadmaps/{roadmap_id}/export.zip";
  const file = await client.GET(archive, { params: { path }, parseAs: "blob" });
  const refused = await client.POST("/api/v1/roadmaps", { body: { goal: "" } });
  console.log(
    JSON.stringify({
      same: tree.data!.id === path.roadmap_id,
      status: [made.response.status, tree.response.status, file.response.status],
      problem: refused.error?.type,
    }),
  );
}

void main();
