// Package discordfake is the part of Discord's API that a webhook sees, small
// enough for a test.
//
// It has one webhook with its channel, one thread in it, and the answers of
// API v10: snowflakes as text, errors as code, message and errors, rate limits
// as 429 with a body and headers. A webhook may execute, and read a message of
// its own; it cannot list. Start with New.
package discordfake

import (
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/carillonhq/carillon/plugins/internal/faulty"
	"github.com/carillonhq/carillon/plugins/sdk/textcount"
	"github.com/carillonhq/carillon/ports/social"
)

// Options are the switches. The zero value is a text channel.
type Options struct {
	Forum   bool // every message begins a thread, or names one
	Deleted bool // the webhook is gone
	MaxFile int64
	Now     func() time.Time
}

// What there is.
const (
	WebhookID = "1130000000000000001"
	GuildID   = "1120000000000000001"
	ChannelID = "1120000000000000002"
	ThreadID  = "1120000000000000003"
)

// A Server is Discord with one webhook. It is an http.Handler.
type Server struct {
	Token   string
	Another string // if set, a second token of the same webhook
	opt     Options
	mux     *http.ServeMux
	queue   faulty.Queue

	mu       sync.Mutex
	messages []Message
	last     int64
}

// A Message is one message in the channel.
type Message struct {
	ID, Channel, Text, Username, ThreadName string
	Mentions                                []string // who may be notified; nil: everybody who is named
	Flags                                   int
	Files                                   []File
}

// A File is one attachment, as it arrived.
type File struct {
	Name, MIME, Alt string
	Bytes           int64
}

// New makes a server.
func New(opt Options) *Server {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.MaxFile == 0 {
		opt.MaxFile = 10 << 20
	}
	s := &Server{Token: "kkdpWt3ywyRZergyOLMaJhac60qc-AAFD39_kkdpWt3ywyRZergyOLMaJhac60qcAAFD", opt: opt, mux: http.NewServeMux()}
	s.mux.HandleFunc("GET /api/v10/webhooks/{id}/{token}", s.known(s.webhook))
	s.mux.HandleFunc("POST /api/v10/webhooks/{id}/{token}", s.known(s.execute))
	s.mux.HandleFunc("GET /api/v10/webhooks/{id}/{token}/messages/{message}", s.known(s.message))
	return s
}

// URL is the webhook's address, as Discord shows it.
func (s *Server) URL() string { return "https://discord.com/api/webhooks/" + WebhookID + "/" + s.Token }

// ServeHTTP implements http.Handler. Cloudflare, in front of the real one, does
// not let strange clients through.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.HasPrefix(r.UserAgent(), "DiscordBot (") {
		refuse(w, http.StatusForbidden, 40333, "internal network error", nil)
		return
	}
	s.mux.ServeHTTP(w, r)
}

// Trouble arms one trouble for the next message.
func (s *Server) Trouble(name string) { s.queue.Arm(faulty.Trouble(name)) }

// Messages lists what is there, oldest first.
func (s *Server) Messages() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Message(nil), s.messages...)
}

func (s *Server) known(serve http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.PathValue("id") != WebhookID || s.opt.Deleted:
			refuse(w, http.StatusNotFound, 10015, "Unknown Webhook", nil)
		case r.PathValue("token") != s.Token && (s.Another == "" || r.PathValue("token") != s.Another):
			refuse(w, http.StatusUnauthorized, 50027, "Invalid Webhook Token", nil)
		default:
			serve(w, r)
		}
	}
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-RateLimit-Limit", "5")
	w.Header().Set("X-RateLimit-Remaining", "4")
	w.Header().Set("X-RateLimit-Reset-After", "2.000")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func refuse(w http.ResponseWriter, status, code int, message string, errors map[string]any) {
	body := map[string]any{"code": code, "message": message}
	if errors != nil {
		body["errors"] = errors
	}
	answer(w, status, body)
}

func (s *Server) webhook(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]any{
		"id": WebhookID, "type": 1, "name": "Bells", "avatar": nil, "channel_id": ChannelID, "guild_id": GuildID,
		"application_id": nil, "token": s.Token,
	})
}

// draft is what an execution may say.
type draft struct {
	Content     string `json:"content"`
	Username    string `json:"username"`
	AvatarURL   string `json:"avatar_url"`
	ThreadName  string `json:"thread_name"`
	Flags       int    `json:"flags"`
	Attachments []struct {
		ID          int    `json:"id"`
		Filename    string `json:"filename"`
		Description string `json:"description"`
	} `json:"attachments"`
	AllowedMentions *struct {
		Parse []string `json:"parse"`
	} `json:"allowed_mentions"`
}

