// Says that the connection to a run was lost, until it is there again.
for (const [event, lost] of [["htmx:sseError", true], ["htmx:sseOpen", false]]) {
  document.addEventListener(event, () => {
    const said = document.getElementById("lost");
    if (said) said.hidden = !lost;
  });
}

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
