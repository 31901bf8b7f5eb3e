// The main job and exports, with what @hey-api/openapi-ts has made of the description.
import * as api from "./client";
import { client } from "./client/client.gen";

const [baseUrl, token] = JSON.parse(process.argv[2] as string) as [string, string];
client.setConfig({ baseUrl, auth: (scheme) => (scheme.scheme === "bearer" ? token : undefined) });

function found<T>(answer: { data?: T; error?: unknown }): T {
  if (answer.data === undefined) throw new Error(JSON.stringify(answer.error));
  return answer.data;
}

async function ready(roadmap_id: string): Promise<api.LinkedTree> {
  const tree = found(await api.readRoadmap({ path: { roadmap_id } }));
  if (tree.status === "ready") return tree;
  if (["failed", "partial", "cancelled"].includes(tree.status)) throw new Error(tree.status);
  await new Promise((wake) => setTimeout(wake, 100));
  return ready(roadmap_id);
}

async function main(): Promise<void> {
  const wanted: api.RoadmapRequest = { goal: "Become a web frontend developer", level: "advanced" };
  const headers = { "Idempotency-Key": crypto.randomUUID() };
  const accepted = found(await api.createRoadmap({ body: wanted, headers }));
  const again = found(await api.createRoadmap({ body: wanted, headers }));
  if (again.id !== accepted.id) throw new Error("made twice");
  const roadmap_id = accepted.id;
  const tree = await ready(roadmap_id);
  const concept_id = tree.stages[0]!.modules[0]!.concepts[0]!.id;
  const path = { roadmap_id, concept_id };
  const concept = found(await api.readConcept({ path }));
  const questions = concept.quiz!.questions;
  const body = { version: concept.quiz!.version, answers: questions.map(({ type }) => (type === "typed" || type === "order" ? [] : [0])) };
  const attempt = found(await api.answerQuiz({ path, body }));
  const refused = await api.createRoadmap({ body: { goal: "" } });
  const file = found(await api.exportArchive({ path: { roadmap_id } }));
  const picture = found(await api.exportPicture({ path: { roadmap_id } }));
  const markdown = found(await api.exportMarkdown({ path: { roadmap_id } }));
  console.log(
    JSON.stringify({
      answered: [attempt.total, questions.length],
      problem: refused.error?.type,
      archive: await file.slice(0, 2).text(),
      picture: (await picture.text()).includes("<svg"),
      markdown: markdown.includes(tree.title as string),
    }),
  );
}

void main();
