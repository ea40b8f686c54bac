import { Fault, type Kind } from "./fault.js";

/** What a refusal means, for people; the same in every SDK. Who knows better says it in the platform's words. */
const SAYINGS: Partial<Record<Kind, string>> = {
  auth_expired: "The platform does not accept the sign-in any more.",
  permission: "The platform does not allow this account to do that.",
  not_found: "The platform does not know what this refers to.",
  unsupported: "The platform cannot do that.",
  duplicate: "The platform says that it has this already.",
  rate_limited: "The platform asks to wait.",
  invalid: "The platform refuses this.",
  transient: "The platform has trouble at the moment.",
  ambiguous: "The platform does not say what became of this.",
};

const DAY = 24 * 3600 * 1000;

/**
 * Reads an answer that is not a success the way HTTP means it, for platforms
 * that keep to it; key is the fault's slug, such as "chirp.refused". In a
 * commit step, what does not say that the request was refused is ambiguous:
 * every 5xx but 501 and 505, 408, 425, redirects and successes.
 */
export async function refusal(response: Response, commit: boolean, key: string): Promise<Fault> {
  const kind = kindOf(response.status, commit);
  return new Fault(kind, key, SAYINGS[kind] ?? "", {
    httpStatus: response.status,
    retryAfter: retryAfter(response.headers.get("retry-after"), Date.now()),
    scope: kind === "rate_limited" ? "account" : undefined,
    upstream: await beginning(response),
  });
}

function kindOf(status: number, commit: boolean): Kind {
  const unproven: Kind = commit ? "ambiguous" : "transient";
  switch (status) {
    case 401:
      return "auth_expired";
    case 403:
      return "permission";
    case 404:
    case 410:
      return "not_found";
    case 405:
    case 501:
    case 505:
      return "unsupported";
    case 408:
    case 425:
      return unproven;
    case 409:
      return "duplicate";
    case 429:
      return "rate_limited";
  }
  return status >= 400 && status < 500 ? "invalid" : unproven;
}

/** Reads Retry-After, in seconds or as a date (RFC 9110, 10.2.3), as milliseconds from 0 to a day. */
export function retryAfter(raw: string | null, now: number): number {
  if (raw === null) return 0;
  const wait = /^\s*\d+\s*$/.test(raw) ? Number(raw) * 1000 : Date.parse(raw) - now;
  return Number.isNaN(wait) ? 0 : Math.min(Math.max(Math.round(wait), 0), DAY);
}

async function beginning(response: Response): Promise<string> {
  try {
    return (await response.text()).slice(0, 4096); // the wire cuts it to 2 KiB
  } catch {
    return "";
  }
}
