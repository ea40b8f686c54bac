/** Which way a request leaves: by the proxy in the environment, or directly. */

/** The proxy for url, or undefined if it is reached directly. A call's own stands in for that of the environment. */
export function proxyFor(url: URL, own = "", env: NodeJS.ProcessEnv = process.env): URL | undefined {
  const raw = own || env["HTTPS_PROXY"];
  if (!raw) return undefined;
  // NO_PROXY lists the exact host:port pairs, such as the host's media gateway.
  // Loopback is no exception: that is where an attacker would point a plugin.
  const direct = (env["NO_PROXY"] ?? "").split(",").map((entry) => entry.trim());
  return direct.includes(hostPort(url)) ? undefined : new URL(raw);
}

/** host:port, the port always there. */
export function hostPort(url: URL): string {
  return `${url.hostname}:${portOf(url)}`;
}

export function portOf(url: URL): number {
  return url.port ? Number(url.port) : url.protocol === "http:" ? 80 : 443;
}

/** The name to dial or to check a certificate against, without the brackets of IPv6. */
export function nameOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, "");
}

/** What the proxy wants to know of us. */
export function proxyHeaders(proxy: URL): Record<string, string> {
  if (!proxy.username) return {};
  const who = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
  return { "Proxy-Authorization": `Basic ${Buffer.from(who).toString("base64")}` };
}
