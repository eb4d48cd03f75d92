// What the theme leaves to do. It stands in each page's head: a request less.

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

// The list of symptoms shows those lines only that have the words.
addEventListener("DOMContentLoaded", () => {
  const filter = document.querySelector(".filter");
  if (!filter) return;
  filter.hidden = false;
  filter.addEventListener("input", ({ target }) => {
    const words = target.value.toLowerCase().split(/\s+/);
    const items = [...document.querySelectorAll(".symptoms li")];
    const has = (item) => (item.textContent + item.dataset.words).toLowerCase();
    for (const item of items) item.hidden = !words.every((word) => has(item).includes(word));
    const left = items.filter((item) => !item.hidden).length;
    filter.querySelector("output").textContent = `${left} of ${items.length}`;
    filter.querySelector("span").hidden = left > 0;
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

// The theme makes a landmark of each copy button and of each level of the contents.
addEventListener("load", () => {
  for (const nav of document.querySelectorAll(".md-code__nav, .md-nav--secondary .md-nav")) {
    nav.removeAttribute("aria-label");
    nav.role = "none";
  }
});

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

// What is typed or pasted, as words that the search takes: of a traceback the errors, without the words
// of speech and the signs that mean something to the search. Workers are alike, whatever their number.
// At first a word counts as it stands and as a beginning, then as it stands, then with a typing error.
const ERRORS = /\b[\w.]*(Error|Exception|Interrupt|Empty|Full)\b.*?(?=Traceback|File "|Process \w+-\d|$)/g;
const SIGNS = /[\s:~^*"“”+\\()[\]{},;!?=`/<>#|]+|-(?!\d)/;
const SPEECH = RegExp(
  "^(the|and|for|how|why|what|when|where|which|who|does|did|are|was|this|that|with|from|its|has|have|can|" +
    "could|should|would|will|there|then|than|but|not|you|they|using|python3?)$",
  "i",
);
const asked = (typed, time) => {
  const errors = typed.includes("Traceback") && typed.match(ERRORS);
  const text = errors ? errors.join(" ") : typed;
  const all = text
    .replace(/’/g, "'")
    .replace(/(Process )?\w*(Process|PoolWorker)-\d+/g, "$2-1")
    .split(SIGNS)
    .map((word) => word.replace(/^'+/, "").slice(0, 40))
    .filter(Boolean);
  const said = all.filter((word) => !SPEECH.test(word));
  const words = [...new Set(said.length ? said : all)].slice(-50);
  const ask = (word) => {
    const term = word.replace(/-/g, "\\\\\\-"); // a minus means "without", or ends a word
    if (time === 2) return `${term}~${word.length > 6 ? 2 : 1}`;
    return time === 1 || (word.length < 3 && words.length > 1) ? `${term}^3` : `${term} ${term}^2`;
  };
  return words.map(ask).join(" ");
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
