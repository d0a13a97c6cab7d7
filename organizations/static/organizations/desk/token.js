// Buttons that copy what stands beside them, and the day that chooses itself when it is entered.

const select = (element) => {
  const range = document.createRange();
  range.selectNodeContents(element);
  const selection = getSelection();
  selection.removeAllRanges();
  selection.addRange(range);
};

const copy = async (element) => {
  try {
    await navigator.clipboard.writeText(element.textContent);
    return true;
  } catch {
    // Without https there is no clipboard; what is selected can be copied all the same.
    select(element);
    return document.execCommand("copy");
  }
};

for (const box of document.querySelectorAll("[data-copy]")) {
  const button = box.querySelector("button");
  button.hidden = false;
  button.addEventListener("click", async () => {
    const done = await copy(box.querySelector("code"));
    box.querySelector("[role=status]").textContent = done ? box.dataset.copied : box.dataset.failed;
  });
}

const day = document.querySelector("input[name=until]");
const choice = document.querySelector("input[name=lifetime][value=date]");
if (day && choice) {
  day.addEventListener("input", () => { choice.checked = true; });
  choice.addEventListener("change", () => day.focus());
}
