// Package blueskyfake is an AT Protocol server and an app view small enough
// for a test.
//
// It answers as the reference server was seen to: putRecord of the very same
// record is a no-op without a commit, swapRecord null on another record is
// InvalidSwap, createRecord on an existing key is a 500, a record key must be
// a TID, a bad token is a 400. Start with New.
package blueskyfake

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/carillonhq/carillon/plugins/internal/faulty"
	"github.com/carillonhq/carillon/plugins/sdk/textcount"
	"github.com/carillonhq/carillon/ports/social"
)

// The one account of the server, and somebody to mention.
const (
	DID      = "did:plc:ann"
	Handle   = "ann.test"
	Password = "abcd-efgh-ijkl-mnop"
	BobDID   = "did:plc:bob"
	Bob      = "bob.test"
)

const maxBlob = 5 << 20

// A Server is one personal data server and an app view that indexes it at
// once. It is an http.Handler.
type Server struct {
	// Code, if set, is the second factor that a sign-in must give.
	Code  string
	mux   *http.ServeMux
	queue faulty.Queue

	mu      sync.Mutex
	now     func() time.Time
	serial  int
	access  map[string]time.Time // until when
	refresh map[string]time.Time
	blobs   map[string]blob // by cid
	records []*Record

	bound    map[string]string // OAuth tokens, by the key they are bound to
	requests map[string]pushed
	codes    map[string]pushed
	seen     map[string]bool // proofs, by their id
}

type blob struct {
	MIME string
	Size int
}

// A Record is one post in the repository.
type Record struct {
	Key, URI, CID string
	Value         map[string]any
	At            time.Time
}

// New makes a server.
func New(now func() time.Time) *Server {
	s := &Server{
		now: now, access: map[string]time.Time{}, refresh: map[string]time.Time{}, blobs: map[string]blob{}, mux: http.NewServeMux(),
		bound: map[string]string{}, requests: map[string]pushed{}, codes: map[string]pushed{}, seen: map[string]bool{},
	}
	s.mux.HandleFunc("GET /{did}", s.directory)
	s.mux.HandleFunc("GET /.well-known/oauth-protected-resource", s.protectedResource)
	s.mux.HandleFunc("GET /.well-known/oauth-authorization-server", s.authorizationServer)
	s.mux.HandleFunc("POST /oauth/par", s.par)
	s.mux.HandleFunc("GET /oauth/authorize", s.authorize)
	s.mux.HandleFunc("POST /oauth/token", s.token)
	for pattern, serve := range map[string]http.HandlerFunc{
		"POST com.atproto.server.createSession":  s.createSession,
		"POST com.atproto.server.refreshSession": s.refreshSession,
		"GET com.atproto.server.getSession":      s.signedIn(s.getSession),
		"GET com.atproto.identity.resolveHandle": s.resolveHandle,
		"POST com.atproto.repo.uploadBlob":       s.signedIn(s.uploadBlob),
		"POST com.atproto.repo.putRecord":        s.signedIn(s.putRecord),
		"POST com.atproto.repo.createRecord":     s.signedIn(s.createRecord),
		"GET com.atproto.repo.getRecord":         s.getRecord,
		"GET com.atproto.repo.listRecords":       s.listRecords,
		"GET app.bsky.feed.getPosts":             s.getPosts,
		"GET app.bsky.actor.getProfile":          s.getProfile,
	} {
		verb, method, _ := strings.Cut(pattern, " ")
		s.mux.HandleFunc(verb+" /xrpc/"+method, serve)
	}
	return s
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// Trouble arms one trouble for the next write of a record.
func (s *Server) Trouble(name string) { s.queue.Arm(faulty.Trouble(name)) }

// Records lists what is there, oldest first.
func (s *Server) Records() []Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []Record
	for _, r := range s.records {
		list = append(list, *r)
	}
	return list
}

// DropBlobs forgets every upload, as a server does with those that no record
// uses.
func (s *Server) DropBlobs() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.blobs)
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func refuse(w http.ResponseWriter, status int, name, message string) {
	answer(w, status, map[string]string{"error": name, "message": message})
}

