// Asks the search of a built site, as its pages do: node tests/search.mjs SITE, with a list of
// queries as JSON on standard input. Prints for each what it finds, best first, or why it fails.

import { readFileSync, readdirSync } from "node:fs";
import { runInThisContext } from "node:vm";

const site = process.argv[2];
const workers = `${site}/assets/javascripts/workers`;
const worker = readdirSync(workers).find((name) => /^search.*\.js$/.test(name));
const answers = [];
let tell, failed;
globalThis.self = globalThis;
globalThis.addEventListener = (_, listener) => (tell = listener);
globalThis.postMessage = (message) => answers.push(message);
console.warn = (what) => (failed = String(what)); // that is all the worker does when a query fails
runInThisContext(readFileSync(`${workers}/${worker}`, "utf8"));

const send = async (type, data) => {
  tell({ data: { type, data } });
  while (!answers.length) await new Promise((go) => setTimeout(go));
  return answers.shift().data;
};
const index = JSON.parse(readFileSync(`${site}/search/search_index.json`, "utf8"));
await send(0, { ...index, options: { suggest: false } });

const found = [];
for (const query of JSON.parse(readFileSync(0, "utf8"))) {
  failed = undefined;
  const { items } = await send(2, query);
  found.push(failed ?? items.map(([best]) => best.location));
}
console.log(JSON.stringify(found));
