// What HTML cannot do: to say that a stream is interrupted or a request failed, and to keep notes of somebody who leaves at once.
document.addEventListener("htmx:sse:error", ({ detail }) => interrupted(detail.status));
document.addEventListener("htmx:sse:after:connection", () => show(false));
// Polling stops while the page is hidden, and runs at once when it becomes visible.
const isPolled = element => element.id === "live" && element.hasAttribute("hx-get") || element.id === "slow";
document.addEventListener("htmx:before:request", event => {
  if (document.hidden && isPolled(event.target)) event.preventDefault();
});
document.addEventListener("visibilitychange", () => {
  for (const element of document.querySelectorAll("#live[hx-get]")) if (!document.hidden) htmx.trigger(element, "again");
});
document.addEventListener("htmx:after:request", ({ target, detail }) => {
  if (isPolled(target) && detail.ctx.response.status < 400) show(false);
});
// What was connected once is connected again by the extension; what never was, by this.
for (const failure of ["htmx:error", "htmx:response:error"]) {
  document.addEventListener(failure, ({ target, detail }) => {
    if (target.id !== "live") return;
    interrupted(detail.ctx?.response?.status);
    if (!isPolled(target)) setTimeout(() => htmx.trigger(target, "again"), 2000);
  });
}

function interrupted(status) {
  if (status === 401 || status === 404) location.reload(); // which leads to the login, or says what is wrong
  else show(true);
}

function show(isOffline) {
  const note = document.getElementById("offline");
  if (note) note.hidden = !isOffline;
}

// A form that is sent shows that at its button, and in itself why it failed. Polling has neither.
const messages = document.getElementById("problems").dataset;
const sender = element => element.closest?.("form") ?? element.closest?.("a")?.parentElement;

function rest() {
  for (const button of document.querySelectorAll("button[aria-busy]")) button.removeAttribute("aria-busy");
}

function room(box) {
  let room = box.querySelector(":scope > .problems");
  if (!room) {
    room = document.createElement("div");
    room.className = "problems";
    room.ariaLive = "assertive";
    box.append(room);
  }
  return room;
}

function tell(box, text) {
  const problem = document.createElement("p");
  problem.className = "problem";
  problem.textContent = text;
  room(box).replaceChildren(problem);
  problem.scrollIntoView({ block: "nearest" });
}

document.addEventListener("submit", event => {
  if (!event.defaultPrevented && event.target.matches("[method=post]") && !navigator.onLine) { // htmx would try
    event.preventDefault();
    tell(event.target, messages.offline);
    return;
  }
  if (event.target.getAttribute("action") === "/logout") localStorage.clear(); // answers to quizzes
  event.submitter?.setAttribute("aria-busy", "true");
});
addEventListener("pageshow", rest);
document.addEventListener("htmx:after:request", ({ target, detail }) => { // not before: what is clicked would move
  if (detail.ctx.response.status < 400) sender(target)?.querySelector(":scope > .problems")?.replaceChildren();
});
document.addEventListener("htmx:finally:request", ({ target }) => {
  if (sender(target)) rest();
});
document.addEventListener("htmx:response:error", ({ target, detail: { ctx } }) => {
  const box = sender(target);
  if (!box) return;
  if (ctx.hx.retarget === "#problems") ctx.hx.retarget = room(box);
  else if (ctx.response.status >= 500) { // of a proxy: its page belongs nowhere
    ctx.hx.reswap = "none";
    tell(box, messages.failed);
  }
});
document.addEventListener("htmx:error", ({ target, detail }) => {
  const box = sender(target);
  if (box && !detail.ctx?.response) tell(box, messages.offline);
});

const notes = document.getElementById("own-notes");
let saved = notes?.value, sent;
notes?.addEventListener("input", () => document.querySelector("#saved > :not(input)")?.remove());
document.addEventListener("htmx:before:request", ({ target, detail }) => {
  if (!notes || target !== notes.form) return;
  sent = notes.value;
  detail.ctx.request.body = new URLSearchParams(new FormData(notes.form)); // as it is now, also after a wait for another
});
document.addEventListener("htmx:after:request", ({ target, detail }) => {
  if (notes && target === notes.form && detail.ctx.response.status < 400) saved = sent;
});
addEventListener("online", () => {
  if (notes && notes.value !== saved) notes.form.requestSubmit();
});
addEventListener("pagehide", () => {
  if (notes && notes.value !== saved) navigator.sendBeacon(notes.form.action, new URLSearchParams(new FormData(notes.form)));
});

for (const button of document.querySelectorAll("[data-copy]")) {
  const text = document.getElementById(button.dataset.copy);
  button.hidden = false;
  button.addEventListener("click", async () => {
    text.select();
    if (navigator.clipboard) await navigator.clipboard.writeText(text.value); // over plain HTTP there is none
    else document.execCommand("copy");
    button.textContent = button.dataset.copied;
  });
}

// Opened lessons can be read offline; browsers allow that over TLS and on this machine only.
if (/^\/roadmaps\/[^/]+\/concepts\/[^/]+$/.test(location.pathname)) navigator.serviceWorker?.register("/static/offline.js", { scope: "/" });

// A goal is one line: Enter sends it, Shift+Enter does not; neither while a word is being composed.
document.getElementById("goal")?.addEventListener("keydown", event => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  event.target.form.querySelector("button.primary").click();
});

// The zone of the browser, sent once: another one may be set in the account.
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone, stored = document.getElementById("zone")?.dataset.zone;
if (stored !== undefined && stored !== zone && (!stored || localStorage.getItem("zone") !== zone)) {
  const body = new URLSearchParams({ time_zone: zone });
  fetch("/account/learning", { method: "POST", body, redirect: "manual" }).then(() => localStorage.setItem("zone", zone), () => {});
}
