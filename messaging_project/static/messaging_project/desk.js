// Says what Unfold's pages leave unsaid to those who do not see them: where the page proper begins, and what the boxes
// with a search are for.
"use strict";

(() => {
  function nameBox(select) {
    const label = document.querySelector(`label[for="${CSS.escape(select.id)}"]`);
    const text = (label ? label.textContent : select.getAttribute("aria-label") || "").replace("*", "").trim();
    const box = select.nextElementSibling;
    if (!text || !box || !box.classList.contains("select2-container")) return;
    // What is chosen stands in a field of its own within the box.
    box.querySelector("[role=textbox]")?.setAttribute("aria-label", text);
    for (const part of box.querySelectorAll("[role=combobox], [role=searchbox], .select2-search__field")) {
      const shown = part.querySelector(".select2-selection__rendered");
      const value = shown && !shown.querySelector(".select2-selection__placeholder") ? shown.textContent.trim() : "";
      part.removeAttribute("aria-labelledby");
      part.setAttribute("aria-label", value ? `${text}: ${value}` : text);
    }
  }

  // Icons are words of a font of signs: read aloud they are noise, but where nothing else names what they are on.
  function hideSigns() {
    const words = document.querySelector("meta[name=desk-words]")?.dataset || {};
    document.querySelectorAll(".material-symbols-outlined:not([aria-hidden])").forEach((sign) => {
      const control = sign.closest("a, button");
      if (control && !control.hasAttribute("aria-label") && control.textContent.trim() === sign.textContent.trim()) {
        const word = words[sign.textContent.trim()];
        if (!word) return;
        control.setAttribute("aria-label", word);
      }
      sign.setAttribute("aria-hidden", "true");
    });
  }

  // What opens the menu is a sign that only a mouse could press.
  function makeButtons() {
    const words = document.querySelector("meta[name=desk-words]")?.dataset || {};
    document.querySelectorAll("#header-inner span.material-symbols-outlined:not([role])").forEach((sign) => {
      const word = words[sign.textContent.trim()];
      if (!sign.hasAttribute("x-on:click") || !word) return;
      sign.setAttribute("role", "button");
      sign.setAttribute("tabindex", "0");
      sign.setAttribute("aria-label", word);
      sign.setAttribute("aria-hidden", "false");
      sign.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        sign.click();
      });
    });
  }

  function nameBoxes() {
    document.querySelectorAll("select.select2-hidden-accessible").forEach(nameBox);
  }

  document.addEventListener("DOMContentLoaded", () => {
    document.getElementById("main")?.setAttribute("role", "main");
    // The boxes are made when the page is there, and anew for each row that is added.
    const look = () => {
      nameBoxes();
      makeButtons();
      hideSigns();
    };
    new MutationObserver(look).observe(document.body, { childList: true, subtree: true });
    look();
  });
})();
