"use strict";

const $ = (id) => document.getElementById(id);
let shown = { version: -1 };
let drawn = ""; // which manifest the form was made from

/** make is an element with attributes and children; text stays text. */
function make(tag, attributes = {}, ...children) {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(attributes)) if (v !== undefined && v !== false) e.setAttribute(k, v === true ? "" : v);
  e.append(...children.filter((c) => c !== undefined && c !== null && c !== ""));
  return e;
}

async function post(path, body = {}) {
  const res = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json", "X-Playground": "1" }, body: JSON.stringify(body) });
  const said = await res.json().catch(() => ({ error: `status ${res.status}` }));
  $("refused").textContent = said.error ?? "";
  return said;
}

async function follow() {
  for (;;) {
    try {
      const res = await fetch(`/api/state?after=${shown.version}`);
      shown = await res.json();
      draw();
      if (location.search === "?still") return; // one look, for a picture of it
    } catch {
      $("status").replaceChildren(make("span", { class: "bad" }, "The playground has ended. Start it again and this page follows."));
      shown = { version: -1 };
      await new Promise((done) => setTimeout(done, 1500));
    }
  }
}

function draw() {
  const s = shown;
  drawStatus(s);
  if (s.manifest) drawManifest(s.manifest, s.accounts ?? []);
  drawTakes(s.takes ?? []);
  $("count").textContent = s.count;
  $("objects").replaceChildren(...(s.objects ?? []).toReversed().map((o) => make("li", {}, o.text || "(no text)", " ", make("span", { class: "dim" }, o.id))));
  $("build-card").hidden = !s.build;
  $("build").textContent = s.build;
  const logs = $("logs"), atEnd = logs.scrollTop + logs.clientHeight > logs.scrollHeight - 30;
  logs.textContent = s.logs.join("\n") || "nothing so far";
  if (atEnd) logs.scrollTop = logs.scrollHeight;
  for (const b of document.querySelectorAll("[data-arm]")) b.setAttribute("aria-pressed", String(b.dataset.arm === s.armed));
}

function drawStatus(s) {
  const tone = { running: "ok", broken: "bad", building: "warn" }[s.status];
  const word = { running: `running, process ${s.pid || "none"}, build ${s.swaps}`, broken: "broken", building: "building" }[s.status];
  $("status").replaceChildren(make("span", { class: `pill ${tone}` }, word), make("div", { class: "bad" }, s.problem));
}

function drawManifest(m, accounts) {
  const key = JSON.stringify([m, accounts]);
  if (key === drawn) return;
  drawn = key;
  document.title = `${m.name}, Carillon playground`;
  $("name").textContent = m.name;
  $("version").textContent = `${m.version}  ${m.id}`;
  $("summary").textContent = m.summary;
  const rows = [["Signs in by", m.sign_in], ["Lost commits", `${m.recovery}, after ${m.settle}`], ["Can", (m.capabilities ?? []).join(", ") || "publish"], ["Talks to", (m.egress ?? []).join(", ")]];
  for (const q of m.quotas ?? []) rows.push([`Quota ${q.ID}`, `${q.Limit} per ${q.Window / 1e9} s and ${q.Scope}`]);
  for (const f of m.formats) rows.push([f.name, `${f.text.Max || "any"} ${f.text.Count}` + (f.media.Max ? `, ${f.media.Max} of ${f.media.Kinds.join(", ")}` : ", no media")]);
  $("manifest").replaceChildren(...rows.flatMap(([k, v]) => [make("dt", {}, k), make("dd", {}, v)]));
  $("format").replaceChildren(...m.formats.map((f) => make("option", { value: f.id }, f.name)));
  $("account").replaceChildren(...accounts.map((a, i) => make("option", { value: i }, a)));
  $("reply").closest("label").hidden = !(m.capabilities ?? []).includes("reply");
  drawFormat();
}

const format = () => shown.manifest?.formats.find((f) => f.id === $("format").value);

function drawFormat() {
  const f = format();
  if (!f) return;
  $("picture-row").hidden = !(f.media.Max && f.media.Kinds.includes("image"));
  if ($("picture-row").hidden) $("picture").checked = false;
  $("settings").replaceChildren(...Object.entries(f.settings?.properties ?? {}).map(([name, p]) => field(name, p)));
  count();
}

/** field is an input for one property of a JSON Schema. */
function field(name, p) {
  const title = p.title ?? name;
  if (p.type === "boolean") return make("label", { class: "check" }, make("input", { type: "checkbox", "data-setting": name, checked: p.default === true }), title);
  const input = p.enum
    ? make("select", { "data-setting": name }, ...p.enum.map((v) => make("option", { value: v, selected: v === p.default }, String(v))))
    : make("input", { "data-setting": name, type: p.type === "integer" || p.type === "number" ? "number" : "text", maxlength: p.maxLength, pattern: p.pattern });
  return make("label", {}, title, input, p.description ? make("span", { class: "hint" }, p.description) : "");
}

