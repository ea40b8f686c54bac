package sdk

import (
	"strings"
	"testing"

	"github.com/carillonhq/carillon/ports/social"
)

// What the proxy would leave out silently is refused where its author sees it.
func TestAWildcardOfATopLevelDomainIsRefused(t *testing.T) {
	for host, fits := range map[string]bool{"*.com": false, "*.com.": false, "*.example.com": true, "api.example.com": true} {
		err := checkEgress(social.Manifest{Egress: []string{host}})
		if refused := err != nil && strings.Contains(err.Error(), "top-level"); refused == fits {
			t.Errorf("%s: %v", host, err)
		}
	}
}
