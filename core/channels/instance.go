package channels

import (
	"maps"
	"net/netip"
	"net/url"
	"strings"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
)

// instanceForm asks for a server where the manifest has no form of its own.
const instanceForm = `{"type":"object","required":["instance"],"properties":{"instance":{"type":"string","title":"Server","examples":["mastodon.social"]}}}`

// perInstance reports whether the platform's sign-in differs by server.
func perInstance(m social.Manifest) bool {
	o := m.Auth.OAuth2
	return o != nil && strings.Contains(o.AuthorizeURL+o.TokenURL+o.RegisterURL, social.OwnServer)
}

// CleanInstance turns what a person types for a server ("https://Example.org/",
// "@ann@example.org") into its host name. Only host names of the public kind
// pass, without a port; with local, loopback addresses with a port do too.
func CleanInstance(raw string, local bool) (string, error) {
	host := strings.ToLower(strings.TrimSpace(raw))
	host = strings.TrimPrefix(strings.TrimPrefix(host, "https://"), "http://")
	host, _, _ = strings.Cut(host, "/")
	host = host[strings.LastIndexByte(host, '@')+1:]
	if publicName(host) || local && loopback(host) {
		return host, nil
	}
	return "", fault.New(fault.Invalid, "connection.bad_instance", "Give the server's name, such as mastodon.social.").On("/input/instance")
}

// pinned is c as a plugin gets it: where the account's server is opened to the
// plugin for the time of a call, it is the one that was checked at the sign-in,
// whatever the plugin itself wrote there since.
func pinned(m social.Manifest, c social.Credential, instance string) social.Credential {
	said, ok := c.Public["instance"]
	if !ok || !m.Roams() || names(said, instance) {
		return c
	}
	c.Public = maps.Clone(c.Public)
	delete(c.Public, "instance")
	if instance != "" {
		c.Public["instance"] = instance
	}
	return c
}

// names reports whether an address, with or without a scheme, is on host beyond
// doubt.
func names(address, host string) bool {
	address = strings.ToLower(strings.TrimSpace(address))
	address = strings.TrimPrefix(strings.TrimPrefix(address, "https://"), "http://")
	return host != "" && (address == host || strings.HasPrefix(address, host+"/"))
}

// publicName reports whether host is a DNS name (RFC 1123) of two or more
// labels that cannot be read as an address.
func publicName(host string) bool {
	labels := strings.Split(host, ".")
	if len(host) > 253 || len(labels) < 2 {
		return false
	}
	for _, l := range labels {
		if !label(l) {
			return false
		}
	}
	// "0x7f.1" and "127.1" are addresses to some resolvers.
	last := labels[len(labels)-1]
	return last[0] < '0' || last[0] > '9'
}

func label(l string) bool {
	if len(l) == 0 || len(l) > 63 || l[0] == '-' || l[len(l)-1] == '-' {
		return false
	}
	for _, c := range []byte(l) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

func loopback(host string) bool {
	if at, err := netip.ParseAddrPort(host); err == nil {
		return at.Addr().IsLoopback() && at.Addr().Zone() == ""
	}
	name, port, _ := strings.Cut(host, ":")
	_, err := netip.ParseAddrPort("127.0.0.1:" + port)
	return name == "localhost" && err == nil
}

// at fills the instance into a platform's endpoints. A loopback instance is
// spoken to in plain HTTP: nobody has a certificate for it.
func at(o social.OAuth2, instance string) social.OAuth2 {
	for _, u := range []*string{&o.AuthorizeURL, &o.TokenURL, &o.RevokeURL, &o.RegisterURL} {
		if !strings.Contains(*u, social.OwnServer) {
			continue
		}
		*u = strings.ReplaceAll(*u, social.OwnServer, instance)
		if rest, ok := strings.CutPrefix(*u, "https://"); ok && loopback(instance) {
			*u = "http://" + rest
		}
	}
	return o
}

// returnURL accepts a path on this installation or a URL on an allowed origin.
func (s *Service) returnURL(raw string) (string, error) {
	bad := fault.New(fault.Invalid, "connection.bad_return_url", "The return address is not on this site.").On("/return_url")
	if raw == "" {
		return "", nil
	}
	u, err := url.Parse(raw)
	if err != nil || strings.ContainsAny(raw, "\\\r\n\t") || u.User != nil {
		return "", bad
	}
	if u.Scheme == "" && u.Host == "" && strings.HasPrefix(raw, "/") && !strings.HasPrefix(raw, "//") {
		return raw, nil
	}
	for _, allowed := range append([]string{s.cfg.CallbackURL}, s.cfg.Origins...) {
		if o, err := url.Parse(allowed); err == nil && o.Host != "" && u.Scheme == o.Scheme && u.Host == o.Host {
			return raw, nil
		}
	}
	return "", bad
}

// sameIssuer checks the iss of a callback (RFC 9207) when there is one:
// answers of another server must not be taken to this one's token endpoint.
func sameIssuer(iss, authorizeURL string) bool {
	if iss == "" {
		return true
	}
	a, err1 := url.Parse(iss)
	b, err2 := url.Parse(authorizeURL)
	return err1 == nil && err2 == nil && a.Scheme == b.Scheme && a.Host == b.Host
}