func (s *Server) execute(w http.ResponseWriter, r *http.Request) {
	d, files, err := read(r)
	if err != nil {
		refuse(w, http.StatusBadRequest, 50109, "The request body contains invalid JSON.", nil)
		return
	}
	trouble := s.queue.Take()
	switch trouble {
	case faulty.ResetBefore:
		faulty.HangUp(w, true)
		return
	case faulty.Limit:
		w.Header().Set("Retry-After", "3")
		w.Header().Set("X-RateLimit-Scope", "user")
		answer(w, http.StatusTooManyRequests, map[string]any{"message": "You are being rate limited.", "retry_after": 2.4, "global": false})
		return
	case faulty.Expire:
		refuse(w, http.StatusUnauthorized, 50027, "Invalid Webhook Token", nil)
		return
	}
	thread := r.URL.Query().Get("thread_id")
	if s.refuses(w, d, files, thread) {
		return
	}
	made := s.keep(d, files, thread)
	switch {
	case faulty.Answer(w, r, trouble):
	case r.URL.Query().Get("wait") != "true":
		w.WriteHeader(http.StatusNoContent)
	default:
		answer(w, http.StatusOK, s.view(made))
	}
}

const maxContent = 2000

func (s *Server) refuses(w http.ResponseWriter, d draft, files []File, thread string) bool {
	field := func(name, code, message string) {
		refuse(w, http.StatusBadRequest, 50035, "Invalid Form Body", map[string]any{
			name: map[string]any{"_errors": []any{map[string]string{"code": code, "message": message}}},
		})
	}
	switch {
	case thread != "" && thread != ThreadID:
		refuse(w, http.StatusNotFound, 10003, "Unknown Channel", nil)
	case textcount.In(social.UTF16, d.Content) > maxContent:
		field("content", "BASE_TYPE_MAX_LENGTH", "Must be 2000 or fewer in length.")
	case d.Content == "" && len(files) == 0:
		refuse(w, http.StatusBadRequest, 50006, "Cannot send an empty message", nil)
	case s.opt.Forum && thread == "" && d.ThreadName == "":
		refuse(w, http.StatusBadRequest, 220001, "Webhooks posted to forum channels must have a thread_name or thread_id", nil)
	case !s.opt.Forum && d.ThreadName != "":
		refuse(w, http.StatusBadRequest, 220003, "Webhooks can only create threads in forum channels", nil)
	case strings.Contains(strings.ToLower(d.Username), "discord"):
		field("username", "USERNAME_INVALID_CONTAINS", `Username cannot contain "discord"`)
	case len(files) > 10:
		field("files", "BASE_TYPE_MAX_LENGTH", "Must be 10 or fewer in length.")
	default:
		for _, f := range files {
			if f.Bytes > s.opt.MaxFile {
				refuse(w, http.StatusRequestEntityTooLarge, 40005, "Request entity too large", nil)
				return true
			}
		}
		return false
	}
	return true
}

func (s *Server) keep(d draft, files []File, thread string) Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = max(s.last+1, (s.opt.Now().UnixMilli()-1420070400000)<<22)
	m := Message{
		ID: strconv.FormatInt(s.last, 10), Channel: ChannelID, Text: d.Content, Username: d.Username, ThreadName: d.ThreadName,
		Flags: d.Flags, Files: files,
	}
	if thread != "" {
		m.Channel = thread
	}
	if d.AllowedMentions != nil {
		m.Mentions = append([]string{}, d.AllowedMentions.Parse...)
	}
	s.messages = append(s.messages, m)
	return m
}

func (s *Server) view(m Message) map[string]any {
	attachments := []any{}
	for i, f := range m.Files {
		attachments = append(attachments, map[string]any{
			"id": strconv.Itoa(i + 1), "filename": f.Name, "description": f.Alt, "size": f.Bytes, "url": "https://cdn.discordapp.com/attachments/" + f.Name,
		})
	}
	return map[string]any{
		"id": m.ID, "channel_id": m.Channel, "content": m.Text, "timestamp": s.opt.Now().UTC().Format("2006-01-02T15:04:05.000000-07:00"),
		"webhook_id": WebhookID, "attachments": attachments, "flags": m.Flags,
	}
}

func (s *Server) message(w http.ResponseWriter, r *http.Request) {
	channel := ChannelID
	if thread := r.URL.Query().Get("thread_id"); thread != "" {
		channel = thread
	}
	for _, m := range s.Messages() {
		if m.ID == r.PathValue("message") && m.Channel == channel {
			view := s.view(m)
			view["reactions"] = []any{
				map[string]any{"count": 3, "emoji": map[string]any{"name": "🔔"}}, map[string]any{"count": 2, "emoji": map[string]any{"name": "👍"}},
			}
			answer(w, http.StatusOK, view)
			return
		}
	}
	refuse(w, http.StatusNotFound, 10008, "Unknown Message", nil)
}

// read takes JSON, or multipart with payload_json and files[n].
func read(r *http.Request) (d draft, files []File, err error) {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind != "multipart/form-data" {
		return d, nil, json.NewDecoder(r.Body).Decode(&d)
	}
	if err = r.ParseMultipartForm(64 << 20); err != nil {
		return d, nil, err
	}
	if err = json.Unmarshal([]byte(r.FormValue("payload_json")), &d); err != nil {
		return d, nil, err
	}
	for i, one := range d.Attachments {
		headers := r.MultipartForm.File[fmt.Sprintf("files[%d]", one.ID)]
		if len(headers) != 1 {
			return d, nil, fmt.Errorf("no file for attachment %d", i)
		}
		h := headers[0]
		files = append(files, File{Name: h.Filename, MIME: h.Header.Get("Content-Type"), Alt: one.Description, Bytes: h.Size})
	}
	return d, files, nil
}
