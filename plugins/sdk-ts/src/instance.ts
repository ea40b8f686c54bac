const LOOPBACK = /^(127(\.\d{1,3}){3}|localhost|\[::1\]):\d+$/;

/**
 * The address of an account's own server, without a slash at the end. The host
 * hands that server over as a name, "mastodon.example", in
 * `credential.public.instance` and `input.instance`; it is reached by https. On
 * a development machine it may be a loopback address with a port, such as
 * "127.0.0.1:19755", which is reached by http.
 */
export function instanceURL(instance: string | undefined): string {
  const host = (instance ?? "").replace(/^https?:\/\//, "").replace(/\/+$/, "");
  return `${LOOPBACK.test(host) ? "http" : "https"}://${host}`;
}
