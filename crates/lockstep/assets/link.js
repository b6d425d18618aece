// The secret of a one-time link follows a `#`, which browsers send to nobody. This puts it into the form.
"use strict";
const field = document.getElementById("link");
if (field !== null && location.hash.length > 1) {
  field.value = location.hash.slice(1);
  document.getElementById("link-field").hidden = true;
  document.getElementById("password").focus();
  history.replaceState(null, "", location.pathname);
}
