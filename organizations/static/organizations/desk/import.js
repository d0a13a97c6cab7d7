// Says before the upload that a file is too large, which takes long otherwise.
"use strict";

const note = document.getElementById("too-large");
const input = document.getElementById("id_file");
if (note && input) {
  // Unfold's script, which runs after this one, would look for the text field beside its own kind of file field.
  input.hasChangeListener = true;
  input.addEventListener("change", () => {
    const file = input.files[0];
    const over = Boolean(file) && file.size > Number(note.dataset.most) * 1024 * 1024;
    note.hidden = !over;
    note.textContent = over ? note.dataset.text : "";
    input.form.querySelector("button[type=submit]").disabled = over;
  });
}
