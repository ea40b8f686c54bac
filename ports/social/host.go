package social

import (
	"net"
	"regexp"
	"strings"
)

// A HostPattern is one line of Manifest.Egress that names hosts: one name, or
// with "*." every name below it, on every port or on one. Two that mean the same
// are equal. The zero value is of no host.
type HostPattern struct {
	name  string // lower case, without brackets and the root's dot
	port  string // empty: every
	below bool   // the names below, not the name itself
}

// ParseHost reads a pattern, such as "api.x.com", "*.googleapis.com" or
// "127.0.0.1:8080". It is false for one that is of more than one owner's
// names, such as "*.com", and for what is none, such as OwnServer.
func ParseHost(text string) (HostPattern, bool) {
	text = strings.ToLower(strings.TrimSpace(text))
	var p HostPattern
	p.name, p.port = splitHost(text)
	if below, wild := strings.CutPrefix(p.name, "*."); wild {
		p.name, p.below = below, true
	}
	if p.name == "" || strings.ContainsAny(p.name+p.port, "*{}/") || p.below && !strings.Contains(strings.Trim(p.name, "."), ".") {
		return HostPattern{}, false
	}
	return p, true
}

// Matches reports whether a request to target, "host" or "host:port", goes to a
// host of the pattern. A target without a port is on none that a pattern names.
func (p HostPattern) Matches(target string) bool {
	name, port := splitHost(strings.ToLower(strings.TrimSpace(target)))
	return p.has(name, false) && (p.port == "" || p.port == port)
}

// Covers reports whether every host of q is one of p.
func (p HostPattern) Covers(q HostPattern) bool {
	return p.has(q.name, q.below) && (p.port == "" || p.port == q.port)
}

func (p HostPattern) has(name string, below bool) bool {
	if !p.below {
		return p.name != "" && p.name == name && !below
	}
	return below && name == p.name || strings.HasSuffix(name, "."+p.name) && len(name) > len(p.name)+1
}

// Covered reports whether all that asked stands for is in approved, both as
// Manifest.Egress has them.
func Covered(approved []string, asked string) bool {
	q, ok := ParseHost(asked)
	for _, a := range approved {
		p, fine := ParseHost(a)
		if a == asked || ok && fine && p.Covers(q) {
			return true
		}
	}
	return false
}

func splitHost(text string) (name, port string) {
	if name, port, err := net.SplitHostPort(text); err == nil {
		return strings.TrimSuffix(name, "."), port
	}
	return strings.TrimSuffix(strings.Trim(text, "[]"), "."), ""
}

// OwnServer stands in Manifest.Egress for the account's own server.
const OwnServer = "{instance}"

var (
	idPattern      = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+(-[a-z0-9]+)*)+$`)
	versionPattern = regexp.MustCompile(`^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$`)
)

// maxName is the size of a plugin's id, name or version, in bytes.
const maxName = 100

// IsID reports whether id can be a plugin's: a reverse domain name of at most
// 100 bytes.
func IsID(id string) bool { return len(id) <= maxName && idPattern.MatchString(id) }

// IsVersion reports whether v is a semantic version of at most 100 bytes.
func IsVersion(v string) bool { return len(v) <= maxName && versionPattern.MatchString(v) }
