package sdk

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestATokenInThePathIsNotNoted(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	n := &notes{}
	ctx := NotedAs(context.WithValue(t.Context(), notesKey{}, n), "/bot***/sendMessage")
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/bot123:secret/sendMessage?token=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := HTTPClient().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if len(n.calls) != 1 || n.calls[0].Path != "/bot***/sendMessage" {
		t.Errorf("noted %+v", n.calls)
	}
}
