// The page that raises an alarm, and templates of alarms: a counter, a search for people, filling in from a template.
"use strict";

(() => {
  const filled = (text, values) => text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);

  function element(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  }

  // The counter counts as the service does: characters, of which a line end is one.
  function count(field) {
    const most = Number(field.dataset.counted);
    const shown = field.parentElement.querySelector("[data-count]");
    const update = () => {
      const number = [...field.value].length;
      const over = number > most;
      shown.classList.toggle("over", over);
      shown.textContent = filled(over ? shown.dataset.over : shown.dataset.left, { number });
    };
    field.addEventListener("input", update);
    update();
  }

  // A combobox: what is typed is searched, arrows and Enter or a click choose; who is chosen is a chip.
  class People {
    constructor(box) {
      this.box = box;
      this.texts = box.dataset;
      this.chips = box.querySelector("[data-chips]");
      this.input = box.querySelector("[role=combobox]");
      this.list = box.querySelector("[role=listbox]");
      this.said = box.querySelector("[data-said]");
      this.active = -1;
      this.asked = null;
      for (const label of this.chips.querySelectorAll("label")) {
        const person = {
          id: Number(label.querySelector("input").value),
          name: label.querySelector("span").textContent,
          login: label.querySelector("small").textContent,
        };
        label.parentElement.replaceWith(this.chip(person));
      }
      this.input.disabled = !this.texts.organization;
      this.input.addEventListener("input", () => this.wait());
      this.input.addEventListener("keydown", (event) => this.press(event));
      this.input.addEventListener("blur", () => this.close());
      // Before the field loses the focus.
      this.list.addEventListener("mousedown", (event) => event.preventDefault());
      this.list.addEventListener("click", (event) => this.choose([...this.list.children].indexOf(event.target.closest("li"))));
    }

    ids() {
      return new Set([...this.chips.querySelectorAll("input")].map((input) => Number(input.value)));
    }

    chip(person) {
      const remove = element("button", { type: "button", "aria-label": filled(this.texts.remove, person) }, "×");
      const item = element(
        "li",
        {},
        element(
          "span",
          { class: "raise-chip" },
          element("input", { type: "hidden", name: this.texts.name, value: person.id }),
          element("span", {}, person.name),
          element("small", {}, person.login),
          remove,
        ),
      );
      remove.addEventListener("click", () => {
        const next = item.nextElementSibling ?? item.previousElementSibling;
        item.remove();
        this.said.textContent = filled(this.texts.removed, person);
        (next?.querySelector("button") ?? this.input).focus();
      });
      return item;
    }

    set(people) {
      this.chips.replaceChildren(...people.map((person) => this.chip(person)));
    }

    wait() {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.search(), 150);
    }

    async search() {
      const text = this.input.value.trim();
      this.asked?.abort();
      if (!text) return this.close();
      this.asked = new AbortController();
      const query = new URLSearchParams({ organization: this.texts.organization, q: text });
      try {
        const answer = await fetch(`${this.texts.address}?${query}`, { signal: this.asked.signal });
        if (!answer.ok) throw new Error(answer.status);
        this.show((await answer.json()).people);
      } catch (error) {
        if (error.name === "AbortError") return;
        this.close();
        this.said.textContent = this.texts.failed;
      }
    }

    show(people) {
      const most = people.length === 20;
      const chosen = this.ids();
      this.hits = people.filter((person) => !chosen.has(person.id));
      this.list.replaceChildren(
        ...this.hits.map((person, number) =>
          element(
            "li",
            { role: "option", id: `${this.list.id}_${number}`, "aria-selected": "false" },
            element("span", {}, person.name),
            element("small", {}, person.login),
          ),
        ),
      );
      const number = this.hits.length;
      this.said.textContent = number ? filled(most ? this.texts.most : this.texts.found, { number }) : this.texts.nobody;
      this.list.hidden = !number;
      this.input.setAttribute("aria-expanded", String(Boolean(number)));
      this.mark(number ? 0 : -1);
      if (number) this.list.scrollIntoView({ block: "nearest" });
    }

    mark(number) {
      this.list.children[this.active]?.setAttribute("aria-selected", "false");
      this.active = number;
      const item = this.list.children[number];
      item?.setAttribute("aria-selected", "true");
      item?.scrollIntoView({ block: "nearest" });
      if (item) this.input.setAttribute("aria-activedescendant", item.id);
      else this.input.removeAttribute("aria-activedescendant");
    }

    press(event) {
      const open = !this.list.hidden;
      const steps = { ArrowDown: 1, ArrowUp: -1 };
      if (event.key in steps && open) {
        const length = this.hits.length;
        this.mark((this.active + steps[event.key] + length) % length);
      } else if (event.key === "ArrowDown" && this.input.value) this.search();
      else if (event.key === "Enter" && (open || this.input.value)) this.choose(this.active);
      else if (event.key === "Escape" && open) this.close();
      else return;
      event.preventDefault();
    }

    choose(number) {
      const person = this.list.hidden ? undefined : this.hits[number];
      if (!person) return;
      this.chips.append(this.chip(person));
      this.input.value = "";
      this.close();
      this.said.textContent = filled(this.texts.added, person);
    }

    close() {
      clearTimeout(this.timer);
      this.asked?.abort();
      this.list.hidden = true;
      this.input.setAttribute("aria-expanded", "false");
      this.mark(-1);
    }
  }

  // A template fills the fields in, as the button beside it does without scripts.
  function template(box, form, people) {
    const choice = box.querySelector("select");
    const said = box.querySelector("[data-said]");
    choice.addEventListener("change", async () => {
      said.textContent = "";
      const asked = choice.value;
      if (!asked) return;
      try {
        const answer = await fetch(box.dataset.address.replace("/0/", `/${asked}/`));
        if (!answer.ok) throw new Error(answer.status);
        const says = await answer.json();
        if (choice.value !== asked) return;
        form.elements.text.value = says.text;
        form.elements.text.dispatchEvent(new Event("input"));
        form.elements.event.value = says.event;
        form.elements.everybody.checked = says.everybody;
        for (const group of form.querySelectorAll("[name=groups]")) group.checked = says.groups.includes(Number(group.value));
        people?.set(says.users);
        form.querySelector("[data-wrong]")?.remove();
        forgive(form);
        said.textContent = filled(box.dataset.filled, { name: choice.selectedOptions[0].textContent });
      } catch {
        said.textContent = box.dataset.failed;
      }
    });
  }

  // What is being put right is not called wrong any more.
  function forgive(part) {
    for (const errors of part.querySelectorAll(".errorlist")) errors.remove();
    for (const field of part.querySelectorAll("[aria-invalid]")) field.removeAttribute("aria-invalid");
  }

  function start() {
    for (const field of document.querySelectorAll("[data-counted]")) count(field);
    const people = [...document.querySelectorAll("[data-raise-people]")].map((box) => new People(box));
    const form = document.querySelector("[data-raise]");
    if (!form) return;
    form.classList.add("raise-scripted");
    const box = form.querySelector("[data-template]");
    if (box) template(box, form, people[0]);
    const other = form.querySelector("[data-switch]");
    other?.parentElement.querySelector("select").addEventListener("change", () => form.requestSubmit(other));
    form.addEventListener("input", (event) => {
      const part = event.target.closest("[data-together]") ?? event.target.closest(".desk-field");
      if (part) forgive(part);
    });
    const wrong = form.querySelector("[aria-invalid=true]");
    (wrong ?? form.elements.text).focus();
  }

  start();
})();
