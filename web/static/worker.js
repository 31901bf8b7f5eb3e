// Runs code of a lesson: Python by Pyodide, SQL by sql.js. By the policy of this file there is no network here; the page brings
// the files. What would outlive this worker is removed, as the code may be of anybody.
for (const name of ["caches", "indexedDB", "BroadcastChannel", "Worker"])
  for (let owner = self; owner; owner = Object.getPrototypeOf(owner)) delete owner[name];

const LONGEST = 20000; // characters of output
const EVERY = 100; // milliseconds between two pieces of it
const HARNESS = `
import asyncio, linecache, os, sys, tempfile, time, traceback, types

class Loop(asyncio.BaseEventLoop):  # one that waits, as no browser's does
    def __init__(self):
        super().__init__()
        self._selector = self
    def select(self, timeout):
        time.sleep(0.01 if timeout is None else timeout)
    def _process_events(self, events): pass
    def _write_to_self(self): pass

def asyncio_run(main, *, debug=None, loop_factory=None):
    asyncio._set_running_loop(None)
    with asyncio.Runner(debug=debug, loop_factory=Loop) as runner:
        return runner.run(main)

asyncio.run = asyncio_run
known = set(sys.modules)

def run(sources, show):
    """Run programs in one new module and an empty folder; show what the last prints."""
    for name in set(sys.modules) - known:
        del sys.modules[name]  # with its state, such as the handlers of logging
    sys.modules["__main__"] = module = types.ModuleType("__main__")
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for at, source in enumerate(sources, 1):
            show(at == len(sources))
            linecache.cache["lesson.py"] = (len(source), None, source.splitlines(True), "lesson.py")
            try:
                failed = False
                exec(compile(source, "lesson.py", "exec"), module.__dict__)
            except SystemExit as end:
                print(*[end.code] if isinstance(end.code, str) else [], file=sys.stderr)
            except BaseException as error:
                failed = True
                traceback.print_exception(error.with_traceback(error.__traceback__.tb_next))
            sys.stdout.flush()
            sys.stderr.flush()
        os.chdir("/")
    return failed
`;

let pending = "", length = 0, sent = 0, isShown = false;

function write(text) {
  if (!isShown || length > LONGEST) return;
  length += text.length;
  pending += length > LONGEST ? text.slice(0, LONGEST - length) : text;
  if (performance.now() - sent > EVERY || length > LONGEST) flush();
}

function flush() {
  if (pending) postMessage({ text: pending, isCut: length > LONGEST });
  [pending, sent] = ["", performance.now()];
}

function show(really) {
  isShown = really;
}

async function python(files) {
  self.fetch = async address => {
    const name = String(address).split("/").pop();
    return new Response(files[name], { headers: name.endsWith(".wasm") ? { "Content-Type": "application/wasm" } : {} });
  };
  const { loadPyodide } = await import("./pyodide.mjs");
  const pyodide = await loadPyodide({
    indexURL: new URL(".", location.href).href,
    jsglobals: { setTimeout, clearTimeout },
  });
  for (const stream of ["setStdout", "setStderr"]) {
    const decoder = new TextDecoder();
    pyodide[stream]({ write: bytes => (write(decoder.decode(bytes, { stream: true })), bytes.length) });
  }
  pyodide.setStdin({ stdin: () => null });
  pyodide.runPython(HARNESS);
  const run = pyodide.globals.get("run");
  return sources => run(pyodide.toPy(sources), show);
}

async function sql(files) {
  self.module = { exports: (self.exports = {}) };
  await import("./sql-wasm.js");
  const { Database } = await self.module.exports({ wasmBinary: files["sql-wasm.wasm"] });
  return sources => {
    const database = new Database();
    let failed = false;
    for (const [at, source] of sources.entries()) {
      show(at === sources.length - 1);
      try {
        failed = false;
        for (const statement of database.iterateStatements(source)) tabulate(statement);
      } catch (error) {
        failed = true;
        write(`Error: ${error.message}\n`);
      }
    }
    database.close();
    return failed;
  };
}

// As sqlite3 -column -header shows it.
function tabulate(statement) {
  const rows = [];
  while (statement.step()) if (rows.length < 1000) rows.push(statement.get(null, { useBigInt: true }).map(shown));
  if (!rows.length) return;
  const names = statement.getColumnNames();
  const widths = names.map((name, at) => Math.max(name.length, ...rows.map(row => row[at].length)));
  const gap = length ? "\n" : "";
  const lines = [names, widths.map(width => "-".repeat(width)), ...rows];
  write(gap + lines.map(row => row.map((cell, at) => cell.padEnd(widths[at])).join("  ").trimEnd() + "\n").join(""));
}

function shown(value) {
  if (value === null) return "";
  return Number.isInteger(value) ? value.toFixed(1) : String(value); // an integer of SQL is a BigInt here
}

let run;

addEventListener("unhandledrejection", ({ reason }) => postMessage({ problem: String(reason) }));
onmessage = async ({ data }) => {
  try {
    run ??= await { python, sql }[data.language](data.files);
    postMessage({ isReady: true });
    [length, sent] = [0, performance.now()];
    const failed = run(data.sources);
    flush();
    postMessage({ isDone: true, failed });
  } catch (error) {
    postMessage({ problem: String(error) });
  }
};
