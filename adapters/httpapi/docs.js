// The reference page: finds operations and schemas, and tries them on this
// server. What is typed stays in this page, and nothing is sent elsewhere.
// Without this script the page is whole, but for that.
const make = (tag, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};
const articles = [...document.querySelectorAll("article")];

// Find.
const find = make("input", { type: "search", placeholder: "Find (press /)", ariaLabel: "Find an operation or a schema" });
const none = make("p", { textContent: "Nothing like that.", hidden: true });
document.querySelector("nav h2").after(find);
document.querySelector("main").append(none);
const texts = articles.map((article) => article.textContent.toLowerCase());
find.addEventListener("input", () => {
  const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
  articles.forEach((article, i) => { article.hidden = !words.every((word) => texts[i].includes(word)); });
  for (const section of document.querySelectorAll("main > section")) section.hidden = !section.querySelector("article:not([hidden])");
  for (const item of document.querySelectorAll("nav li li")) {
    const target = document.getElementById(item.querySelector("a").hash.slice(1));
    item.hidden = target?.closest("article")?.hidden ?? false;
  }
  none.hidden = articles.some((article) => !article.hidden);
});
addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.target.closest?.("input, textarea")) return;
  event.preventDefault();
  find.focus();
});

// Try.
const field = (label, properties, tag = "input") => {
  const input = make(tag, { spellcheck: false, autocomplete: "off", ...properties });
  return [make("label", {}, label, input), input];
};
const [tokenLabel, token] = field("Access token or API key", { type: "password" });
const [tenantLabel, tenant] = field("Tenant (for a session)", { placeholder: "ten_…" });
document.querySelector("main h1").after(make("fieldset", { className: "who-asks" }, make("legend", { textContent: "To try operations" }), tokenLabel, tenantLabel));

const open = (article, button) => {
  const { method, path, open: to } = article.dataset;
  const parameters = [...article.querySelectorAll("tr[data-name]")].map((row) => {
    const { name, in: place, required } = row.dataset;
    const start = name === "Idempotency-Key" ? crypto.randomUUID() : "";
    const [label, input] = field(`${name}${required ? " *" : ""} (${place})`, { value: start });
    return { name, place, label, input };
  });
  const sample = article.querySelector("pre.body");
  const isJSON = sample?.dataset.type.endsWith("json");
  const [bodyLabel, body] = isJSON
    ? field(`Body, ${sample.dataset.type}`, { value: sample.textContent, rows: 10 }, "textarea")
    : field("File", { type: "file" });
  const said = make("pre", { hidden: true });
  const status = make("p", { role: "status" });
  const form = make("form", { className: "try" }, ...parameters.map((p) => p.label), ...(sample ? [bodyLabel] : []), make("button", { textContent: `${method} it` }), status, said);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const headers = {};
    let address = path;
    const query = new URLSearchParams();
    for (const { name, place, input } of parameters) {
      if (place === "path") address = address.replace(`{${name}}`, encodeURIComponent(input.value));
      else if (input.value && place === "query") query.set(name, input.value);
      else if (input.value && place === "header") headers[name] = input.value;
    }
    if (token.value && to !== "public") headers.Authorization = `Bearer ${token.value}`;
    if (tenant.value && to === "tenant") headers["Carillon-Tenant"] = tenant.value;
    let content;
    if (sample) {
      content = isJSON ? body.value : body.files[0];
      headers["Content-Type"] = isJSON ? sample.dataset.type : content?.type || "application/octet-stream";
    }
    status.textContent = "…";
    try {
      const answer = await fetch(query.size ? `${address}?${query}` : address, { method, headers, body: content });
      const text = answer.headers.get("Content-Type")?.includes("json") ? JSON.stringify(await answer.json(), null, 2) : `${(await answer.blob()).size} bytes`;
      const named = ["Carillon-Request-Id", "ETag", "Location", "Retry-After"].filter((name) => answer.headers.has(name));
      status.textContent = [answer.status, ...named.map((name) => `${name}: ${answer.headers.get(name)}`)].join(" · ");
      said.textContent = text;
    } catch {
      status.textContent = "The server did not answer.";
      said.textContent = "";
    }
    said.hidden = said.textContent === "";
  });
  button.replaceWith(form);
};
for (const article of document.querySelectorAll("article[data-method]")) {
  if (article.dataset.stream) continue; // it would never end
  const button = make("button", { textContent: "Try it", type: "button" });
  button.addEventListener("click", () => open(article, button));
  article.append(button);
}
