// Keeps a page current: when the hub says that something has changed, its regions are taken from the page as it is now.
// Nothing that somebody is typing is replaced. Without this file every page works, and is read again by hand.
"use strict";

(() => {
  if (!document.body.hasAttribute("data-live") || !("EventSource" in window)) return;

  const PAUSE = 3000;
  let timer = 0, last = -PAUSE, missed = false;

  // In a large city something changes all the time: a page asks at most every 3 s, and one that nobody sees not at all.
  function soon() {
    if (document.hidden) { missed = true; return; }
    if (!timer) timer = setTimeout(refresh, Math.max(0, last + PAUSE - performance.now()));
  }

  const inUse = (region) =>
    region.contains(document.activeElement) && document.activeElement.matches("input, textarea, select, button, a") ||
    [...region.querySelectorAll("textarea")].some((field) => field.value !== field.defaultValue);

  // The token of a form is another text each time: it alone is no change.
  const said = (region) => region.innerHTML.replace(/(name="form_token" value=")[^"]*/g, "$1");

  async function refresh() {
    last = performance.now();
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html", "X-Fenceline-Follows": "1" }, redirect: "error" });
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const region of document.querySelectorAll("[data-region]")) {
        const now = page.getElementById(region.id);
        if (now && !inUse(region) && said(now) !== said(region)) region.replaceWith(document.importNode(now, true));
      }
    } catch { /* the next change asks again */ } finally {
      last = performance.now();
      timer = 0;
      if (missed) { missed = false; soon(); }
    }
  }

  // A page that shows a refusal keeps it until somebody acts.
  if (document.getElementById("refused")) return;
  // Who drives is somewhere else all the time, which is no event: such a page says how often it is to be asked again [s].
  const moving = document.querySelector("[data-each]");
  if (moving) setInterval(soon, 1000 * Number(moving.dataset.each));
  const events = new EventSource("/console/events");
  events.addEventListener("open", () => { const told = document.getElementById("live"); if (told && document.querySelector("[data-region]")) told.hidden = false; });
  events.addEventListener("change", () => { if (timer) missed = true; else soon(); });
  document.addEventListener("visibilitychange", () => { if (missed && !document.hidden && !timer) { missed = false; soon(); } });
  events.addEventListener("over", () => { events.close(); location.reload(); });
})();
