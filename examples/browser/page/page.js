"use strict";

const $ = (id) => document.getElementById(id);

// A Pane shows the state and the messages of one reader.
class Pane {
  constructor(name) {
    this.state = $(name + "-state");
    this.log = $(name + "-log");
  }

  // show sets the state and, if there is a text, adds it to the log.
  show(kind, state, text) {
    this.state.textContent = state;
    this.state.dataset.kind = kind;
    if (text) this.add("", new Date(), text, kind);
  }

  message(id, data) {
    let time = new Date();
    let text = data;
    try {
      const m = JSON.parse(data);
      time = new Date(m.time ?? time);
      text = (m.header ? m.header + " " : "") + JSON.stringify(m.body);
    } catch { /* another server: the data as it is */ }
    this.add(id, time, text);
  }

  add(id, time, text, kind) {
    const item = document.createElement("li");
    if (kind) item.dataset.kind = kind;
    if (id) item.dataset.id = id;
    const cell = (tag, content) => {
      const e = document.createElement(tag);
      e.textContent = content;
      item.append(e);
    };
    const pad = (n, width) => String(n).padStart(width, "0");
    cell("b", id);
    cell("time", `${pad(time.getHours(), 2)}:${pad(time.getMinutes(), 2)}:${pad(time.getSeconds(), 2)}.${pad(time.getMilliseconds(), 3)}`);
    cell("span", text);
    const atEnd = this.log.scrollTop + this.log.clientHeight > this.log.scrollHeight - 40;
    this.log.append(item);
    if (this.log.childElementCount > 500) this.log.firstChild.remove();
    if (atEnd) this.log.scrollTop = this.log.scrollHeight;
  }

  clear() { this.log.replaceChildren(); }
}

const goPane = new Pane("go");
const esPane = new Pane("es");

let stream = ""; // the server's number of the current stream
let left = 0; // when the user left it

// report shows what fetchSSE reports.
function report(kind, d) {
  switch (kind) {
    case "request":
      goPane.show("warn", "connecting", d.lastEventID && `resuming after ${d.lastEventID}`);
      break;
    case "open":
      stream = d.stream;
      goPane.show("good", "open", `open: ${d.status}`);
      break;
    case "message":
      goPane.message(d.id, d.data);
      break;
    case "disconnect":
      goPane.show("warn", "disconnected"); // what comes next tells the reason
      break;
    case "wait":
      goPane.show("warn", "waiting", `${d.reason}; next attempt in ${d.milliseconds} ms`);
      break;
    case "end":
      goPane.show("quiet", "ended", d.reason);
      break;
    case "closed":
      goPane.show("quiet", "disconnected", d.reason);
      showHandler();
      break;
    case "error":
      goPane.show("bad", "error", d.reason);
      if (d.body) goPane.add("", new Date(), d.body, "bad");
      break;
  }
  if (kind === "end" || kind === "closed" || kind === "error") connected(false);
}

// showHandler asks the server when its handler of the stream has ended.
async function showHandler() {
  if (!stream) return;
  const asked = left;
  const response = await fetch("/ended?stream=" + stream);
  if (response.ok) {
    goPane.add("", new Date(), `the server’s handler ended ${Number(await response.text()) - asked} ms after the click`, "good");
  }
}

let source; // the EventSource

function openEventSource(url) {
  source?.close();
  if (!URL.canParse(url, location)) {
    esPane.show("bad", "error", "the URL is malformed");
    return;
  }
  const s = source = new EventSource(url);
  esPane.show("warn", "connecting");
  s.onopen = () => esPane.show("good", "open", "open");
  s.onmessage = (e) => esPane.message(e.lastEventId, e.data);
  s.onerror = () => {
    if (s.readyState === EventSource.CLOSED) esPane.show("bad", "error", "error (that is all that it tells)");
    else esPane.show("warn", "connecting", "error, retrying (that is all that it tells)");
  };
}

function connected(yes) {
  $("disconnect").disabled = !yes;
}

function connect(url) {
  const form = {
    url,
    method: $("method").value,
    headers: $("headers").value,
    body: $("method").value === "GET" ? "" : $("body").value,
    reconnect: $("reconnect").checked,
    // a server of another origin may refuse the preflight that the header costs
    idInQuery: URL.canParse(url, location) && new URL(url, location).origin !== location.origin,
    idleTimeout: Number($("idle").value),
  };
  stream = "";
  goPane.clear();
  esPane.clear();
  connected(true);
  goPane.show("warn", "connecting");
  let current = true;
  connect.forget?.();
  connect.forget = () => { current = false; };
  fetchSSE.connect(form, (kind, details) => { if (current) report(kind, details); });
  openEventSource(url);
}

$("form").addEventListener("submit", (e) => {
  e.preventDefault();
  connect($("url").value);
});
$("refuse").addEventListener("click", () => connect("/refused"));
$("disconnect").addEventListener("click", () => {
  left = Date.now();
  fetchSSE.disconnect();
  source?.close();
  esPane.show("quiet", "disconnected", "closed");
});
for (const action of ["drop", "silence"]) {
  $(action).addEventListener("click", () => fetch("/" + action, { method: "POST" }));
}

window.addEventListener("fetchsse", () => {
  goPane.show("quiet", "not connected");
  $("connect").disabled = $("refuse").disabled = false;
});

async function load() {
  const go = new Go();
  const { instance } = await WebAssembly.instantiateStreaming(fetch("client.wasm"), go.importObject);
  await go.run(instance);
}
load().catch((err) => goPane.show("bad", "error", `the client did not load: ${err}`));
