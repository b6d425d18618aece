// Says that the connection to a run was lost, until it is there again. One that is refused is asked why: who has to sign in
// again is led there by the answer, as by that to any other request.
document.addEventListener("htmx:sseError", ({ detail, target }) => {
  lost(true);
  if (detail.source.readyState === EventSource.CLOSED) htmx.trigger(target.querySelector("#known"), "refused");
});
document.addEventListener("htmx:sseOpen", () => lost(false));
function lost(is) {
  const said = document.getElementById("lost");
  if (said) said.hidden = !is;
}

// Says that something could not be loaded, until it is: for what is asked of the server by a script, the browser says nothing.
const waited = new Set();
function trouble() {
  for (const id of waited) if (!document.getElementById(id)) waited.delete(id);
  document.getElementById("trouble").hidden = waited.size === 0;
}
for (const event of ["htmx:responseError", "htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(event, ({ detail }) => {
    // That the connection is lost is said already.
    if (detail.elt.id === "known") return;
    waited.add(detail.target.id);
    trouble();
  });
}
document.addEventListener("htmx:afterRequest", ({ detail }) => {
  if (!detail.successful) return;
  const { target } = detail;
  // A part that came has in it what its own parts were asked for.
  for (const id of waited) if (target.id === id || target.querySelector(`#${CSS.escape(id)}`)) waited.delete(id);
  trouble();
});

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
