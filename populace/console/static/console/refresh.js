// Looks again at what is under way: #live is replaced by itself as the server shows it now, every data-refresh seconds,
// until it says no more that it changes. Without scripts the page is right as of when it was opened.
"use strict";

function again() {
  const seconds = Number(document.getElementById("live")?.dataset.refresh);
  if (seconds) setTimeout(look, seconds * 1000);
}

async function look() {
  const live = document.getElementById("live");
  if (document.hidden || live.contains(document.activeElement)) return again();
  try {
    const answer = await fetch(location.href, { credentials: "same-origin", redirect: "error" });
    if (answer.ok) {
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      live.replaceWith(document.importNode(page.getElementById("live"), true));
    }
  } catch {
    // another time
  }
  again();
}

again();
