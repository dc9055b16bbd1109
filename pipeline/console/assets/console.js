// A little quickness. Everything works without it.
"use strict";

// A job's page is refreshed in place.
const job = document.querySelector("[data-job]");
if (job) {
  document.querySelectorAll("meta[http-equiv=refresh]").forEach((m) => m.remove());
  const look = async () => {
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const now = page.querySelector("[data-job]");
      const here = document.querySelector("[data-job]");
      if (now && here) here.replaceWith(now);
      if (now && now.dataset.job === "running") setTimeout(look, 1000);
    } catch {
      setTimeout(look, 3000);
    }
  };
  if (job.dataset.job === "running") setTimeout(look, 700);
}

// What cannot be taken back is asked about once more.
document.addEventListener("submit", (e) => {
  const ask = e.target.dataset.ask;
  if (ask && !confirm(ask)) e.preventDefault();
});

// A filter is sent as soon as it is chosen.
document.querySelectorAll("select[data-send]").forEach((s) => s.addEventListener("change", () => s.form.submit()));

// Keys: / goes to the search box, g and a letter to a page, Ctrl+Enter runs a query.
let before = "";
document.addEventListener("keydown", (e) => {
  const typing = e.target.closest("input, textarea, select");
  if (typing) {
    if (e.key === "Enter" && (e.ctrlKey || e.metaKey) && e.target.matches("textarea")) e.target.form.requestSubmit();
    if (e.key === "Escape") e.target.blur();
    return;
  }
  if (e.ctrlKey || e.metaKey || e.altKey) return;
  if (e.key === "/") {
    const box = document.querySelector("[data-search]");
    if (box) { e.preventDefault(); box.focus(); box.select(); }
  } else if (before === "g") {
    const link = document.querySelector(`nav.menu a[data-key="${CSS.escape(e.key)}"]`);
    if (link) link.click();
  }
  before = e.key;
});
