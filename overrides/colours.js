// The colours are those of the system, until somebody chooses the others. It stands before the header:
// no page is light before it is dark. The theme's own switch also restyles each page twice when it opens.

const dark = matchMedia("(prefers-color-scheme: dark)");
const system = () => (dark.matches ? "slate" : "default");
const chosen = () => __md_get("__palette")?.color.scheme; // the theme's own place for it
const show = () => {
  const scheme = (document.body.dataset.mdColorScheme = chosen() ?? system());
  document.querySelector("[name=colours]")?.setAttribute("aria-pressed", scheme === "slate");
};

addEventListener("click", ({ target }) => {
  if (!target.closest("[name=colours]")) return;
  const scheme = document.body.dataset.mdColorScheme === "slate" ? "default" : "slate";
  __md_set("__palette", scheme === system() ? null : { color: { scheme } });
  show();
});
addEventListener("load", () => {
  document.querySelector("[name=colours]").hidden = false;
  show();
});
dark.addEventListener("change", show);
show();
