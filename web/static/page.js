// Says when the stream of a watched roadmap is interrupted, and when it is there again. All else is HTML.
document.addEventListener("htmx:sse:error", () => show(true));
document.addEventListener("htmx:sse:after:connection", () => show(false));
// What was connected once is connected again by the extension; what never was, by this.
for (const failure of ["htmx:error", "htmx:response:error"]) {
  document.addEventListener(failure, ({ target }) => {
    if (target.id !== "live") return;
    show(true);
    setTimeout(() => htmx.trigger(target, "again"), 2000);
  });
}

function show(isOffline) {
  const note = document.getElementById("offline");
  if (note) note.hidden = !isOffline;
}
