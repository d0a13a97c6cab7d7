// Counts down the time to answer, and says so when it is over. All of the page works without it.

"use strict";

const byId = (id) => document.getElementById(id);
const form = byId("form");
const left = byId("left");
const late = byId("late");
const spoken = byId("spoken");
const SPOKEN_AT = [300, 60];

// By how much time passes, not by the time of the phone, which may be wrong; and not by counting seconds, of which a
// page in the background misses some.
let before = Number(left.dataset.seconds);
const end = Date.now() + before * 1000;

function span(seconds) {
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  const parts = [`${seconds % 60}\u00a0s`];
  if (seconds >= 60) parts.unshift(`${minutes}\u00a0min`);
  if (hours) parts.unshift(`${hours}\u00a0h`);
  return parts.join(" ");
}

function tick() {
  const seconds = Math.max(0, Math.ceil((end - Date.now()) / 1000));
  left.textContent = left.dataset.pattern.replace("{}", span(seconds));
  for (const limit of SPOKEN_AT) {
    if (seconds <= limit && before > limit) spoken.textContent = spoken.dataset[limit];
  }
  before = seconds;
  if (seconds === 0) tooLate();
}

function tooLate() {
  clearInterval(timer);
  const hadFocus = form.contains(document.activeElement);
  form.hidden = true;
  late.hidden = false;
  spoken.textContent = late.textContent;
  document.title = late.dataset.title;
  if (hadFocus) late.querySelector("[tabindex]").focus();
}

const timer = setInterval(tick, 1000);
tick();

form.addEventListener("submit", () => {
  left.textContent = spoken.textContent = spoken.dataset.sending;
  clearInterval(timer);
});

// Somebody who comes back to the page sees how things stand, not how they stood.
addEventListener("pageshow", (event) => {
  if (event.persisted) location.replace(location.pathname);
});
