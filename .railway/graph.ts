// Prints what railway.ts describes, as JSON, once Railway's own SDK has found no fault with it: `npm run --silent graph`.

import { createRailwayContext, project, RAILWAY_GRAPH_VERSION, validateGraph, type Edge, type ResourceNode } from "railway/iac";
import program from "./railway.ts";

const described = await program(createRailwayContext({ environment: "production" }), project);
const resources: ResourceNode[] = (described.resources ?? []).flat();
const edges: Edge[] = resources.flatMap((resource) =>
  Object.entries("variables" in resource ? (resource.variables ?? {}) : {}).flatMap(([key, value]): Edge[] =>
    value.type === "reference" ? [{ from: resource.address, to: value.resource, type: "variable", key }] : [],
  ),
);
const faults = validateGraph({
  version: RAILWAY_GRAPH_VERSION,
  project: { name: described.name },
  environments: [{ name: "production" }],
  resources,
  edges,
});
if (faults.length > 0) {
  process.stderr.write(`.railway/railway.ts: ${faults.join("; ")}\n`);
  process.exit(1);
}
process.stdout.write(`${JSON.stringify({ name: described.name, resources }, null, 2)}\n`);