func (s *Server) signedIn(serve http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if s.admit(w, r) {
			serve(w, r)
		}
	}
}

// admit checks who is asking: by a bearer token, or by one that is bound to a
// key and a proof of that key.
func (s *Server) admit(w http.ResponseWriter, r *http.Request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	kind, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	until, known := s.access[token]
	known = known && (s.bound[token] != "") == (kind == "DPoP")
	if known && kind == "DPoP" {
		key, ok := s.proven(w, r, token, http.StatusUnauthorized)
		if !ok {
			return false
		}
		known = key == s.bound[token]
	}
	switch {
	case token == "":
		refuse(w, http.StatusUnauthorized, "AuthMissing", "Authentication Required")
	case !known && kind == "DPoP":
		refuse(w, http.StatusUnauthorized, "invalid_token", "Token could not be verified")
	case !known:
		refuse(w, http.StatusBadRequest, "InvalidToken", "Token could not be verified")
	case !s.now().Before(until) && kind == "DPoP":
		refuse(w, http.StatusUnauthorized, "invalid_token", "\"exp\" claim timestamp check failed")
	case !s.now().Before(until):
		refuse(w, http.StatusBadRequest, "ExpiredToken", "Token has expired")
	default:
		return true
	}
	return false
}

func (s *Server) uploadBlob(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBlob))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		refuse(w, http.StatusRequestEntityTooLarge, "PayloadTooLarge", "request entity too large")
		return
	}
	one := blob{r.Header.Get("Content-Type"), len(body)}
	cid := cidOf("bafkrei", body)
	s.mu.Lock()
	s.blobs[cid] = one
	s.mu.Unlock()
	answer(w, http.StatusOK, map[string]any{"blob": map[string]any{
		"$type": "blob", "ref": map[string]string{"$link": cid}, "mimeType": one.MIME, "size": one.Size,
	}})
}

func cidOf(prefix string, content []byte) string {
	sum := sha256.Sum256(content)
	return prefix + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:]))
}

// write is the body of putRecord and createRecord.
type write struct {
	Repo, Collection, RKey string
	Record                 map[string]any
	SwapRecord             json.RawMessage // nil: not given; null: create only
}

var tidPattern = regexp.MustCompile(`^[234567abcdefghij][234567abcdefghijklmnopqrstuvwxyz]{12}$`)

// check validates a write as the lexicon does.
func (s *Server) check(in write) (name, message string) {
	text, _ := in.Record["text"].(string)
	created, _ := in.Record["createdAt"].(string)
	_, err := time.Parse(time.RFC3339, created)
	switch {
	case in.Repo != DID:
		return "InvalidRequest", "Could not find repo: " + in.Repo
	case !tidPattern.MatchString(in.RKey):
		return "InvalidRequest", "Invalid record key: Invalid TID string"
	case err != nil:
		return "InvalidRequest", "Invalid app.bsky.feed.post record: Record/createdAt must be an valid atproto datetime"
	case textcount.In(social.Graphemes, text) > 300:
		return "InvalidRequest", "Invalid app.bsky.feed.post record: Record/text must not be longer than 300 graphemes"
	case len(text) > 3000:
		return "InvalidRequest", "Invalid app.bsky.feed.post record: Record/text must not be longer than 3000 bytes"
	}
	for _, cid := range linked(in.Record["embed"]) {
		if _, ok := s.blobs[cid]; !ok {
			return "BlobNotFound", "Could not find blob: " + cid
		}
	}
	return "", ""
}

// linked lists the blobs that a value refers to.
func linked(value any) []string {
	var all []string
	switch v := value.(type) {
	case map[string]any:
		if cid, ok := v["$link"].(string); ok {
			all = append(all, cid)
		}
		for _, child := range v {
			all = append(all, linked(child)...)
		}
	case []any:
		for _, child := range v {
			all = append(all, linked(child)...)
		}
	}
	return all
}
