// One question of a quiz at a time. Without this script all of them are there at once.
// What is answered is kept in the browser until there is a result, as the page may be left before.
(() => {
  let form, questions, at;
  let kept = ""; // to be sent in place of the form, once
  const part = selector => form.querySelector(selector);
  const isOver = question => question.matches(".right, .wrong");
  const key = () => `quiz ${form.action} ${form.elements.version.value}`;
  const answers = () => new URLSearchParams(new FormData(form)).toString();

  function begin() {
    const found = document.getElementById("answers");
    if (!found && form && document.querySelector("#questions .result")) localStorage.removeItem(key());
    if (!found || found === form) return;
    const isFirst = !form;
    form = found;
    questions = [...form.querySelectorAll(".question")];
    part("[name=check]").type = "submit"; // and so that of the Enter key
    part("[data-last]").textContent = part("[data-last]").dataset.last;
    part("progress").hidden = false;
    part("[data-next]").addEventListener("click", () => show(left(), true));
    part("[data-skip]").addEventListener("click", () => left() < 0 ? form.requestSubmit(part("[data-last]")) : show(left(), true));
    form.addEventListener("change", exchange);
    form.addEventListener("input", keep);
    const asked = questions.findIndex(each => each.dataset.number === form.dataset.asked);
    show(asked >= 0 ? asked : Math.max(questions.findIndex(each => !isOver(each)), 0));
    if (questions.some(isOver)) keep();
    else if (isFirst) restore(localStorage.getItem(key()));
  }

  function left() {
    return questions.findIndex((each, number) => number > at && !isOver(each));
  }

  function show(number, moves = false) {
    at = number;
    questions.forEach((each, place) => { each.hidden = place !== at; });
    const over = isOver(questions[at]), isLast = left() < 0;
    part("[name=check]").hidden = part("[data-skip]").hidden = over;
    part("[name=check]").value = questions[at].dataset.number;
    part("[data-next]").hidden = !over || isLast;
    part("[data-last]").hidden = !over || !isLast;
    if (!moves) return;
    part(".problem")?.remove();
    part("[name=anyway]")?.remove();
    questions[at].tabIndex = -1;
    questions[at].focus();
  }

  function exchange({ target }) { // the positions of two lines
    const lines = [...target.closest(".question").querySelectorAll("select")];
    const other = lines.find(each => each !== target && each.value && each.value === target.value);
    if (other) other.value = other.dataset.was = target.dataset.was ?? "";
    target.dataset.was = target.value;
    keep();
  }

  function keep() {
    localStorage.setItem(key(), answers());
  }

  function restore(stored) {
    if (!stored || stored === answers()) return;
    kept = `${stored}&check=`;
    form.requestSubmit(part("[name=check]"));
  }

  document.addEventListener("htmx:before:request", ({ target, detail }) => {
    if (!kept || target !== form) return;
    detail.ctx.request.body = new URLSearchParams(kept);
    kept = "";
  });
  document.addEventListener("htmx:before:settle", begin);
  document.addEventListener("DOMContentLoaded", begin); // when htmx has begun
})();
