// Service worker: keeps opened lessons, to read them offline. The login page deletes them: every end of a session leads there.
const KEPT = "lessons", MOST = 300; // with style sheets and scripts
const LESSON = /^\/roadmaps\/[^/]+\/concepts\/[^/]+$/;
const isLesson = url => LESSON.test(url.pathname);

addEventListener("install", () => skipWaiting());
addEventListener("activate", event => event.waitUntil(takeOver()));
addEventListener("fetch", event => {
  const { request } = event, url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== location.origin) return;
  const isPage = request.mode === "navigate";
  if (isPage && url.pathname === "/login") event.waitUntil(caches.delete(KEPT));
  else if (isPage ? isLesson(url) : url.pathname.startsWith("/static/")) event.respondWith(answer(event, url));
});

// The lesson that brought this worker was loaded without it.
async function takeOver() {
  await clients.claim();
  for (const { url } of await clients.matchAll()) {
    if (!isLesson(new URL(url))) continue;
    const response = await fetch(url);
    await keep(new URL(url), response.clone());
    for (const [, path] of (await response.text()).matchAll(/(?:href|src)="(\/static\/[^"]+)"/g)) {
      await keep(new URL(path, url), await fetch(path));
    }
  }
}

async function answer(event, url) {
  try {
    const response = await fetch(event.request);
    event.waitUntil(keep(url, response.clone()));
    return response;
  } catch (error) {
    const kept = await caches.match(name(url), { cacheName: KEPT });
    if (kept) return kept;
    throw error;
  }
}

async function keep(url, response) {
  if (!response.ok || response.redirected) return;
  const cache = await caches.open(KEPT);
  await cache.put(name(url), response);
  const names = await cache.keys();
  for (const old of names.slice(0, Math.max(0, names.length - MOST))) await cache.delete(old);
}

// A lesson is one whatever is asked about it; files of other versions are others.
function name(url) {
  return isLesson(url) ? url.origin + url.pathname : url.href;
}
