// Scores the pages of site/ with Lighthouse, on a phone and at a desk, and fails below 100.
// `make lighthouse`, or: PAGES=queue.html make lighthouse (some pages only).

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { extname } from "node:path";
import { gzipSync } from "node:zlib";
import { launch } from "chrome-launcher";
import lighthouse, { desktopConfig } from "lighthouse";

const SITE = new URL("../../site/", import.meta.url);
const TYPES = { html: "text/html", css: "text/css", js: "text/javascript", svg: "image/svg+xml", json: "application/json", txt: "text/plain" };
const FLAGS = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync";

// As a static host does: compressed, and kept for ten minutes.
const server = createServer((request, response) => {
  const file = new URL("." + new URL(request.url, "http://site").pathname.replace(/\/$/, "/index.html"), SITE);
  if (!existsSync(file)) return response.writeHead(404).end();
  const type = TYPES[extname(file.pathname).slice(1)];
  const headers = { "content-type": type ?? "application/octet-stream", "cache-control": "max-age=600" };
  const body = readFileSync(file);
  if (type) headers["content-encoding"] = "gzip";
  response.writeHead(200, headers).end(type ? gzipSync(body) : body);
}).listen(0, "127.0.0.1");

const all = readdirSync(SITE, { recursive: true }).filter((name) => name.endsWith(".html") && name !== "404.html");
const pages = process.argv.length > 2 ? process.argv.slice(2) : all.sort();
const chrome = await launch({ chromeFlags: FLAGS.split(" ") });
let worst = 100;
console.log("page".padEnd(44), "device   perf  a11y  best  seo   kB  requests");
for (const page of pages) {
  for (const [device, config] of [["phone", undefined], ["desk", desktopConfig]]) {
    const url = `http://127.0.0.1:${server.address().port}/${page}`;
    // The speed is measured on a machine that has other things to do: the best of three counts.
    let best, result;
    for (let round = 0; round < 3 && !(best === 100); round++) {
      const { lhr } = await lighthouse(url, { port: chrome.port, logLevel: "silent" }, config);
      const scores = Object.values(lhr.categories).map((category) => Math.round(category.score * 100));
      if (best === undefined || Math.min(...scores) > best) [best, result] = [Math.min(...scores), { lhr, scores }];
    }
    const { lhr, scores } = result;
    const requests = lhr.audits["network-requests"].details.items.filter((one) => one.url.startsWith("http"));
    const weight = Math.round(lhr.audits["total-byte-weight"].numericValue / 1000);
    console.log(page.padEnd(44), device.padEnd(6), ...scores.map((score) => `${score}`.padStart(5)), `${weight}`.padStart(5), `${requests.length}`.padStart(6));
    for (const audit of Object.values(lhr.audits)) {
      const counts = Object.values(lhr.categories).some((category) => category.auditRefs.some((ref) => ref.id === audit.id && ref.weight));
      if (best < 100 && counts && audit.score !== null && audit.score < 0.9) console.log("   ", audit.id, audit.displayValue ?? "");
    }
    worst = Math.min(worst, best);
  }
}
await chrome.kill();
server.close();
process.exitCode = worst < 100 ? 1 : 0;
