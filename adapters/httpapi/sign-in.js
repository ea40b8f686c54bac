// Signing in with accounts elsewhere: the buttons on the sign-in page, and the
// page that a provider sends people back to.
const said = document.querySelector("output");
const say = (text) => { said.textContent = text; };
const post = (target, body) => fetch(target, {
  method: "POST", ...(body && { headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) }),
});
const told = (problem) => problem.errors?.[0]?.detail ?? problem.detail ?? problem.title;

async function offer(place) {
  const { data } = await (await fetch("/api/v1/auth/providers")).json();
  for (const { name, title } of data) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = title;
    button.addEventListener("click", () => leave(name).catch(failed));
    place.append(button, " ");
  }
  place.hidden = data.length === 0;
}

async function leave(name) {
  const answer = await post(`/api/v1/auth/providers/${encodeURIComponent(name)}:start`);
  const body = await answer.json();
  if (answer.ok) location.assign(body.authorization_url);
  else say(told(body));
}

async function arrive(main) {
  const address = new URLSearchParams(location.search);
  history.replaceState(null, "", location.pathname); // a code works once, and belongs in no history
  const back = {};
  for (const name of ["state", "code", "iss", "error"]) if (address.get(name)) back[name] = address.get(name);
  const answer = await post(main.dataset.target, back);
  const body = await answer.json();
  if (answer.status === 202) {
    say("One more step: your second factor. Answer the question at /api/v1/auth/challenge.");
    return;
  }
  if (answer.ok) {
    const me = await fetch("/api/v1/me", { headers: { Authorization: `Bearer ${body.access_token}` } });
    say(me.ok ? `You are signed in as ${(await me.json()).email}.` : "You are signed in.");
    return;
  }
  say(told(body));
  if (body.code === "sign_in.stale" && back.code) {
    const elsewhere = document.querySelector("[data-elsewhere]");
    elsewhere.querySelector("code").textContent = JSON.stringify({ provider: main.dataset.provider, ...back });
    elsewhere.hidden = false;
  }
}

const failed = () => say("The server did not answer. Please try again.");
const place = document.querySelector("[data-providers]");
const main = document.querySelector("main[data-target]");
if (place) offer(place).catch(failed);
if (main) arrive(main).catch(failed);
