// Package chirpfake is Chirp, the small imaginary platform of the examples.
//
// Its API is what a plugin author meets everywhere: a bearer token, a limit on
// texts, a marker by which a post of one's own is found again, and bad days.
// A post meets one when a test arms a trouble, or when its text has a word for
// it: see Words. GET /_objects tells a test, without a token, what is there.
// Start with New.
package chirpfake

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/carillonhq/carillon/plugins/internal/faulty"
	"github.com/carillonhq/carillon/plugins/sdk/textcount"
	"github.com/carillonhq/carillon/ports/social"
)

// MaxText is the longest text, in code points.
const MaxText = 280

// Options are the switches. The zero value is Chirp on a good day.
type Options struct {
	Now func() time.Time // nil is the clock's
	Lag time.Duration    // how long a post takes to appear in the lists
}

// A Server is one server of Chirp. It is an http.Handler.
type Server struct {
	opt   Options
	mux   *http.ServeMux
	queue faulty.Queue

	mu    sync.Mutex
	users map[string]string // handle by token
	posts []Post
	media map[string]string // description by id
	last  int
}

// A Post is one post.
type Post struct {
	ID      string    `json:"id"`
	URL     string    `json:"url"`
	Author  string    `json:"author"`
	Text    string    `json:"text"`
	Marker  string    `json:"marker,omitempty"`
	ReplyTo string    `json:"reply_to,omitempty"`
	Media   []string  `json:"media,omitempty"`
	At      time.Time `json:"created_at"`
	Likes   int       `json:"likes"`
}

// New makes a server whose users are the handles in users, by token.
func New(users map[string]string, opt Options) *Server {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	s := &Server{opt: opt, mux: http.NewServeMux(), users: users, media: map[string]string{}}
	for pattern, serve := range map[string]func(http.ResponseWriter, *http.Request, string){
		"GET /api/me":         s.me,
		"POST /api/media":     s.upload,
		"POST /api/posts":     s.post,
		"GET /api/posts":      s.list,
		"GET /api/posts/{id}": s.one,
	} {
		s.mux.HandleFunc(pattern, s.signedIn(serve))
	}
	s.mux.HandleFunc("GET /_objects", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, s.Posts()) })
	return s
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// Trouble arms one trouble for the next POST of a post, by the names of
// package socialtest.
func (s *Server) Trouble(name string) { s.queue.Arm(faulty.Trouble(name)) }

// Posts lists what is there, oldest first.
func (s *Server) Posts() []Post {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Post{}, s.posts...)
}

// Alt is the description of an attachment.
func (s *Server) Alt(id string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.media[id]
}

func (s *Server) signedIn(serve func(http.ResponseWriter, *http.Request, string)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var token string
		_, _ = fmt.Sscanf(r.Header.Get("Authorization"), "Bearer %s", &token)
		handle, ok := s.users[token]
		if !ok {
			refuse(w, http.StatusUnauthorized, "unknown token")
			return
		}
		serve(w, r, handle)
	}
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func refuse(w http.ResponseWriter, status int, message string) {
	answer(w, status, map[string]string{"error": message})
}

func (s *Server) me(w http.ResponseWriter, r *http.Request, handle string) {
	answer(w, http.StatusOK, map[string]string{"id": "u-" + handle, "handle": handle, "url": "http://" + r.Host + "/@" + handle})
}

func (s *Server) upload(w http.ResponseWriter, r *http.Request, _ string) {
	n, err := io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, 8<<20))
	if err != nil || n == 0 {
		refuse(w, http.StatusUnprocessableEntity, "no picture, or one over 8 MiB")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	id := s.nextID("m-")
	s.media[id] = r.URL.Query().Get("alt")
	answer(w, http.StatusCreated, map[string]string{"id": id})
}

func (s *Server) post(w http.ResponseWriter, r *http.Request, handle string) {
	var p Post
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&p); err != nil {
		refuse(w, http.StatusBadRequest, "the body is no JSON")
		return
	}
	trouble := s.queue.Take()
	if trouble == faulty.None {
		trouble = said(p.Text)
	}
	switch trouble {
	case faulty.ResetBefore:
		faulty.HangUp(w, true)
		return
	case faulty.Limit:
		w.Header().Set("Retry-After", "30")
		refuse(w, http.StatusTooManyRequests, "slow down")
		return
	case faulty.Expire:
		refuse(w, http.StatusUnauthorized, "the token expired")
		return
	}
	made, status, message := s.keep(p, handle, r.Host)
	switch {
	case status != 0:
		refuse(w, status, message)
	case !faulty.Answer(w, r, trouble):
		answer(w, http.StatusCreated, made)
	}
}

func (s *Server) keep(p Post, handle, host string) (made Post, status int, message string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case p.Text == "" && len(p.Media) == 0:
		return p, http.StatusUnprocessableEntity, "nothing to say"
	case textcount.In(social.Codepoints, p.Text) > MaxText:
		return p, http.StatusUnprocessableEntity, fmt.Sprintf("over %d characters", MaxText)
	case p.ReplyTo != "" && s.find(p.ReplyTo) == nil:
		return p, http.StatusNotFound, "no such post to answer"
	}
	for _, id := range p.Media {
		if _, ok := s.media[id]; !ok {
			return p, http.StatusUnprocessableEntity, "no such picture"
		}
	}
	p.ID, p.Author, p.At, p.Likes = s.nextID("p-"), handle, s.opt.Now().UTC(), 1
	p.URL = "http://" + host + "/@" + handle + "/" + p.ID
	s.posts = append(s.posts, p)
	return p, 0, ""
}

func (s *Server) nextID(prefix string) string {
	s.last++
	return prefix + strconv.Itoa(s.last)
}

func (s *Server) find(id string) *Post {
	for i := range s.posts {
		if s.posts[i].ID == id {
			return &s.posts[i]
		}
	}
	return nil
}

// list answers with one's own posts that have the marker asked for, newest
// first. The newest posts are not in it yet.
func (s *Server) list(w http.ResponseWriter, r *http.Request, handle string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := []Post{}
	marker := r.URL.Query().Get("marker")
	for i := len(s.posts) - 1; i >= 0; i-- {
		p := s.posts[i]
		if p.Author == handle && (marker == "" || p.Marker == marker) && s.opt.Now().Sub(p.At) >= s.opt.Lag {
			found = append(found, p)
		}
	}
	answer(w, http.StatusOK, map[string]any{"posts": found})
}

func (s *Server) one(w http.ResponseWriter, r *http.Request, _ string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.find(r.PathValue("id"))
	if p == nil {
		refuse(w, http.StatusNotFound, "no such post")
		return
	}
	answer(w, http.StatusOK, p)
}
