// Asks the search of a built site, as its pages do: node tests/search.mjs SITE, with lists of
// queries as JSON on standard input, one a line. Prints for each list one line: what each query
// finds, best first, or why the search fails.

import { readFileSync, readdirSync } from "node:fs";
import { createInterface } from "node:readline";
import { createContext, runInContext, runInThisContext } from "node:vm";

const site = process.argv[2];
const workers = `${site}/assets/javascripts/workers`;
const name = readdirSync(workers).find((each) => /^search.*\.js$/.test(each));
let hear, told, failed;
globalThis.self = globalThis;
globalThis.addEventListener = (_, listener) => (hear = listener);
globalThis.postMessage = (data) => told(data);
console.warn = (what) => (failed ??= String(what)); // that is all the search does when a query fails
runInThisContext(readFileSync(`${workers}/${name}`, "utf8"));

// What the pages' script needs of a browser: the search is in use, and its worker is the one above.
class BrowserWorker extends EventTarget {
  constructor() {
    super();
    told = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
  }
  postMessage(data) {
    failed = undefined;
    hear({ data });
  }
}
const page = createContext({
  addEventListener: (type, listener) => type === "focusin" && listener({ target: { name: "query" } }),
  document: { documentElement: { classList: { replace() {} } } },
  EventTarget,
  MessageEvent,
  Worker: BrowserWorker,
  XMLHttpRequest: class {},
});
page.window = page;
runInContext(`{ ${readFileSync(new URL("../overrides/page.js", import.meta.url), "utf8")} }`, page);
const search = new page.Worker(name);
const answer = (type, data) =>
  new Promise((give) => {
    search.addEventListener("message", (message) => give(message.data.data), { once: true });
    search.postMessage({ type, data });
  });

const index = JSON.parse(readFileSync(`${site}/search/search_index.json`, "utf8"));
await answer(0, { ...index, options: { suggest: false } });
for await (const line of createInterface({ input: process.stdin })) {
  const found = [];
  for (const query of JSON.parse(line)) {
    const { items } = await answer(2, query);
    found.push(items.length ? items.map(([best]) => best.location) : (failed ?? []));
  }
  console.log(JSON.stringify(found));
}
