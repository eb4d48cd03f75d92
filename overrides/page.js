// What the theme leaves to do. It stands in each page's head: a request less.

// The theme's script says to the style sheets that there is JavaScript, when all is shown: the browser would
// style the whole page again. Here it is said first, and the search is there with the rest of the header.
const { classList } = document.documentElement;
classList.replace("no-js", "js");
classList.add = classList.remove = () => {};

// A program is copied as its file is, to the last newline; the button says that it has.
addEventListener("click", async ({ target }) => {
  if (!target.matches(".program .copy")) return;
  await navigator.clipboard.writeText(target.closest(".program").querySelector("code").textContent);
  target.textContent = "Copied";
  setTimeout(() => (target.textContent = "Copy"), 2000);
});
addEventListener("DOMContentLoaded", () => {
  for (const button of document.querySelectorAll(".program .copy")) button.hidden = false;
});

// The list of symptoms shows the lines that have most of the words, the best first. A word counts the more
// the fewer lines have it, and twice in the line itself.
addEventListener("DOMContentLoaded", () => {
  const filter = document.querySelector(".filter");
  if (!filter) return;
  filter.hidden = false;
  const lists = [...document.querySelectorAll(".symptoms")];
  const groups = lists.map((list) => ({ heading: list.previousElementSibling, list }));
  const after = lists.at(-1).nextElementSibling;
  const spaced = (text) => ` ${words(text).join(" ").toLowerCase()}`;
  const rows = groups.flatMap((group) =>
    [...group.list.children].map((item) => ({
      item, group, line: spaced(item.textContent), also: spaced(item.dataset.words),
    })),
  );
  filter.addEventListener("input", ({ target }) => {
    const all = said(target.value);
    const telling = all.filter((word) => !/^[a-z]{1,2}$/i.test(word)); // "my" begins MySQL, "is" stands anywhere
    const typed = telling.length ? telling : all;
    for (const each of [...rows, ...groups]) each.score = 0;
    for (const word of typed) {
      const start = ` ${word.toLowerCase()}`;
      const counts = rows.map((row) => (row.line.includes(start) ? 2 : +row.also.includes(start)));
      const having = counts.filter(Boolean).length;
      rows.forEach((row, at) => counts[at] && (row.score += counts[at] / having));
    }
    const best = Math.max(...rows.map((row) => row.score));
    for (const { item, score, group } of [...rows].sort((a, b) => b.score - a.score)) {
      item.hidden = typed.length > 0 && score <= best / 3;
      group.list.append(item);
      group.score = Math.max(group.score, score);
    }
    for (const { heading, list } of [...groups].sort((a, b) => b.score - a.score)) {
      heading.hidden = ![...list.children].some((item) => !item.hidden);
      after.before(heading, list);
    }
    const left = rows.filter((row) => !row.item.hidden).length;
    filter.querySelector("output").textContent = `${left} of ${rows.length}`;
    filter.querySelector("span").hidden = left > 0;
    filter.querySelector("span a").search = new URLSearchParams({ q: target.value });
  });
});

// Of a console block what one types is copied, without the prompt and the output.
const copied = ({ target }) => {
  const code = target.closest("[data-md-type=copy]")?.closest("pre").querySelector("code");
  if (!code) return;
  const typed = [...code.textContent.matchAll(/^\$ (.*)$/gm)].map((line) => line[1]);
  const console = code.querySelector(".gp") && typed.join("\n");
  target.closest("[data-md-type=copy]").dataset.clipboardText = code.dataset.typed ?? (console || code.textContent);
};
addEventListener("click", copied, true); // before the theme reads it

// The theme makes a landmark of each level of the contents, and of each copy button, when its block is seen.
addEventListener("load", () => {
  const tidy = () => {
    for (const nav of document.querySelectorAll(":is(.md-code__nav, .md-nav--secondary .md-nav):not([role])")) {
      nav.removeAttribute("aria-label");
      nav.role = "none";
    }
  };
  tidy();
  new MutationObserver(tidy).observe(document.querySelector(".md-content"), { childList: true, subtree: true });
});

// What scrolls is reached with the Tab key; the theme sees to it when a block is seen.
addEventListener("load", () => setTimeout(() => {
  const blocks = [...document.querySelectorAll("pre > code:not(details:not([open]) *)")];
  for (const code of blocks.filter((each) => each.scrollWidth > each.clientWidth)) code.tabIndex = 0;
}));

