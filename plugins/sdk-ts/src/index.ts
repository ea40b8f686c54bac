/**
 * What a Carillon plugin is written with: `serve` runs it, `commit` makes the
 * one request that must not be made twice, `fault` and `refusal` say what a
 * failure means.
 */
export { commit, COMMIT_TIMEOUT, MAX_ANSWER } from "./commit.js";
export type { Context } from "./context.js";
export { Fault, fault, faultOf, type FaultDetail, type Kind, type Source, type Violation } from "./fault.js";
export type { Init } from "./http.js";
export { instanceURL } from "./instance.js";
export { log, type Log } from "./log.js";
export { describe } from "./manifest.js";
export { definePlugin, next, receipt, type Plugin } from "./plugin.js";
export { refusal, retryAfter } from "./refusal.js";
export { DRAIN, serve } from "./serve.js";
export type * from "./types.js";
