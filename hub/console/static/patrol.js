// Keeps visits in the phone until they are sent: first kept, then sent, thrown away only after the hub has answered.
// Each has a key, so that one that is sent again is taken once. Without this file the forms are sent as any form is.
"use strict";

(() => {
  const box = document.getElementById("kept");
  if (!box || !("indexedDB" in window)) return;
  const AGAIN = 30000, LONGEST = 120000, STORE = "visits";
  const hint = box.querySelector(".hint"), list = box.querySelector("ul"), user = box.dataset.user;
  const results = [];
  let database = null, timer = 0, sending = false, trouble = "";

  const opened = () => database ??= new Promise((done, failed) => {
    const request = indexedDB.open("fenceline-patrol", 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "key" });
    request.onsuccess = () => done(request.result);
    request.onerror = () => failed(request.error);
  });

  async function work(mode, act) {
    const db = await opened();
    return new Promise((done, failed) => {
      const change = db.transaction(STORE, mode, mode === "readwrite" ? { durability: "strict" } : undefined);
      const request = act(change.objectStore(STORE));
      change.oncomplete = () => done(request.result);
      change.onerror = change.onabort = () => failed(change.error);
    });
  }

  // What somebody else left in this phone is theirs: it waits until they sign in.
  const mine = async () => (await work("readonly", (store) => store.getAll())).filter((one) => one.user === user).sort((a, b) => a.time - b.time);

  async function show() {
    const waiting = await mine();
    list.replaceChildren(...results.map((one) => line(one)), ...waiting.map((one) => line(`${one.title}: ${one.refused ? `${box.dataset.refused}: ${one.refused}` : box.dataset.one}`, one)));
    hint.textContent = waiting.some((one) => !one.refused) ? trouble : "";
    box.hidden = !waiting.length && !results.length;
  }

  function line(text, entry) {
    const item = document.createElement("li");
    item.textContent = text;
    if (entry && entry.refused) {
      const drop = document.createElement("button");
      drop.type = "button";
      drop.textContent = box.dataset.drop;
      drop.addEventListener("click", async () => { await work("readwrite", (store) => store.delete(entry.key)); await show(); });
      item.append(" ", drop);
    }
    return item;
  }

  // One after the other: a network that is hardly there carries one photograph at a time.
  async function send() {
    clearTimeout(timer);
    if (sending) return;
    sending = true;
    trouble = "";
    try {
      for (const entry of await mine()) if (!entry.refused && !await sent(entry)) break;
    } finally {
      sending = false;
    }
    await show();
    const waiting = (await mine()).some((one) => !one.refused);
    if (waiting) timer = setTimeout(send, trouble ? AGAIN : 0);
  }

  // Tells whether the next one may be sent.
  async function sent(entry) {
    const body = new FormData();
    body.append("form_token", box.dataset.token);
    body.append("key", entry.key);
    body.append("time", String(entry.time));
    for (const [name, value] of entry.fields) body.append(name, value);
    if (entry.photo) body.append("photo", new Blob([entry.photo], { type: entry.type }), entry.name);
    let answer, said = null;
    try {
      answer = await fetch(entry.action, { method: "POST", body, headers: { Accept: "application/json" }, redirect: "error", signal: AbortSignal.timeout(LONGEST) });
      if ((answer.headers.get("content-type") || "").includes("json")) said = await answer.json();
    } catch {
      trouble = box.dataset.offline;
      return false;
    }
    if (answer.ok && said && said.ok) {
      await work("readwrite", (store) => store.delete(entry.key));
      results.push(`${entry.title}: ${said.said || box.dataset.sent}`);
      return true;
    }
    if (said && said.said && answer.status < 500) {
      await work("readwrite", (store) => store.put({ ...entry, refused: said.said }));
      return true;
    }
    if (answer.status === 404 || answer.status === 413) {
      await work("readwrite", (store) => store.put({ ...entry, refused: String(answer.status) }));
      return true;
    }
    trouble = answer.status === 403 || answer.status === 401 ? box.dataset.signin : box.dataset.offline;
    return false;
  }

  async function keep(form) {
    const fields = [];
    let photo = null, name = "", type = "", key = "";
    for (const [field, value] of new FormData(form)) {
      if (value instanceof File) {
        if (value.size) [photo, name, type] = [await value.arrayBuffer(), value.name, value.type];
      } else if (field === "key") key = value;
      else if (field !== "form_token" && field !== "time") fields.push([field, value]);
    }
    const entry = { key, user, title: form.dataset.patrol, action: form.action, time: Date.now() / 1000, fields, photo, name, type, refused: "" };
    await work("readwrite", (store) => store.put(entry));
  }

  for (const form of document.querySelectorAll("form[data-patrol]")) {
    let busy = false;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (busy) return;
      busy = true;
      keep(form).then(() => {
        const stop = form.closest("details");
        if (stop) stop.remove();
        else form.remove();
        return show().then(send);
      }, () => {
        // A browser that keeps nothing, as in a private window: the form goes as any form does.
        trouble = box.dataset.full;
        form.elements.time.value = String(Date.now() / 1000);
        form.submit();
      });
    });
  }
  addEventListener("online", send);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) send(); });
  if (navigator.storage && navigator.storage.persist) navigator.storage.persist().catch(() => false);
  show().then(send, () => { box.hidden = false; hint.textContent = box.dataset.full; });
})();
