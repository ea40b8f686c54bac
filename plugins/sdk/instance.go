package sdk

import (
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// InstanceHost is the host, with the port if it has one, of an account's own
// server, which people and platforms write with and without a scheme. It is
// empty for what is no one host.
func InstanceHost(instance string) string {
	instance = strings.TrimSpace(instance)
	if !strings.Contains(instance, "://") {
		instance = "https://" + instance
	}
	u, err := url.Parse(instance)
	if err != nil || strings.ContainsAny(u.Host, "*{}") { // one host, never a pattern
		return ""
	}
	return u.Host
}

// InstanceURL is the address of an account's own server, without a slash at
// the end. The host hands that server over as a name, "mastodon.example", in
// Credential.Public["instance"] and ConnectRequest.Input["instance"]; it is
// reached by https. On a development machine it may be a loopback address with
// a port, such as "127.0.0.1:19755", which is reached by http.
func InstanceURL(instance string) string {
	host := strings.TrimPrefix(strings.TrimPrefix(strings.TrimRight(instance, "/"), "https://"), "http://")
	if onLoopback(host) {
		return "http://" + host
	}
	return "https://" + host
}

func onLoopback(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		return false // the host lets none through without a port
	}
	at, err := netip.ParseAddr(name)
	return name == "localhost" || err == nil && at.IsLoopback()
}
