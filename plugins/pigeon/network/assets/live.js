// Draws the timeline again when something was posted, at most once a second.
let due = false;
async function draw() {
  due = false;
  const answer = await fetch(location.href, { headers: { accept: "text/html" } });
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("live");
  if (fresh) document.getElementById("live").replaceWith(document.adoptNode(fresh));
}
new EventSource("/live").addEventListener("posted", () => {
  if (due) return;
  due = true;
  setTimeout(draw, 1000);
});
