// Keeps a page current: when the hub says that something has changed, its regions are taken from the page as it is now.
// Nothing that somebody is typing is replaced. Without this file every page works, and is read again by hand.
"use strict";

(() => {
  if (!document.body.hasAttribute("data-live") || !("EventSource" in window)) return;

  let asked = false, again = false;

  const inUse = (region) =>
    region.contains(document.activeElement) && document.activeElement.matches("input, textarea, select, button, a") ||
    [...region.querySelectorAll("textarea")].some((field) => field.value !== field.defaultValue);

  async function refresh() {
    if (asked) { again = true; return; }
    asked = true;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html", "X-Fenceline-Follows": "1" }, redirect: "error" });
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const region of document.querySelectorAll("[data-region]")) {
        const now = page.getElementById(region.id);
        if (now && !inUse(region) && now.innerHTML !== region.innerHTML) region.replaceWith(document.importNode(now, true));
      }
    } catch { /* the next change asks again */ } finally {
      asked = false;
      if (again) { again = false; setTimeout(refresh, 1000); }
    }
  }

  // A page that shows a refusal keeps it until somebody acts.
  if (document.getElementById("refused")) return;
  const events = new EventSource("/console/events");
  events.addEventListener("open", () => { const told = document.getElementById("live"); if (told && document.querySelector("[data-region]")) told.hidden = false; });
  events.addEventListener("change", refresh);
  events.addEventListener("over", () => { events.close(); location.reload(); });
})();
