// Chirp, in TypeScript: texts, pictures and replies.
import { commit, definePlugin, fault, instanceURL, next, receipt, refusal, serve } from "@carillonhq/plugin";
import type { Call, Context, Media, PublishRequest, Receipt } from "@carillonhq/plugin";

/** What one step leaves to the next: the pictures that are there already. */
type State = { media: string[] };

type Post = { id: string; url: string; created_at: string; likes: number };

const MAX_TEXT = 280;

const signIn = {
  type: "object",
  required: ["instance", "token"],
  properties: {
    instance: { type: "string", title: "Server", examples: ["chirp.example"] },
    token: { type: "string", title: "Token", format: "password" },
  },
};

const chirp = definePlugin<State>({
  manifest: {
    id: "example.chirp-ts",
    name: "Chirp (TypeScript)",
    version: "1.0.0",
    summary: "A small imaginary network, to learn from.",
    auth: { kind: "form", form: signIn },
    egress: ["{instance}"],
    quotas: [{ id: "publish", scope: "account", limit: 60, window: 60_000 }],
    formats: [
      {
        id: "post",
        name: "Post",
        text: { max: MAX_TEXT, count: "codepoints", optional: true },
        media: { kinds: ["image"], max: 4, mimes: ["image/png", "image/jpeg"], maxBytes: 8 << 20 },
      },
    ],
    capabilities: ["reply"],
    dedup: "find",
    settle: 60_000,
  },

  async publish(req, ctx) {
    if (req.commit) return send(req, ctx);
    check(req);
    const media = req.state?.media ?? [];
    const wanted = req.content.media[media.length];
    if (!wanted) return next({ state: { media }, commit: true });
    return next({ state: { media: [...media, await upload(req.call, wanted, ctx)] }, label: "uploading" });
  },

  async find(req, ctx) {
    const query = new URLSearchParams({ marker: req.call.idempotencyKey });
    const { posts } = await read<{ posts: Post[] }>(req.call, ctx, `/api/posts?${query}`);
    return posts[0] ? { verdict: "found", receipt: proof(posts[0]) } : { verdict: "absent" };
  },

  async metrics(req, ctx) {
    const sets = [];
    for (const ref of req.posts) {
      const answer = await ctx.fetch(at(req.call, `/api/posts/${encodeURIComponent(ref.id)}`), { token: req.call.credential.accessToken });
      if (answer.status === 404) continue;
      if (!answer.ok) throw await refusal(answer, false, "chirp.refused");
      sets.push({ ref, values: { likes: ((await answer.json()) as Post).likes }, at: new Date() });
    }
    return sets;
  },

  async accounts(call, ctx) {
    const me = await read<{ id: string; handle: string; url: string }>(call, ctx, "/api/me");
    return [{ id: me.id, handle: me.handle, name: me.handle, url: me.url, type: "profile" }];
  },

  async connect(req, ctx) {
    const { instance, token } = req.input;
    if (!instance || !token) return { form: signIn };
    const done = { accessToken: token, public: { instance } };
    await read({ ...req.call, credential: done }, ctx, "/api/me");
    return { done };
  },
});

function check({ content }: PublishRequest): void {
  const length = [...content.text].length;
  if (length <= MAX_TEXT) return;
  throw fault.violation("chirp.text_too_long", {
    field: "/content/text",
    reason: "text.too_long",
    message: `The text has ${length} characters; Chirp takes at most ${MAX_TEXT}.`,
    limit: MAX_TEXT,
    actual: length,
  });
}

async function upload(call: Call, media: Media, ctx: Context): Promise<string> {
  const picture = await ctx.fetch(media.url, { headers: { Accept: "*/*" } });
  if (!picture.ok) throw fault.transient("chirp.media_unread", "A picture could not be read.");
  const answer = await ctx.fetch(at(call, `/api/media?${new URLSearchParams({ alt: media.alt })}`), {
    method: "POST",
    token: call.credential.accessToken,
    headers: { "Content-Type": media.mime, "Content-Length": String(media.bytes) },
    body: picture.body,
  });
  if (!answer.ok) throw await refusal(answer, false, "chirp.refused");
  return ((await answer.json()) as { id: string }).id;
}

/** The one request that must not be made twice. What it answers, it answers for good. */
async function send(req: PublishRequest<State>, ctx: Context) {
  const { call, content } = req;
  const answer = await commit(ctx, at(call, "/api/posts"), {
    method: "POST",
    token: call.credential.accessToken,
    json: { text: content.text, marker: call.idempotencyKey, reply_to: content.replyTo?.id, media: req.state?.media },
  });
  if (!answer.ok) throw await refusal(answer, true, "chirp.refused");
  const { ref, ...more } = proof((await answer.json()) as Post); // no JSON: the SDK calls that ambiguous
  return receipt(ref, more);
}

function proof(post: Post): Receipt {
  if (!post.id) throw new Error("a post without an id");
  return { ref: { id: post.id, url: post.url }, status: "live", publishedAt: new Date(post.created_at) };
}

async function read<T>(call: Call, ctx: Context, path: string): Promise<T> {
  const answer = await ctx.fetch(at(call, path), { token: call.credential.accessToken });
  if (!answer.ok) throw await refusal(answer, false, "chirp.refused");
  return (await answer.json()) as T;
}

function at(call: Call, path: string): URL {
  return new URL(path, instanceURL(call.credential.public?.["instance"]));
}

await serve(chirp);
