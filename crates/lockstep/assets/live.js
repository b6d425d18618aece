// Says that the connection to a run was lost, until it is there again.
for (const [event, lost] of [["htmx:sseError", true], ["htmx:sseOpen", false]]) {
  document.addEventListener(event, () => {
    const said = document.getElementById("lost");
    if (said) said.hidden = !lost;
  });
}

// Whoever presses a button while the part around it is swapped has pressed nothing: the button is gone before it is let go.
// So such a part waits, and is asked for again once the press is over.
let pressed = null;
const missed = new Set();
function release() {
  // The click comes after this, and what it begins goes first.
  setTimeout(() => {
    pressed = null;
    for (const ask of missed) ask();
    missed.clear();
  });
}
document.addEventListener("pointerdown", ({ button, target }) => {
  if (button === 0) pressed = target;
});
document.addEventListener("keydown", ({ key, target }) => {
  if (key === " ") pressed = target;
});
for (const over of ["pointerup", "pointercancel", "keyup"]) document.addEventListener(over, release);
window.addEventListener("blur", release);
document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  if (!pressed || !detail.target.contains(pressed)) return;
  const { elt, triggeringEvent } = detail.requestConfig;
  detail.shouldSwap = false;
  missed.add(() => triggeringEvent && htmx.trigger(elt, triggeringEvent.type));
});

// What had the focus may be gone with the part that was swapped. htmx gives it back to what has the same id; where there is
// none any more, the new part has it, and whoever goes by keyboard is not thrown back to the top of the page.
const within = new WeakSet();
document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  if (detail.target.contains(document.activeElement)) within.add(detail.xhr);
});
document.addEventListener("htmx:afterSettle", ({ detail }) => {
  if (!within.has(detail.xhr) || document.activeElement !== document.body) return;
  const part = document.getElementById(detail.target.id);
  if (!part) return;
  part.tabIndex = -1;
  part.focus({ preventScroll: true });
});
