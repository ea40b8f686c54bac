// Package mastodonfake is a Mastodon server small enough for a test.
//
// It has one account and the part of the API that publishing needs, with the
// answers of Mastodon 4.3, and switches for what other servers do differently:
// ignoring the Idempotency-Key, having no instance API v2, no batch of
// statuses, no source of a status. Start with New.
package mastodonfake

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/carillonhq/carillon/plugins/internal/faulty"
	"github.com/carillonhq/carillon/plugins/sdk/textcount"
	"github.com/carillonhq/carillon/ports/social"
)

// Options are the switches. The zero value is a stock Mastodon.
type Options struct {
	Version   string // "" means 4.3.2
	SourceURL string // "" means Mastodon's own
	IgnoreKey bool   // every request makes a status
	V1Only    bool   // no /api/v2/instance
	NoBatch   bool   // no GET /api/v1/statuses?id[]=
	NoSource  bool   // no /source of a status
	NoSince   bool   // timelines ignore since_id
	Short     int    // how many statuses a page of a timeline has at most, if set
	Markdown  bool   // texts come back rewritten
	Polls     int    // how often media is "still processing" when asked
	MaxText   int    // 0 means 500
	Now       func() time.Time
}

// KeyLife is how long the server remembers an Idempotency-Key.
const KeyLife = time.Hour

// A Server is one server with one account, "ann". It is an http.Handler.
type Server struct {
	Token   string
	Another string // a second token of the account, if set
	opt     Options
	mux     *http.ServeMux
	queue   faulty.Queue

	mu       sync.Mutex
	statuses []*Status
	keys     map[string]key
	media    map[string]*attachment
	last     int64
}

// A Status is one post.
type Status struct {
	ID, Text, InReplyTo, Spoiler, Visibility, Language string
	Media                                              []string
	At                                                 time.Time
}

type key struct {
	status *Status
	until  time.Time
}

type attachment struct {
	alt   string
	polls int
}

// New makes a server.
func New(opt Options) *Server {
	s := &Server{Token: rand.Text(), opt: opt, keys: map[string]key{}, media: map[string]*attachment{}}
	if s.opt.Now == nil {
		s.opt.Now = time.Now
	}
	if s.opt.MaxText == 0 {
		s.opt.MaxText = 500
	}
	s.mux = http.NewServeMux()
	s.mux.HandleFunc("GET /api/v2/instance", s.instance)
	s.mux.HandleFunc("GET /api/v1/instance", s.instance)
	for pattern, serve := range map[string]http.HandlerFunc{
		"GET /api/v1/accounts/verify_credentials": s.me,
		"GET /api/v1/accounts/{id}/statuses":      s.timeline,
		"POST /api/v2/media":                      s.upload,
		"GET /api/v1/media/{id}":                  s.attachment,
		"POST /api/v1/statuses":                   s.post,
		"GET /api/v1/statuses":                    s.batch,
		"GET /api/v1/statuses/{id}":               s.status,
		"GET /api/v1/statuses/{id}/source":        s.source,
	} {
		s.mux.HandleFunc(pattern, s.signedIn(serve))
	}
	return s
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// Trouble arms one trouble for the next POST of a status.
func (s *Server) Trouble(name string) { s.queue.Arm(faulty.Trouble(name)) }

// Statuses lists what is there, oldest first.
func (s *Server) Statuses() []Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []Status
	for _, one := range s.statuses {
		list = append(list, *one)
	}
	return list
}

// Alt is the description of an attachment.
func (s *Server) Alt(id string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.media[id].alt
}

func (s *Server) signedIn(serve http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		if token == "" || token != s.Token && token != s.Another {
			refuse(w, http.StatusUnauthorized, "The access token is invalid")
			return
		}
		serve(w, r)
	}
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func refuse(w http.ResponseWriter, status int, message string) {
	answer(w, status, map[string]string{"error": message})
}

