package httpapi_test

import (
	"strings"
	"testing"

	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/core/publishing"
	"github.com/carillonhq/carillon/tenants"
)

// What is accepted and not visible yet says so wherever the post is shown.
func TestReceiptsSayWhatThePlatformSaid(t *testing.T) {
	w := newWorld(t, postgrestest.Open(t))
	tenant := postgrestest.Tenant(t, w.db)
	_, token := w.member(tenant, tenants.Viewer)
	post, segment := w.postIn(tenant, channels.ID(w.channel(tenant)), publishing.Live)
	headers := map[string]string{"Authorization": "Bearer " + token, "Carillon-Tenant": string(tenant)}
	for visibility, times := range map[string]int{"": 0, `"visibility":"processing"`: 1, `"visibility":"in_review"`: 1} {
		_, value, _ := strings.Cut(strings.Trim(visibility, `"`), `":"`)
		postgrestest.Exec(t, w.db, `update segments set visibility = $2, warnings = '["alt text dropped"]' where segment_id = $1`, segment, value)
		for path, more := range map[string]int{"/posts/" + post + "/receipt": 1, "/posts/" + post: 1, "/posts": 1} {
			_, _, body := w.call("GET", "/api/v1"+path, headers, "")
			if n := strings.Count(body, `"visibility"`); n != times*(1+more) || times > 0 && !strings.Contains(body, visibility) {
				t.Errorf("%s says visibility %d times: %s", path, n, body)
			}
		}
		if _, _, body := w.call("GET", "/api/v1/posts/"+post+"/receipt", headers, ""); !strings.Contains(body, `"warnings":["alt text dropped"]`) {
			t.Error(body)
		}
	}
}
