// The entries of an escalation are put in order by dragging and with the keyboard, and what they do is drawn by the
// server whenever they change.
"use strict";

const PAUSE = 150; // milliseconds: who types is not drawn for at each key
const EDGE = 80; // pixels: how near to the top or the bottom of the window the page moves along

class Entries {
  constructor(root) {
    this.root = root;
    this.list = root.querySelector(".escalation-entries");
    this.total = root.querySelector("[name=entries-TOTAL_FORMS]");
    this.initial = Number(root.querySelector("[name=entries-INITIAL_FORMS]").value);
    this.row = root.querySelector("template").content.querySelector("[data-entry]");
    this.add = root.querySelector("[data-add]");
    this.shown = root.querySelector("[data-warnings]").dataset.warnings;
    // Rows that are there for whom no script runs.
    root.querySelectorAll("[data-blank]").forEach((row) => row.remove());
    for (const row of this.list.children) {
      row.hidden = Boolean(this.part(row, "DELETE")?.checked);
    }
    root.classList.add("scripted");
    this.number();
    this.listen();
  }

  listen() {
    this.list.addEventListener("click", (event) => {
      const row = event.target.closest("[data-entry]");
      const button = event.target.closest("button");
      if (button?.dataset.move) {
        this.move(row, button);
      } else if (button) {
        this.remove(row);
      }
    });
    this.list.addEventListener("pointerdown", (event) => {
      if (event.target.closest("[data-handle]") && event.button === 0) {
        event.preventDefault();
        this.drag(event.target.closest("[data-entry]"), event);
      }
    });
    this.list.addEventListener("input", () => this.changed());
    this.add.addEventListener("click", () => this.append());
    // The choice of an owner is select2's, which tells jQuery only.
    window.django?.jQuery("#id_user, #id_organization").on("change", () => this.changed());
  }

  get rows() {
    return [...this.list.children].filter((row) => !row.hidden);
  }

  part(row, name) {
    return row.querySelector(`[name$="-${name}"]`);
  }

  way(row) {
    const select = this.part(row, "wayofalarm");
    return select.selectedOptions[0]?.text ?? "";
  }

  text(name, values) {
    return this.root.dataset[name].replace(/{(\w+)}/g, (_all, key) => values[key]);
  }

  say(name, values) {
    this.root.querySelector("[data-said]").textContent = this.text(name, values);
  }

  // Write down where everything stands: in the fields, and in what is read aloud of buttons.
  number() {
    const rows = this.rows;
    rows.forEach((row, index) => {
      const values = { number: index + 1, way: this.way(row), count: rows.length };
      this.part(row, "position").value = index;
      row.querySelector("[role=group]").setAttribute("aria-label", this.text("named", values));
      for (const [selector, name] of [["[data-move=up]", "up"], ["[data-move=down]", "down"], ["[data-remove-entry]", "remove"]]) {
        const button = row.querySelector(selector);
        button.setAttribute("aria-label", this.text(name, values));
        button.title = this.text(name, values);
      }
      row.querySelector("[data-move=up]").setAttribute("aria-disabled", index === 0);
      row.querySelector("[data-move=down]").setAttribute("aria-disabled", index === rows.length - 1);
    });
    // The numbers of those that are not saved yet have no gaps, as the server counts them.
    const fresh = [...this.list.children].filter((row) => !("kept" in row.dataset));
    fresh.forEach((row, index) => this.rename(row, this.initial + index));
    this.total.value = this.initial + fresh.length;
    this.add.disabled = rows.length >= Number(this.root.dataset.most);
  }

  rename(row, number) {
    for (const each of row.querySelectorAll("[name], [id], [for], [aria-describedby]")) {
      for (const name of ["name", "id", "for", "aria-describedby"]) {
        if (each.hasAttribute(name)) {
          each.setAttribute(name, each.getAttribute(name).replace(/entries-(\d+|__prefix__)-/, `entries-${number}-`));
        }
      }
    }
  }

  move(row, button) {
    const rows = this.rows;
    const other = rows[rows.indexOf(row) + (button.dataset.move === "up" ? -1 : 1)];
    if (!other) {
      return;
    }
    // It is the other one that is moved: so the focus stays on the button.
    if (button.dataset.move === "up") {
      row.after(other);
    } else {
      row.before(other);
    }
    this.moved(row);
  }

