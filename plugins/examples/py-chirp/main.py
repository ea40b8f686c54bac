"""Chirp, in Python: texts, pictures and replies."""

from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import quote, urlencode

from carillon_plugin import (
    Account, Answer, Auth, Call, ConnectRequest, ConnectStep, Context, Credential, Fault, Finding, FindRequest, Format,
    Manifest, Media, MediaRule, MetricSet, MetricsRequest, Next, PublishRequest, Quota, Receipt, Ref, TextRule,
    Violation, commit, instance_url, refusal, serve, violation,
)  # fmt: skip

MAX_TEXT = 280

SIGN_IN = {
    "type": "object",
    "required": ["instance", "token"],
    "properties": {
        "instance": {"type": "string", "title": "Server", "examples": ["chirp.example"]},
        "token": {"type": "string", "title": "Token", "format": "password"},
    },
}


class Chirp:
    manifest = Manifest(
        id="example.chirp-py",
        name="Chirp (Python)",
        version="1.0.0",
        summary="A small imaginary network, to learn from.",
        auth=Auth("form", form=SIGN_IN),
        egress=["{instance}"],
        quotas=[Quota("publish", scope="account", limit=60, window=timedelta(minutes=1))],
        formats=[
            Format(
                "post",
                "Post",
                text=TextRule("codepoints", max=MAX_TEXT, optional=True),
                media=MediaRule(kinds=["image"], max=4, mimes=["image/png", "image/jpeg"], max_bytes=8 << 20),
            )
        ],
        capabilities=["reply"],
        dedup="find",
        settle=timedelta(minutes=1),
    )

    def publish(self, req: PublishRequest, ctx: Context) -> Next | Receipt:
        media: list[str] = req.state or []  # the pictures that are there already
        if req.commit:
            return self.send(req, media, ctx)
        check(req.content.text)
        if len(media) == len(req.content.media):
            return Next(state=media, commit=True)
        wanted = req.content.media[len(media)]
        return Next(state=[*media, self.upload(req.call, wanted, ctx)], label="uploading")

    def upload(self, call: Call, media: Media, ctx: Context) -> str:
        with ctx.open(media.url) as picture:
            if picture.status != 200:
                raise Fault("transient", "chirp.media_unread", "A picture could not be read.")
            headers = {"Content-Type": media.mime, "Content-Length": str(media.bytes)}
            url = at(call, "/api/media?" + urlencode({"alt": media.alt}))
            answer = ctx.fetch(url, "POST", token=call.credential.access_token, headers=headers, body=picture)
        return str(good(answer)["id"])

    def send(self, req: PublishRequest, media: list[str], ctx: Context) -> Receipt:
        """The one request that must not be made twice."""
        draft = {"text": req.content.text, "marker": req.call.idempotency_key, "media": media}
        if req.content.reply_to:
            draft["reply_to"] = req.content.reply_to.id
        answer = commit(ctx, at(req.call, "/api/posts"), token=req.call.credential.access_token, json=draft)
        if not answer.ok:
            raise refusal(answer, True, "chirp.refused")
        return proof(answer.json())  # no JSON: the SDK calls that ambiguous

    def find(self, req: FindRequest, ctx: Context) -> Finding:
        posts = read(req.call, ctx, "/api/posts?" + urlencode({"marker": req.call.idempotency_key}))["posts"]
        return Finding("found", receipt=proof(posts[0])) if posts else Finding("absent")

    def metrics(self, req: MetricsRequest, ctx: Context) -> list[MetricSet]:
        sets = []
        for ref in req.posts:
            answer = ctx.fetch(at(req.call, "/api/posts/" + quote(ref.id, safe="")), token=req.call.credential.access_token)
            if answer.status != 404:
                sets.append(MetricSet(ref, {"likes": good(answer)["likes"]}, at=datetime.now(timezone.utc)))
        return sets

    def accounts(self, call: Call, ctx: Context) -> list[Account]:
        me = read(call, ctx, "/api/me")
        return [Account(id=me["id"], handle=me["handle"], name=me["handle"], url=me["url"], type="profile")]

    def connect(self, req: ConnectRequest, ctx: Context) -> ConnectStep:
        instance, token = req.input.get("instance"), req.input.get("token")
        if not instance or not token:
            return ConnectStep(form=SIGN_IN)
        done = Credential(access_token=token, public={"instance": instance})
        read(Call(credential=done), ctx, "/api/me")
        return ConnectStep(done=done)


def check(text: str) -> None:
    if len(text) > MAX_TEXT:
        message = f"The text has {len(text)} characters; Chirp takes at most {MAX_TEXT}."
        raise violation("chirp.text_too_long", Violation("/content/text", "text.too_long", message, MAX_TEXT, len(text)))


def proof(post: dict[str, Any]) -> Receipt:
    return Receipt(Ref(post["id"], post["url"]), published_at=datetime.fromisoformat(post["created_at"]))


def read(call: Call, ctx: Context, path: str) -> Any:
    return good(ctx.fetch(at(call, path), token=call.credential.access_token))


def good(answer: Answer) -> Any:
    if not answer.ok:
        raise refusal(answer, False, "chirp.refused")
    return answer.json()


def at(call: Call, path: str) -> str:
    return instance_url(call.credential.public.get("instance", "")) + path


if __name__ == "__main__":
    serve(Chirp())
