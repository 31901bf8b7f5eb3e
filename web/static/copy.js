// Copy buttons on blocks of code, also of a lesson that is written while it is open.
function offerCopies() {
  const button = document.getElementById("copy-code")?.content.firstElementChild;
  for (const code of button ? document.querySelectorAll(".prose :not(.copyable) > pre.code:not(.output), .prose > pre.code:not(.output)") : []) {
    const box = document.createElement("div");
    box.className = "copyable";
    code.before(box);
    box.append(code, button.cloneNode(true));
  }
}
document.addEventListener("htmx:after:swap", offerCopies);
document.addEventListener("click", async ({ target }) => {
  const button = target.closest(".copy");
  if (!button) return;
  const code = button.previousElementSibling;
  if (navigator.clipboard) await navigator.clipboard.writeText(code.textContent);
  else { // over plain HTTP
    getSelection().selectAllChildren(code);
    document.execCommand("copy");
  }
  button.textContent = button.dataset.copied;
});
offerCopies();
