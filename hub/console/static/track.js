// Plays a way again: a mark goes along the map, a line along the time line. Without this file both stand still.
"use strict";

(() => {
  const panel = document.querySelector("[data-replay]");
  const mark = document.getElementById("replay-mark");
  if (!panel || !mark) return;
  const GAP = 120, TICK = 50;
  const points = JSON.parse(panel.dataset.replay);
  const first = points[0][0], last = points[points.length - 1][0];
  const time = new Intl.DateTimeFormat(panel.dataset.lang, { timeZone: panel.dataset.zone, hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });

  const button = document.createElement("button");
  button.type = "button";
  button.textContent = panel.dataset.play;
  const range = document.createElement("input");
  range.type = "range";
  range.min = first;
  range.max = last;
  range.step = 1;
  range.value = first;
  range.setAttribute("aria-label", panel.dataset.when);
  const pace = document.createElement("select");
  pace.setAttribute("aria-label", panel.dataset.faster);
  for (const times of [30, 60, 120, 300]) {
    const option = document.createElement("option");
    option.value = times;
    option.textContent = `${times} ×`;
    pace.append(option);
  }
  pace.value = last - first > 3600 ? 120 : 60;
  const told = document.createElement("output");
  panel.append(button, range, pace, told);
  panel.hidden = false;

  // The last point that was said up to a moment.
  function before(t) {
    let low = 0, high = points.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (points[middle][0] <= t) low = middle; else high = middle - 1;
    }
    return low;
  }

  function show(t) {
    const index = before(t), point = points[index], next = points[index + 1];
    const gap = next && next[0] - point[0] > GAP && t > point[0];
    let [, x, y, line, speed] = point;
    if (next) {
      const share = (t - point[0]) / Math.max(1, next[0] - point[0]);
      line += (next[3] - line) * share;
      // Nobody knows where it was in a gap: there the mark waits where it was seen last.
      if (!gap && x !== null && next[1] !== null) { x += (next[1] - x) * share; y += (next[2] - y) * share; }
    }
    mark.setAttribute("visibility", x === null ? "hidden" : "visible");
    mark.classList.toggle("unknown", Boolean(gap));
    if (x !== null) mark.setAttribute("transform", `translate(${x.toFixed(1)} ${y.toFixed(1)})`);
    for (const cursor of document.querySelectorAll(".timeline .cursor")) {
      cursor.setAttribute("x1", line);
      cursor.setAttribute("x2", line);
      cursor.setAttribute("visibility", "visible");
    }
    const said = gap || x === null ? panel.dataset.unknown : speed === null ? "" : `${speed} km/h`;
    told.textContent = `${time.format(new Date(t * 1000))} ${said}`;
    range.setAttribute("aria-valuetext", told.textContent);
  }

  let timer = 0, at = first, moved = 0;

  function stop() {
    clearInterval(timer);
    timer = 0;
    button.textContent = panel.dataset.play;
  }

  function step() {
    const now = performance.now();
    at = Math.min(last, at + (now - moved) / 1000 * Number(pace.value));
    moved = now;
    range.value = Math.round(at);
    show(at);
    if (at >= last) stop();
  }

  button.addEventListener("click", () => {
    if (timer) { stop(); return; }
    if (at >= last) at = first;
    moved = performance.now();
    timer = setInterval(step, TICK);
    button.textContent = panel.dataset.pause;
  });
  range.addEventListener("input", () => { at = Number(range.value); show(at); });
  show(first);
})();
