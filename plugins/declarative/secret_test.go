package declarative_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/carillonhq/carillon/plugins/declarative"
	"github.com/carillonhq/carillon/ports/social"
)

// What an operator set is lent as a token is, and struck like one, wherever the
// answer is cut.
func TestSettingsOfTheOperatorAreStruck(t *testing.T) {
	const secret = "operator-0123456789abcdef"
	file := strings.NewReplacer("\nauth:\n", "\nsettings: {type: object, properties: {app_token: {type: string, format: password}}}\nauth:\n",
		"Bearer ${credential.secrets.key}", "Bearer ${app.app_token}").Replace(forum(t))
	for _, padding := range []int{0, 100, 2035, 2040, 2046, 4086, 4090, 8190} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			_, _ = fmt.Fprint(w, `{"error":"`, strings.Repeat("x", padding), r.Header.Get("Authorization"), `"}`)
		}))
		p, err := declarative.Load("forum.yaml", []byte(file), declarative.Options{HTTP: server.Client()})
		if err != nil {
			t.Fatal(err)
		}
		step, err := p.Publish(t.Context(), social.PublishRequest{
			Call: social.Call{
				App:        map[string]string{"app_token": secret},
				Credential: social.Credential{Public: map[string]string{"instance": strings.TrimPrefix(server.URL, "http://")}, Secrets: map[string]string{"key": key}},
			},
			Account: social.Account{ID: "1", Public: map[string]string{"board": "b"}}, Commit: true, Content: social.Content{Format: "post", Text: "Hi"},
		})
		server.Close()
		f := social.FaultOf(err, true)
		if said := fmt.Sprintf("%v %+v %v", step, f, f.Err); err == nil || strings.Contains(said, "operator-") {
			t.Errorf("after %d: %s", padding, said)
		}
	}
}
