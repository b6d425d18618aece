// Says that the connection to a run was lost, until it is there again.
for (const [event, lost] of [["htmx:sseError", true], ["htmx:sseOpen", false]]) {
  document.addEventListener(event, () => {
    const said = document.getElementById("lost");
    if (said) said.hidden = !lost;
  });
}
