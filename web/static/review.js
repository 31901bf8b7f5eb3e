// Keys of reviews: those that buttons name, and digits for options. Not while somebody types, and not outside of the page's own part.
const main = document.getElementById("main");
const isField = ":is(textarea, select, input:not([type=radio], [type=checkbox]))";
let isSent = false;
addEventListener("pageshow", () => { isSent = false; }); // also when the browser goes back to it
main.querySelector(`.asked ${isField}`)?.focus();
document.addEventListener("keydown", event => {
  const { target, key } = event;
  if (isSent || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
  if (target !== document.body && !main.contains(target) || target.matches(isField)) return;
  const isTaken = target.matches("button, a, summary") || target.matches("input") && (key === "Enter" || !target.checked || target.type === "checkbox");
  if ((key === " " || key === "Enter") && isTaken) return; // it has a meaning there
  const button = [...main.querySelectorAll("[aria-keyshortcuts]")].find(each => each.getAttribute("aria-keyshortcuts").split(" ").includes(key === " " ? "Space" : key));
  const option = button ?? main.querySelectorAll(".asked .question input:not(:disabled)")[key - 1];
  if (!option) return;
  event.preventDefault();
  isSent = option === button;
  if (option.type !== "checkbox") option.focus(); // there Space would undo the choice
  option.click();
});
