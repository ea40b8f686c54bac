import assert from "node:assert/strict";
import { test } from "node:test";

import { instanceURL } from "../src/instance.js";

test("an account's own server is reached by https, and on loopback by http", () => {
  for (const [instance, want] of [
    ["mastodon.example", "https://mastodon.example"],
    ["https://mastodon.example/", "https://mastodon.example"],
    ["http://mastodon.example", "https://mastodon.example"],
    ["127.0.0.1:19755", "http://127.0.0.1:19755"],
    ["localhost:8080", "http://localhost:8080"],
    ["[::1]:8080", "http://[::1]:8080"],
    ["127.0.0.1.example", "https://127.0.0.1.example"],
    ["10.0.0.1:80", "https://10.0.0.1:80"],
  ]) {
    assert.equal(instanceURL(instance), want);
  }
});
