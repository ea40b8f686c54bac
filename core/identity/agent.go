package identity

import (
	"net/netip"
	"strings"
)

// DeviceName says in words what a session runs on, such as "Firefox on
// Windows". It is made of the words below alone: what a client calls itself is
// the client's to choose, and letters repeat nothing of that.
func (s *Session) DeviceName() string { return deviceName(s.Agent) }

func deviceName(agent string) string {
	program, system := first(agent, programs), first(agent, systems)
	switch {
	case program == "" && system == "":
		return "an unknown program"
	case program == "":
		return "a browser on " + system
	case system == "":
		return program
	}
	return program + " on " + system
}

// first returns the word for the first mark that stands in agent.
func first(agent string, words [][2]string) string {
	for _, w := range words {
		if strings.Contains(agent, w[0]) {
			return w[1]
		}
	}
	return ""
}

// programs are told by what only they say: nearly all say Mozilla, Safari and
// Chrome as well, so those that say more stand before.
var programs = [][2]string{
	{"Edg/", "Edge"}, {"EdgA/", "Edge"}, {"EdgiOS/", "Edge"}, {"OPR/", "Opera"}, {"Vivaldi/", "Vivaldi"}, {"SamsungBrowser/", "Samsung Internet"},
	{"DuckDuckGo/", "DuckDuckGo"}, {"YaBrowser/", "Yandex Browser"}, {"FxiOS/", "Firefox"}, {"Firefox/", "Firefox"},
	{"CriOS/", "Chrome"}, {"HeadlessChrome/", "Chrome without a window"}, {"Chromium/", "Chromium"}, {"Chrome/", "Chrome"},
	{"Version/", "Safari"}, {"carillon/", "Carillon's command line"}, {"curl/", "curl"}, {"Wget/", "Wget"}, {"Go-http-client/", "a Go program"},
	{"python-requests/", "a Python program"}, {"Python/", "a Python program"}, {"python-httpx/", "a Python program"}, {"node", "a Node.js program"}, {"okhttp/", "an Android program"},
	{"Postman", "Postman"}, {"Insomnia", "Insomnia"},
}

var systems = [][2]string{
	{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"CrOS", "ChromeOS"}, {"Windows", "Windows"},
	{"Macintosh", "macOS"}, {"Mac OS X", "macOS"}, {"Linux", "Linux"}, {"FreeBSD", "FreeBSD"}, {"OpenBSD", "OpenBSD"},
}

// Network is the network that a session was last seen in: the /24 of an IPv4
// address, the /48 of an IPv6 one. It is all that is said about the place: no
// map of addresses is asked.
func (s *Session) Network() string {
	a, err := netip.ParseAddr(s.Address)
	if err != nil {
		return ""
	}
	bits := 24
	if a.Is6() {
		bits = 48
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return ""
	}
	return p.String()
}
