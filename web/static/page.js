// Says when the stream of a watched roadmap is interrupted, and when it is there again. All else is HTML.
document.addEventListener("htmx:sse:error", () => show(true));
document.addEventListener("htmx:sse:after:connection", () => show(false));

function show(isOffline) {
  const note = document.getElementById("offline");
  if (note) note.hidden = !isOffline;
}
