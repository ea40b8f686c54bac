package network

import (
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/carillonhq/carillon/plugins/sdk/textcount"
	"github.com/carillonhq/carillon/ports/social"
)

// Media is one picture.
type Media struct {
	ID    string    `json:"id"`
	Owner string    `json:"owner"`
	MIME  string    `json:"mime"`
	Alt   string    `json:"alt,omitempty"`
	Ready time.Time `json:"ready"`

	bytes []byte // of a network in memory
}

func (n *Network) addMedia(m *Media) { n.media[m.ID] = m }

// upload takes the bytes of one picture: POST /api/v1/media?alt=. The picture
// can be attached once it is ready.
func (n *Network) upload(w http.ResponseWriter, r *http.Request, g *grant) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxMediaLen))
	var tooLarge *http.MaxBytesError
	mime := http.DetectContentType(body)
	alt := r.URL.Query().Get("alt")
	switch {
	case errors.As(err, &tooLarge):
		fail(http.StatusRequestEntityTooLarge, "media_too_large", "A picture has at most 8 MiB.").on("media").write(w)
		return
	case err != nil:
		fail(http.StatusBadRequest, "body_unread", "The picture did not arrive.").write(w)
		return
	case !strings.HasPrefix(mime, "image/"):
		fail(http.StatusUnsupportedMediaType, "media_type", "Only pictures can be shown here.").on("media").write(w)
		return
	case textcount.In(social.Graphemes, alt) > MaxAlt:
		fail(http.StatusUnprocessableEntity, "alt_too_long", "A description has at most 1000 characters.").on("alt").write(w)
		return
	}
	m := &Media{ID: random("m"), Owner: g.Account, MIME: mime, Alt: alt, Ready: n.opt.Now().Add(n.opt.Processing), bytes: body}
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.store(m); err != nil {
		broken().write(w)
		return
	}
	n.answerMedia(w, m)
}

func (n *Network) store(m *Media) error {
	if n.journal.dir != "" {
		if err := os.WriteFile(filepath.Join(n.journal.dir, "media", m.ID), m.bytes, 0o600); err != nil {
			return err
		}
		m.bytes = nil
	}
	if err := n.journal.put("media", m); err != nil {
		return err
	}
	n.addMedia(m)
	return nil
}

func (n *Network) mediaState(w http.ResponseWriter, r *http.Request, g *grant) {
	n.mu.Lock()
	defer n.mu.Unlock()
	m := n.media[r.PathValue("id")]
	if m == nil || m.Owner != g.Account {
		fail(http.StatusNotFound, "not_found", "No such picture.").write(w)
		return
	}
	n.answerMedia(w, m)
}

func (n *Network) answerMedia(w http.ResponseWriter, m *Media) {
	status, state := http.StatusAccepted, "processing"
	if n.ready(m) {
		status, state = http.StatusOK, "ready"
	}
	answer(w, status, map[string]string{"id": m.ID, "state": state})
}

func (n *Network) ready(m *Media) bool { return !n.opt.Now().Before(m.Ready) }

// Alt is the description of a picture.
func (n *Network) Alt(id string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if m := n.media[id]; m != nil {
		return m.Alt
	}
	return ""
}

func (n *Network) examineMedia(ids []string, account string) *problem {
	for _, id := range ids {
		m := n.media[id]
		switch {
		case m == nil || m.Owner != account:
			return fail(http.StatusUnprocessableEntity, "media_unknown", "A picture is not known here.").on("media")
		case !n.ready(m):
			return fail(http.StatusConflict, "media_not_ready", "A picture is still being processed.").on("media")
		}
	}
	return nil
}

// mediaFile shows a picture. Its type was read from its bytes, not believed.
func (n *Network) mediaFile(w http.ResponseWriter, r *http.Request) {
	n.mu.Lock()
	m := n.media[r.PathValue("id")]
	n.mu.Unlock()
	if m == nil {
		http.NotFound(w, r)
		return
	}
	bytes := m.bytes
	if n.journal.dir != "" {
		var err error
		if bytes, err = os.ReadFile(filepath.Join(n.journal.dir, "media", m.ID)); err != nil {
			http.NotFound(w, r)
			return
		}
	}
	h := w.Header()
	h.Set("Content-Type", m.MIME)
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	_, _ = w.Write(bytes)
}
