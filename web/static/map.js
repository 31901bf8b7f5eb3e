// The panel beside the map. Without this file, a concept of the map is a link to its lesson.
{
  const side = document.getElementById("side"), picture = document.getElementById("picture");
  const live = document.getElementById("live");
  let opener = "", isTouched = false, isChanging = false;

  function load(href, takesFocus) {
    opener = href;
    htmx.ajax("GET", `${href}/panel`, { source: side, target: side, swap: "none" }).then(() => {
      if (opener !== href) return; // another one was opened, or this one closed
      if (!side.querySelector(`a[href="${href}"]`)) return takesFocus && location.assign(href);
      side.setAttribute("open", ""); // `show()` would take the focus
      side.scrollTop = 0;
      if (takesFocus) side.querySelector("h2").focus();
    });
  }

  function close(goesBack) {
    side.removeAttribute("open");
    const links = [...picture.querySelectorAll("a")].filter(link => link.getAttribute("href") === opener);
    opener = "";
    if (goesBack) links.find(link => link.checkVisibility())?.focus();
  }

  picture.addEventListener("click", event => {
    const link = event.target.closest("a");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    load(link.getAttribute("href"), true);
  });
  side.addEventListener("submit", event => {
    isChanging = event.target.method !== "dialog"; // and its buttons are replaced
    if (isChanging) return;
    event.preventDefault();
    close(true);
  });
  document.addEventListener("htmx:after:swap", () => {
    if (isChanging && side.open) side.querySelector("h2").focus();
    isChanging = false;
  });
  document.addEventListener("keydown", event => {
    if (event.key === "Escape" && side.open) close(true);
  });
  // Tab leads out of the panel, which would cover what has the focus then.
  document.addEventListener("focusin", ({ target }) => {
    if (side.open && !side.contains(target) && target.matches(":focus-visible")) close(false);
  });

  // The first lesson is offered when it is written, to somebody who only watches, on a wide screen.
  for (const event of ["pointerdown", "keydown", "wheel", "touchstart", "scroll"])
    addEventListener(event, () => { isTouched = true; }, { passive: true, once: true });
  if (live && !document.querySelector("#now [data-first]")) document.addEventListener("htmx:after:swap", () => {
    const first = document.querySelector("#now [data-first]");
    if (!first || isTouched || opener) return;
    isTouched = true;
    if (document.activeElement === document.body && matchMedia("(min-width: 1100px)").matches)
      load(first.getAttribute("href"), false);
  });
}
