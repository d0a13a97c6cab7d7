// Keeps parts of a page up to date: an element with data-poll="URL" shows what the URL answers, asked for every
// data-poll-seconds (2 by default). Unchanged answers (304) cost nothing. A hidden page does not ask. While an answer
// fails to come, also because one was logged out, the elements [data-poll-lost] are shown. An answer with the header
// "X-Poll: over" is the last. After a change the element gets the event "desk:poll".
(() => {
  "use strict";

  const PATIENCE = 15_000;
  const SLOWEST = 10_000;
  const lost = new Set();

  function tell(element, isLost) {
    lost[isLost ? "add" : "delete"](element);
    for (const notice of document.querySelectorAll("[data-poll-lost]")) notice.hidden = lost.size === 0;
  }

  // Changes what differs and leaves the rest: focus, scrolling and opened details stay, and bars move.
  function change(old, fresh) {
    const before = [...old.childNodes];
    const after = [...fresh.childNodes];
    after.forEach((node, at) => {
      const there = before[at];
      if (!there) old.append(node);
      else if (!alike(there, node)) there.replaceWith(node);
      else if (there.nodeType === Node.ELEMENT_NODE) {
        changeAttributes(there, node);
        change(there, node);
      } else if (there.data !== node.data) there.data = node.data;
    });
    before.slice(after.length).forEach((node) => node.remove());
  }

  function alike(one, other) {
    return one.nodeName === other.nodeName && one.id === other.id;
  }

  function changeAttributes(old, fresh) {
    // Who opened or closed details wants them so.
    const kept = (name) => name === "open" && old.nodeName === "DETAILS";
    for (const { name } of [...old.attributes]) {
      if (!fresh.hasAttribute(name) && !kept(name)) old.removeAttribute(name);
    }
    for (const { name, value } of fresh.attributes) {
      if (old.getAttribute(name) !== value && !kept(name)) old.setAttribute(name, value);
    }
  }

  function show(element, html) {
    const fresh = document.createElement("template");
    fresh.innerHTML = html;
    const focused = element.contains(document.activeElement) ? document.activeElement.id : "";
    change(element, fresh.content);
    const again = focused && document.getElementById(focused);
    if (again && again !== document.activeElement) again.focus({ preventScroll: true });
    element.dispatchEvent(new CustomEvent("desk:poll", { bubbles: true }));
  }

  function keep(element) {
    const usual = (Number(element.dataset.pollSeconds) || 2) * 1000;
    let wait = usual;
    let etag = "";
    let asking = false;
    let over = false;
    let timer = 0;

    async function ask() {
      clearTimeout(timer);
      if (asking || over || document.hidden) return;
      asking = true;
      try {
        await once();
        wait = usual;
        tell(element, false);
      } catch {
        wait = Math.max(usual, Math.min(wait * 2, SLOWEST));
        tell(element, true);
      }
      asking = false;
      if (!over && element.isConnected) timer = setTimeout(ask, wait);
    }

    async function once() {
      const answer = await fetch(element.dataset.poll, {
        headers: etag ? { "If-None-Match": etag } : {},
        cache: "no-store",
        credentials: "same-origin",
        // To the log-in page.
        redirect: "manual",
        signal: AbortSignal.timeout(PATIENCE),
      });
      if (answer.status === 200) {
        const html = await answer.text();
        etag = answer.headers.get("ETag") || "";
        show(element, html);
      } else if (answer.status !== 304) throw new Error(String(answer.status));
      over = answer.headers.get("X-Poll") === "over";
    }

    document.addEventListener("visibilitychange", ask);
    timer = setTimeout(ask, usual);
  }

  function start() {
    for (const element of document.querySelectorAll("[data-poll]")) keep(element);
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
