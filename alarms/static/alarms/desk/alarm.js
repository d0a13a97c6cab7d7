// Counts down, counts characters, and loads the page of an alarm anew once that is not scheduled any more: it has other
// parts then. The page says the same without it.
(() => {
  "use strict";

  // What is shown is the service's time, whatever the clock of this machine says.
  const page = document.querySelector("[data-now]");
  const ahead = page ? Number(page.dataset.now) * 1000 - Date.now() : 0;

  const two = (number) => String(number).padStart(2, "0");

  function left(until) {
    const seconds = Math.max(0, Math.round(until - (Date.now() + ahead) / 1000));
    const [days, hours] = [Math.floor(seconds / 86_400), Math.floor(seconds / 3600) % 24];
    const rest = `${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
    if (days) return `${days} d ${two(hours)}:${rest}`;
    return hours ? `${hours}:${rest}` : rest;
  }

  function tick() {
    for (const timer of document.querySelectorAll("[data-countdown]")) {
      const text = left(Number(timer.dataset.countdown));
      if (timer.textContent !== text) timer.textContent = text;
      timer.hidden = false;
    }
  }

  tick();
  setInterval(tick, 1000);
  document.addEventListener("desk:poll", tick);

  if (page?.dataset.status === "scheduled") {
    document.addEventListener("desk:poll", () => {
      if (!document.querySelector('#alarm-state [data-status="scheduled"]')) location.reload();
    });
  }

  for (const field of document.querySelectorAll("[data-counter]")) {
    const counter = document.getElementById(field.dataset.counter);
    const { most, text } = counter.dataset;
    const count = () => {
      const length = [...field.value].length;
      counter.textContent = text.replace("{count}", length).replace("{most}", most);
      counter.classList.toggle("desk-error", length > Number(most));
    };
    field.addEventListener("input", count);
    count();
  }
})();