// A result of the search shows the line that it was found by; its tags are no landmark.
addEventListener("load", () => {
  const list = document.querySelector(".md-search-result__list");
  const tidy = () => {
    for (const tags of list.querySelectorAll("nav")) tags.role = "none";
    for (const mark of list.querySelectorAll("pre mark:first-of-type")) {
      mark.parentElement.scrollTop = mark.offsetTop - 24;
    }
  };
  if (list) new MutationObserver(tidy).observe(list, { childList: true, subtree: true });
});

// The menu button is part of a check box's label: Enter and Space do what a click does.
addEventListener("keydown", (event) => {
  if (!event.target.matches("label > [role=button]") || !["Enter", " "].includes(event.key)) return;
  event.preventDefault();
  event.target.click();
});

// What is typed or pasted, as words without signs: of a traceback the errors, and no words of speech.
// Workers are alike, whatever their number.
const ERRORS = /\b[\w.]*(Error|Exception|Interrupt|Empty|Full)\b.*?(?=Traceback|File "|Process \w+-\d|$)/g;
const SIGNS = /[^\p{L}\p{N}_.'-]+|[.-](?!\d)/u;
const SPEECH = RegExp(
  "^(the|and|for|how|why|what|when|where|which|who|does|did|are|was|this|that|with|from|its|has|have|can|" +
    "could|should|would|will|there|then|than|but|not|you|they|using|python3?)$",
  "i",
);
const words = (text) => {
  const parts = text.replace(/’/g, "'").split(SIGNS);
  return parts.map((word) => word.replace(/^'+|'+$/g, "").slice(0, 40)).filter(Boolean);
};
const said = (typed) => {
  const errors = /Traceback|File "/.test(typed) && typed.match(ERRORS);
  const text = errors ? errors.join(" ") : typed;
  const all = words(text.replace(/(Process )?\w*(Process|PoolWorker)-\d+/g, "$2-1"));
  const telling = all.filter((word) => !SPEECH.test(word));
  return [...new Set(telling.length ? telling : all)].slice(-50);
};

// So the search is asked. At first a word counts as it stands and as a beginning, then as it stands only:
// of some beginnings lunr knows words that are nowhere, and fails. At last with a typing error or two.
const asked = (typed, time) => {
  const all = said(typed);
  const ask = (word) => {
    const term = word.replace(/-/g, "\\\\\\-"); // a minus means "without", or ends a word
    if (time === 2) return `${term}~${word.length > 6 ? 2 : 1}`;
    return time === 1 || (word.length < 3 && all.length > 1) ? `${term}^3` : `${term} ${term}^2`;
  };
  return all.map(ask).join(" ");
};

// The search fetches its worker and its index when it is used, not with each page.
const used = new Promise((use) => addEventListener("focusin", ({ target }) => target.name === "query" && use()));
const worker = Worker;
const [QUERY, RESULT] = [2, 3];
window.Worker = class extends EventTarget {
  constructor(url) {
    super();
    this.queries = []; // that have no answer yet
    this.real = used.then(() => {
      const real = new worker(url);
      real.addEventListener("message", ({ data }) => {
        if (data.type === RESULT) {
          const { typed, time } = this.queries.shift();
          const again = !data.data.items.length && time < 2 && !this.queries.length;
          if (again) return this.ask(typed, time + 1);
        }
        this.dispatchEvent(new MessageEvent("message", { data }));
      });
      return real;
    });
  }
  ask(typed, time) {
    this.queries.push({ typed, time });
    this.real.then((real) => real.postMessage({ type: QUERY, data: asked(typed, time) }));
  }
  postMessage(message) {
    if (message.type === QUERY) this.ask(message.data, 0);
    else this.real.then((real) => real.postMessage(message));
  }
};
const { open, send } = XMLHttpRequest.prototype;
XMLHttpRequest.prototype.open = function (method, url, ...more) {
  this.waits = String(url).includes("search_index") ? used : null;
  open.call(this, method, url, ...more);
};
XMLHttpRequest.prototype.send = function (body) {
  this.waits ? this.waits.then(() => send.call(this, body)) : send.call(this, body);
};
