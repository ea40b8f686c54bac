// Sends a form of links.go as JSON, with the token behind the #.
const form = document.querySelector("form");
const said = document.querySelector("output");
const token = new URLSearchParams(location.hash.slice(1)).get("token");
history.replaceState(null, "", location.pathname); // it opens an account: leave it in no history

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const body = Object.fromEntries(new FormData(form));
  if (form.dataset.token) body.token = token ?? "";
  form.querySelector("button").disabled = true;
  try {
    const answer = await fetch(form.dataset.target, {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
    });
    if (answer.ok) {
      form.hidden = true;
      said.textContent = form.dataset.done;
      return;
    }
    const problem = await answer.json();
    said.textContent = problem.errors?.[0]?.detail ?? problem.detail ?? problem.title;
  } catch {
    said.textContent = "The server did not answer. Please try again.";
  }
  form.querySelector("button").disabled = false;
});