function settings() {
  const out = {};
  for (const e of document.querySelectorAll("[data-setting]")) {
    if (e.type === "checkbox") { if (e.checked) out[e.dataset.setting] = true; }
    else if (e.value !== "") out[e.dataset.setting] = e.type === "number" ? Number(e.value) : e.value;
  }
  return Object.keys(out).length ? out : undefined;
}

let counting;
function count() {
  clearTimeout(counting);
  counting = setTimeout(async () => {
    const f = format();
    if (!f) return;
    const said = await post("/api/count", { format: f.id, text: $("text").value });
    if (said.error) return;
    $("counter").textContent = said.max ? `${said.count} of ${said.max} ${f.text.Count}` : `${said.count} ${f.text.Count}`;
    $("counter").className = said.violations?.length ? "over" : "";
  }, 80);
}

const tones = { published: "ok", failed: "bad", "needs review": "warn", "in doubt": "warn" };
const opened = new Set();

function drawTakes(takes) {
  const reply = $("reply"), chosen = reply.value;
  const parents = takes.flatMap((t) => t.steps.filter((s) => s.receipt).map((s) => [s.receipt.id, t.text]));
  reply.replaceChildren(make("option", { value: "" }, "nothing"), ...parents.map(([id, text]) => make("option", { value: id, selected: id === chosen }, text.slice(0, 40))));
  $("takes").replaceChildren(...(takes.length ? takes.map(drawTake) : [make("div", { class: "empty" }, "Publish something, and every step of it appears here.")]));
}

function drawTake(t) {
  const next = t.waiting ? make("button", { type: "button" }, "Next step") : undefined;
  next?.addEventListener("click", () => post("/api/step", { take: t.id }));
  return make("article", { class: "card take" },
    make("header", {}, make("b", {}, t.text || "(no text)"), make("span", { class: `pill ${tones[t.phase] ?? "dim"}` }, t.phase === "needs review" ? "needs review: a person is asked" : t.phase), next),
    make("ol", { class: "steps" }, ...t.steps.map((s, n) => drawStep(s, `${t.id}.${n}`))));
}

function drawStep(s, key) {
  const facts = [`${s.took_ms.toFixed(1)} ms`];
  if (s.state) facts.push(`state ${s.state} bytes`);
  if (s.after_ms) facts.push(`again after ${s.after_ms} ms`);
  const outcome = { next: s.commit ? "ready for the commit" : "another step", receipt: "receipt", fault: s.fault?.kind, found: "found", absent: "absent", unsure: "unsure" }[s.outcome];
  const tone = { fault: "bad", receipt: "ok", found: "ok" }[s.outcome] ?? "dim";
  const place = s.receipt?.url?.startsWith("http") ? make("a", { href: s.receipt.url, target: "_blank", rel: "noreferrer" }, s.receipt.id) : s.receipt?.id;
  return make("li", { class: `${s.method} ${s.outcome}` },
    make("div", { class: "line" },
      make("span", { class: "what" }, { publish: "prepare", commit: "commit", find: "find" }[s.method]),
      make("span", { class: tone }, outcome), place, s.label ? make("span", {}, s.label) : "", make("span", { class: "dim" }, facts.join(", "))),
    s.fault ? make("div", { class: "bad" }, `${s.fault.key}: ${s.fault.message}`) : "",
    s.fault?.cause ? make("pre", {}, s.fault.cause) : "",
    ...s.calls.map((c) => drawCall(c, `${key}.${c.n}`)));
}

function drawCall(c, key) {
  const tone = c.note || !c.status || c.status >= 400 ? "bad" : "dim";
  const head = make("summary", {}, `${c.method} ${c.host}${c.path} `, make("span", { class: tone }, `${c.status || "no answer"} ${c.note ?? ""}`), ` ${c.took_ms.toFixed(1)} ms`);
  const e = make("details", { class: "call", open: opened.has(key) }, head, c.request ? make("pre", {}, c.request) : "", c.response ? make("pre", {}, c.response) : "");
  e.addEventListener("toggle", () => (e.open ? opened.add(key) : opened.delete(key)));
  return e;
}

$("compose").addEventListener("submit", (event) => {
  event.preventDefault();
  post("/api/publish", {
    format: $("format").value, text: $("text").value, picture: $("picture").checked, alt: "A picture to try things with", settings: settings(),
    account: Number($("account").value || 0), reply_to: $("reply").value, stepwise: $("stepwise").checked,
  });
});
$("format").addEventListener("change", drawFormat);
$("text").addEventListener("input", count);
$("kill").addEventListener("click", () => post("/api/kill"));
$("restart").addEventListener("click", () => post("/api/restart"));
for (const b of document.querySelectorAll("[data-arm]")) b.addEventListener("click", () => post("/api/arm", { what: b.dataset.arm === shown.armed ? "" : b.dataset.arm }));
follow();