  moved(row) {
    this.changed();
    row.scrollIntoView({ block: "nearest" });
    const rows = this.rows;
    this.say("moved", { way: this.way(row), number: rows.indexOf(row) + 1, count: rows.length });
  }

  drag(row, start) {
    const before = this.rows.indexOf(row);
    const over = (event) => {
      if (event.pointerId !== start.pointerId) {
        return;
      }
      if (event.clientY < EDGE || event.clientY > innerHeight - EDGE) {
        scrollBy(0, event.clientY < EDGE ? -EDGE / 4 : EDGE / 4);
      }
      // The others make way for it: an element that is moved itself loses the finger that holds it.
      const rows = this.rows;
      const at = rows.indexOf(row);
      for (const other of rows.slice(0, at)) {
        const box = other.getBoundingClientRect();
        if (event.clientY < box.top + box.height / 2) {
          row.after(...rows.slice(rows.indexOf(other), at));
          return;
        }
      }
      for (const other of rows.slice(at + 1).reverse()) {
        const box = other.getBoundingClientRect();
        if (event.clientY > box.top + box.height / 2) {
          row.before(...rows.slice(at + 1, rows.indexOf(other) + 1));
          return;
        }
      }
    };
    const done = (event) => {
      if (event.pointerId !== start.pointerId) {
        return;
      }
      row.classList.remove("moving");
      document.removeEventListener("pointermove", over);
      document.removeEventListener("pointerup", done);
      document.removeEventListener("pointercancel", done);
      if (this.rows.indexOf(row) !== before) {
        this.moved(row);
      }
    };
    row.classList.add("moving");
    document.addEventListener("pointermove", over);
    document.addEventListener("pointerup", done);
    document.addEventListener("pointercancel", done);
  }

  append() {
    const row = document.importNode(this.row, true);
    const select = this.part(row, "wayofalarm");
    const there = this.rows.map((other) => this.part(other, "wayofalarm").value);
    const ways = [...select.options].map((option) => option.value).filter(Boolean);
    select.value = ways.find((way) => !there.includes(way)) ?? ways[0];
    this.part(row, "delay").value = 60;
    this.list.append(row);
    this.part(row, "delay").dispatchEvent(new Event("input", { bubbles: true }));
    select.focus();
    this.say("added", { number: this.rows.length });
  }

  remove(row) {
    const rows = this.rows;
    const next = rows[rows.indexOf(row) + 1] ?? rows[rows.indexOf(row) - 1];
    this.say("removed", { way: this.way(row) });
    if ("kept" in row.dataset) {
      this.part(row, "DELETE").checked = true;
      row.hidden = true;
    } else {
      row.remove();
    }
    (next ? next.querySelector("[data-remove-entry]") : this.add).focus();
    this.changed();
  }

  changed() {
    this.number();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.draw(), PAUSE);
  }

  address() {
    const url = new URL(this.root.dataset.drawing, location.href);
    for (const name of ["user", "organization"]) {
      const owner = document.getElementById(`id_${name}`)?.value;
      if (owner) {
        url.searchParams.set(name, owner);
      }
    }
    for (const row of this.rows) {
      url.searchParams.append("way", this.part(row, "wayofalarm").value);
      url.searchParams.append("delay", this.part(row, "delay").value);
    }
    return url;
  }

  async draw() {
    this.asking?.abort();
    this.asking = new AbortController();
    const place = this.root.querySelector("[data-drawing-place]");
    const trouble = this.root.querySelector("[data-trouble]");
    try {
      const answer = await fetch(this.address(), { signal: this.asking.signal });
      if (!answer.ok || answer.redirected) {
        throw new Error(answer.status);
      }
      // The service's own template, in which what people wrote is escaped.
      place.innerHTML = await answer.text();
      trouble.hidden = true;
      const { warnings } = place.querySelector("[data-warnings]").dataset;
      if (warnings !== this.shown) {
        this.root.querySelector("[data-warned]").textContent = warnings;
        this.shown = warnings;
      }
    } catch (error) {
      if (error.name === "AbortError") {
        return;
      }
      trouble.textContent = this.root.dataset.stale;
      trouble.hidden = false;
      place.querySelector(".escalation-outlook").classList.add("stale");
    }
  }
}

document.querySelectorAll("[data-escalation]").forEach((root) => {
  if (root.querySelector(".escalation-entries")) {
    new Entries(root);
  }
});
