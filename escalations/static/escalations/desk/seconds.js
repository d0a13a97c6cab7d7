// The words beside a number of seconds follow it; escalations/durations.py writes the same.
"use strict";

function inWords(seconds, texts) {
  const parts = [
    [Math.floor(seconds / 3600), texts.hours],
    [Math.floor(seconds / 60) % 60, texts.minutes],
    [seconds % 60, texts.rest],
  ];
  const said = parts.filter(([number]) => number > 0);
  return (said.length ? said : parts.slice(-1)).map(([number, text]) => text.replace("{}", number)).join(" ");
}

document.addEventListener("input", (event) => {
  const span = event.target.closest("[data-seconds]");
  if (span) {
    const typed = event.target.value.trim();
    span.querySelector("output").textContent = /^\d{1,9}$/.test(typed) ? inWords(Number(typed), span.dataset) : "";
  }
});
