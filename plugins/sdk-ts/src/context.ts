import { request, type Init } from "./http.js";
import { log, type Log } from "./log.js";

/** One upstream request, as the host hears of it. */
export interface Note {
  host: string;
  method: string;
  path: string;
  status: number;
  startedAt: Date;
  took: number;
  bytesOut: number;
  bytesIn: number;
  requestId: string;
}

const MAX_NOTES = 50;

/**
 * One call of the host. It ends, and `signal` with it, when the host gives the
 * call up. Pass it to `commit`; use its `fetch` for everything else.
 */
export class Context {
  readonly log: Log = log;
  /** What the host hears of this call's requests. */
  readonly notes: Note[] = [];
  /** Commits begun in this call; see `commit`. */
  commits = 0;

  constructor(
    /** Ends with the call. */
    readonly signal: AbortSignal,
    /** When the host gives up, by the clock that host and plugin share. */
    readonly deadline: Date,
    /** Whether the host has recorded that this call may commit. */
    readonly armed: boolean,
    /** The proxy for this call's requests, which tells the host whose they are. It is a secret. */
    readonly proxy = "",
  ) {}

  /**
   * Makes one request that may be repeated without harm: a read, an upload, a
   * poll. It goes through the host's proxy, follows redirects of GET and HEAD
   * only, is never retried, and ends with the call. A request without an
   * answer throws a transient fault. For what must happen at most once there
   * is `commit`.
   */
  fetch(url: string | URL, init: Init = {}): Promise<Response> {
    return request(this, url, init);
  }

  /** Notes an upstream request for the host. The path goes without its query, which may hold secrets. */
  note(one: Note): void {
    if (this.notes.length < MAX_NOTES) this.notes.push({ ...one, path: one.path.slice(0, 200) });
  }
}
