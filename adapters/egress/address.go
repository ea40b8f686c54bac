package egress

import "net/netip"

// closed4 are the IPv4 ranges that are not a stranger's server: the IANA
// special-purpose registry (RFC 6890 and its updates), multicast, the former
// class E, and the address at which one large cloud serves its machines.
var closed4 = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
	"192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24",
	"198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4", "168.63.129.16/32",
)

// open6 is all of IPv6 that is assigned to servers. An allow-list, because
// IPv6 has many ways to write an IPv4 address: translation (64:ff9b::/96),
// compatible and mapped forms, site-local and unique local ranges. None is inside.
var open6 = netip.MustParsePrefix("2000::/3")

// closed6 are the exceptions inside open6: protocol assignments with Teredo,
// documentation, 6to4, the second documentation range and AS112.
var closed6 = prefixes("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "2620:4f:8000::/48")

// public reports whether addr is a stranger's. addr has no zone and is unmapped.
func public(addr netip.Addr) bool {
	if addr.Is4() {
		return !within(closed4, addr)
	}
	return open6.Contains(addr) && !within(closed6, addr)
}

func within(ranges []netip.Prefix, addr netip.Addr) bool {
	for _, p := range ranges {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

func prefixes(all ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(all))
	for i, s := range all {
		out[i] = netip.MustParsePrefix(s)
	}
	return out
}
