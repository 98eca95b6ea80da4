// Receives the server's events. `changed` lets htmx fetch the parts of the page again; `logged` adds a line to the log.
(() => {
  "use strict";
  const address = document.body.dataset.events;
  if (!address || !window.EventSource) return;
  const source = new EventSource(address);
  const live = document.getElementById("live");
  const show = (on) => { if (live) live.hidden = !on; };
  source.addEventListener("open", () => show(true));
  source.addEventListener("error", () => show(false));
  source.addEventListener("changed", () => {
    document.body.dispatchEvent(new CustomEvent("changed"));
    // A list that the reader has extended is left alone.
    if (document.querySelectorAll("#rows tr").length <= 51) document.body.dispatchEvent(new CustomEvent("listed"));
  });
  source.addEventListener("logged", (event) => {
    const log = document.getElementById("log");
    if (!log) return;
    const told = JSON.parse(event.data);
    const item = document.createElement("li");
    const time = document.createElement("time");
    time.textContent = told.at;
    item.append(time, ` ${told.kind}: ${told.text}`);
    log.prepend(item);
    while (log.children.length > 200) log.lastChild.remove();
  });
  addEventListener("beforeunload", () => source.close());
})();