func (s *Server) instance(w http.ResponseWriter, r *http.Request) {
	v2 := strings.HasPrefix(r.URL.Path, "/api/v2")
	if v2 && s.opt.V1Only {
		refuse(w, http.StatusNotFound, "Record not found")
		return
	}
	body := map[string]any{
		"version": or(s.opt.Version, "4.3.2"),
		"configuration": map[string]any{
			"statuses":          map[string]int{"max_characters": s.opt.MaxText, "max_media_attachments": 4, "characters_reserved_per_url": 23},
			"media_attachments": map[string]int{"description_limit": 1500, "image_size_limit": 16777216, "video_size_limit": 103809024},
		},
	}
	if v2 {
		body["source_url"] = or(s.opt.SourceURL, "https://github.com/mastodon/mastodon")
	}
	answer(w, http.StatusOK, body)
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

func (s *Server) me(w http.ResponseWriter, r *http.Request) {
	answer(w, http.StatusOK, map[string]string{
		"id": "1", "username": "ann", "display_name": "Ann", "url": "http://" + r.Host + "/@ann", "avatar": "",
	})
}

func (s *Server) upload(w http.ResponseWriter, r *http.Request) {
	file, _, err := r.FormFile("file")
	if err != nil {
		refuse(w, http.StatusUnprocessableEntity, "Validation failed: File can't be blank")
		return
	}
	_ = file.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	id := s.nextID()
	s.media[id] = &attachment{alt: r.FormValue("description"), polls: s.opt.Polls}
	if s.opt.Polls > 0 {
		answer(w, http.StatusAccepted, map[string]any{"id": id, "url": nil})
		return
	}
	answer(w, http.StatusOK, map[string]any{"id": id, "url": "http://" + r.Host + "/media/" + id})
}

func (s *Server) attachment(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := r.PathValue("id")
	switch one := s.media[id]; {
	case one == nil:
		refuse(w, http.StatusNotFound, "Record not found")
	case one.polls > 0:
		one.polls--
		answer(w, http.StatusPartialContent, map[string]any{"id": id, "url": nil})
	default:
		answer(w, http.StatusOK, map[string]any{"id": id, "url": "http://" + r.Host + "/media/" + id})
	}
}

// draft is the body of a POST of a status.
type draft struct {
	Status     string   `json:"status"`
	MediaIDs   []string `json:"media_ids"`
	InReplyTo  string   `json:"in_reply_to_id"`
	Spoiler    string   `json:"spoiler_text"`
	Visibility string   `json:"visibility"`
	Language   string   `json:"language"`
}

func (s *Server) post(w http.ResponseWriter, r *http.Request) {
	var d draft
	if err := json.NewDecoder(r.Body).Decode(&d); err != nil {
		refuse(w, http.StatusBadRequest, "The body is no JSON")
		return
	}
	trouble := s.queue.Take()
	switch trouble {
	case faulty.ResetBefore:
		faulty.HangUp(w, true)
		return
	case faulty.Limit:
		w.Header().Set("X-RateLimit-Reset", time.Now().Add(90*time.Second).UTC().Format(time.RFC3339))
		refuse(w, http.StatusTooManyRequests, "Too many requests")
		return
	case faulty.Expire:
		refuse(w, http.StatusUnauthorized, "The access token expired")
		return
	}
	s.mu.Lock()
	made, status, message := s.make(d, r.Header.Get("Idempotency-Key"))
	s.mu.Unlock()
	switch {
	case made == nil:
		refuse(w, status, message)
	case !faulty.Answer(w, r, trouble):
		answer(w, http.StatusOK, s.view(made, r))
	}
}

// make keeps a status, or finds the one its key already made.
func (s *Server) make(d draft, idempotency string) (made *Status, status int, message string) {
	if known, ok := s.keys[idempotency]; ok && !s.opt.IgnoreKey && s.opt.Now().Before(known.until) {
		return known.status, 0, ""
	}
	switch {
	case d.Status == "" && len(d.MediaIDs) == 0:
		return nil, http.StatusUnprocessableEntity, "Validation failed: Text can't be blank"
	case textcount.In(social.Graphemes, shortened(d.Status)+d.Spoiler) > s.opt.MaxText:
		return nil, http.StatusUnprocessableEntity, fmt.Sprintf("Validation failed: Text character limit of %d exceeded", s.opt.MaxText)
	case d.InReplyTo != "" && s.byID(d.InReplyTo) == nil:
		return nil, http.StatusNotFound, "Record not found"
	}
	for _, id := range d.MediaIDs {
		if s.media[id] == nil || s.media[id].polls > 0 {
			return nil, http.StatusUnprocessableEntity, "Cannot attach files that have not finished processing. Try again in a moment!"
		}
	}
	made = &Status{
		ID: s.nextID(), Text: d.Status, InReplyTo: d.InReplyTo, Spoiler: d.Spoiler, Visibility: or(d.Visibility, "public"),
		Language: d.Language, Media: d.MediaIDs, At: s.opt.Now().UTC(),
	}
	s.statuses = append(s.statuses, made)
	if idempotency != "" {
		s.keys[idempotency] = key{made, s.opt.Now().Add(KeyLife)}
	}
	return made, 0, ""
}

// nextID is a snowflake: milliseconds and a counter, always growing.
func (s *Server) nextID() string {
	s.last = max(s.last+1, s.opt.Now().UnixMilli()<<16)
	return strconv.FormatInt(s.last, 10)
}

func (s *Server) byID(id string) *Status {
	for _, one := range s.statuses {
		if one.ID == id {
			return one
		}
	}
	return nil
}
