// Runs the code of a lesson in a worker, which is loaded with the first press on Run. What a block prints is compared with the
// output below it. The blocks of its language above it run first, each time anew, so it finds what the text has made so far.
(() => { // its names are its own
const SECONDS = 10, SECONDS_TO_LOAD = 180;
const FILES = { python: ["pyodide.asm.wasm", "python_stdlib.zip", "pyodide-lock.json"], sql: ["sql-wasm.wasm"] };
const MOST_COMPARED = 300; // lines
const { folder, texts: spoken } = document.currentScript.dataset;
const messages = JSON.parse(spoken);
const engines = {}; // the worker of each language, once there is one
const editors = new Map(); // of blocks that are edited
let isBusy = false;

prepareAll();
document.addEventListener("htmx:after:swap", prepareAll);

function prepareAll() {
  for (const block of document.querySelectorAll("[data-run]:not([data-ready])")) prepare(block);
  for (const block of document.querySelectorAll("[data-check]:not([data-ready])")) prepareCheck(block);
}

// Runs what the text has made, the attempt and then its tests, which are behind the solution.
function prepareCheck(block) {
  const form = block.closest("details.solution")?.previousElementSibling, attempt = form?.querySelector("textarea");
  block.dataset.ready = "";
  if (!attempt) return; // a page without a learner
  const next = (block.closest(".copyable") ?? block).nextElementSibling, language = block.dataset.check;
  const expected = next?.matches("pre.output") ? next.textContent : "";
  const bar = document.createElement("div"), check = button(messages.check), state = document.createElement("span");
  bar.className = "checker prose"; // its output looks like those of the text
  state.setAttribute("role", "status");
  bar.append(check, " ", state);
  form.after(bar);
  check.addEventListener("click", async () => {
    if (isBusy) return;
    const say = text => (state.textContent = text), above = sourcesAbove(block, language, ":not(details.solution *)");
    for (const old of bar.querySelectorAll("pre")) old.remove();
    if (!attempt.value.trim()) return say(messages.unwritten);
    isBusy = true;
    let output, failed, text;
    for (const tests of [[], [block.textContent]]) {
      output = panel(messages.output);
      ({ failed, text } = await execute(language, [...above, attempt.value, ...tests], say, text => {
        output.firstChild.textContent += text;
      }));
      if (failed || text) break;
    }
    isBusy = false;
    const isRight = !failed && (!expected || isSame(output.textContent, expected, language));
    if (text || isRight) return say(text || messages.passed);
    say(failed ? messages.failed : messages.differs);
    if (!failed) output.firstChild.replaceChildren(...compared(expected, output.textContent, keys[language]));
    bar.append(output);
  });
}

function prepare(block) {
  const box = block.closest(".copyable") ?? block, next = box.nextElementSibling;
  const expected = next?.matches("pre.output") ? next.textContent : null;
  const bar = document.createElement("div");
  bar.className = "runner";
  bar.style.margin = "0 0 16px"; // the sheet of all pages has nothing of this
  const run = button(messages.run), edit = button(messages.edit), state = document.createElement("span");
  state.setAttribute("role", "status");
  bar.append(run, " ", edit, " ", state);
  block.dataset.ready = "";
  (expected === null ? box : next).after(bar);
  run.addEventListener("click", async () => {
    if (isBusy) return;
    isBusy = true;
    for (const old of bar.querySelectorAll("pre")) old.remove();
    const output = panel(messages.output);
    const say = text => (state.textContent = text);
    const sources = [...sourcesAbove(block, block.dataset.run), written(block)];
    const { failed, text } = await execute(block.dataset.run, sources, say, text => {
      if (!output.isConnected) bar.append(output);
      output.firstChild.textContent += text;
    });
    isBusy = false;
    if (text) return say(text);
    const printed = output.textContent;
    if (expected === null) return say(failed ? messages.failed : printed ? messages.done : messages.empty);
    if (isSame(printed, expected, block.dataset.run)) {
      output.remove();
      return say(messages.same);
    }
    say(messages.differs);
    const difference = panel(messages.difference);
    difference.style.margin = "0"; // below the output, as part of it
    difference.firstChild.append(...compared(expected, printed, keys[block.dataset.run]));
    bar.append(difference);
  });
  edit.addEventListener("click", () => {
    const editor = editors.get(block);
    if (editor) {
      editor.remove();
      editors.delete(block);
    }
    for (const part of [block, ...box.querySelectorAll(".copy")]) part.hidden = !editor;
    edit.textContent = editor ? messages.edit : messages.reset;
    if (!editor) beginToEdit(block);
  });
}

function beginToEdit(block) {
  const { font, marginBottom } = getComputedStyle(block);
  const editor = document.createElement("textarea");
  Object.assign(editor, { className: "code", value: block.textContent.trimEnd(), spellcheck: false, rows: block.textContent.split("\n").length });
  editor.setAttribute("aria-label", messages.code);
  Object.assign(editor.style, { font, marginBottom, whiteSpace: "pre" });
  editors.set(block, editor);
  block.before(editor);
  editor.focus();
}

function button(text) {
  const made = document.createElement("button");
  Object.assign(made, { type: "button", textContent: text });
  return made;
}

function panel(label) {
  const made = document.createElement("pre");
  Object.assign(made, { className: "code output", tabIndex: 0 });
  made.setAttribute("role", "group");
  made.setAttribute("aria-label", label);
  made.style.margin = "16px 0 0";
  made.append(document.createElement("code"));
  return made;
}

function sourcesAbove(block, language, among = "") {
  const blocks = [...document.querySelectorAll(`[data-run=${language}]${among}`)];
  return blocks.filter(other => other.compareDocumentPosition(block) & Node.DOCUMENT_POSITION_FOLLOWING).map(written);
}

const written = block => editors.get(block)?.value ?? block.textContent;

// Resolves to {failed} once the last source has ended, or to {text}: why it has not.
async function execute(language, sources, say, print) {
  const message = { language, sources };
  if (!engines[language]) {
    say(messages.loading);
    try {
      message.files = Object.fromEntries(await Promise.all(FILES[language].map(async name => [name, await brought(name)])));
    } catch {
      return { text: messages.unloaded };
    }
    engines[language] = new Worker(folder + "worker.js", { type: "module" });
  }
  const worker = engines[language];
  let limit = 0, isCut = false;
  const result = await new Promise(resolve => {
    const stop = text => {
      worker.terminate();
      delete engines[language];
      resolve({ text });
    };
    limit = setTimeout(stop, SECONDS_TO_LOAD * 1000, messages.unloaded);
    worker.onerror = () => stop(messages.unloaded);
    worker.onmessage = ({ data }) => {
      if (data.isReady) {
        say(messages.running);
        clearTimeout(limit);
        limit = setTimeout(stop, SECONDS * 1000, messages.stopped);
      } else if (data.text) {
        print(data.text);
        isCut = data.isCut;
      } else if (data.isDone) resolve({ failed: data.failed, text: isCut && messages.cut });
      else stop(data.problem);
    };
    worker.postMessage(message, Object.values(message.files ?? {}));
  });
  clearTimeout(limit);
  return result;
}

async function brought(name) {
  const response = await fetch(folder + name);
  if (!response.ok) throw new Error(response.statusText);
  return response.arrayBuffer();
}

// A line as it is compared: without spaces at its end; of a table its cells, whichever program has drawn it.
const keys = {
  python: line => line.trimEnd(),
  sql: line => (/^[-+| ]*$|^\(\d+ rows?\)$/.test(line) ? "" : line.trim().split(/\s*\|\s*|\s{2,}/).filter(Boolean).join("\t")),
};

function isSame(printed, expected, language) {
  const normal = text => text.split("\n").map(keys[language]).filter(Boolean).join("\n");
  const brief = printed.replace(/^Traceback .*\n(?: .*\n)+/gm, ""); // texts may show its last line alone
  return [printed, brief].some(text => normal(text) === normal(expected));
}

// The lines of both, in order: those of the text alone as deleted, the others' as inserted.
function* compared(expected, printed, key) {
  const [old, made] = [expected, printed].map(text => text.trimEnd().split("\n").filter(key).slice(0, MOST_COMPARED));
  const common = Array.from({ length: old.length + 1 }, () => new Uint16Array(made.length + 1));
  for (let i = old.length - 1; i >= 0; i--)
    for (let j = made.length - 1; j >= 0; j--)
      common[i][j] = key(old[i]) === key(made[j]) ? common[i + 1][j + 1] + 1 : Math.max(common[i + 1][j], common[i][j + 1]);
  for (let i = 0, j = 0; i < old.length || j < made.length; ) {
    if (i < old.length && j < made.length && key(old[i]) === key(made[j])) yield `  ${made[(i++, j++)]}\n`;
    else if (j === made.length || (i < old.length && common[i + 1][j] >= common[i][j + 1])) yield line("del", "- ", old[i++]);
    else yield line("ins", "+ ", made[j++]);
  }
}

function line(tag, sign, text) {
  const made = document.createElement(tag);
  made.textContent = `${sign}${text}\n`;
  made.style.textDecoration = "none";
  return made;
}
})();
