// Package telegramfake is a Telegram Bot API server small enough for a test.
//
// It has one bot and one chat, and the methods that publishing needs, with the
// answers of Bot API 10.1: ok and result, or error_code, description and
// parameters. Like the real one it takes parameters as JSON, form or multipart,
// counts a text in UTF-8 characters, forgets nothing and tells nothing: a bot
// cannot read what it posted. Start with New.
package telegramfake

import (
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

// Options are the switches. The zero value is a public channel that the bot
// administers.
type Options struct {
	Type     string // of the chat: "channel" if empty, else "supergroup", "group", "private"
	Private  bool   // the chat has no name, only a number
	NoRights bool   // the bot is a member, no administrator
	Kicked   bool
	Migrated bool // the group has become a supergroup
	Now      func() time.Time
}

// The chat and who posts to it.
const (
	ChatID   = -1001234567890
	Username = "harbour_bakery"
	botID    = 987654321
	moved    = -1009876543210
)

// A Server is one bot's API. It is an http.Handler.
type Server struct {
	Token   string
	Another string // if set, the token of a second bot with the same rights
	opt     Options
	queue   faulty.Queue

	mu       sync.Mutex
	messages []Message
	last     int
}

// A Message is one message in the chat. The parts of an album are one message
// each, as in the real thing.
type Message struct {
	ID, ReplyTo, Topic int
	Text, ParseMode    string
	Files              []File
	Silent, Protected  bool
	NoPreview          bool
	Album              string
}

// A File is one attachment, as it arrived.
type File struct {
	Field, Name, MIME string
	Bytes             int64
}

// New makes a server.
func New(opt Options) *Server {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Type == "" {
		opt.Type = "channel"
	}
	return &Server{Token: "4839574812:AAFD39kkdpWt3ywyRZergyOLMaJhac60qc", opt: opt, last: 100}
}

// Trouble arms one trouble for the next message sent.
func (s *Server) Trouble(name string) { s.queue.Arm(faulty.Trouble(name)) }

// Messages lists what is there, oldest first.
func (s *Server) Messages() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Message(nil), s.messages...)
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	token, method, ok := strings.Cut(strings.TrimPrefix(r.URL.Path, "/bot"), "/")
	switch {
	case !ok || !strings.HasPrefix(r.URL.Path, "/bot") || !strings.Contains(token, ":"):
		refuse(w, http.StatusNotFound, "Not Found", nil)
		return
	case token != s.Token && (s.Another == "" || token != s.Another):
		refuse(w, http.StatusUnauthorized, "Unauthorized", nil)
		return
	}
	in, err := read(r)
	if err != nil {
		refuse(w, http.StatusBadRequest, "Bad Request: can't parse the request", nil)
		return
	}
	serve, ok := map[string]func(http.ResponseWriter, *http.Request, *params){
		"getme": s.me, "getchat": s.chat, "getchatmember": s.member,
		"sendmessage": s.send, "sendphoto": s.send, "sendvideo": s.send, "sendmediagroup": s.send,
	}[strings.ToLower(method)]
	if !ok {
		refuse(w, http.StatusNotFound, "Not Found: method not found", nil)
		return
	}
	in.method = strings.ToLower(method)
	serve(w, r, in)
}

func answer(w http.ResponseWriter, result any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"ok": true, "result": result})
}

func refuse(w http.ResponseWriter, status int, description string, parameters map[string]any) {
	body := map[string]any{"ok": false, "error_code": status, "description": description}
	if parameters != nil {
		body["parameters"] = parameters
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func (s *Server) me(w http.ResponseWriter, _ *http.Request, _ *params) {
	answer(w, map[string]any{"id": botID, "is_bot": true, "first_name": "Bells", "username": "bells_bot"})
}

func (s *Server) view() map[string]any {
	chat := map[string]any{"id": ChatID, "title": "Harbour Bakery", "type": s.opt.Type}
	if !s.opt.Private {
		chat["username"] = Username
	}
	return chat
}

// here reports whether the parameters name the chat.
func (s *Server) here(w http.ResponseWriter, in *params) bool {
	id := in.text("chat_id")
	switch {
	case id != strconv.Itoa(ChatID) && (s.opt.Private || !strings.EqualFold(id, "@"+Username)):
		refuse(w, http.StatusBadRequest, "Bad Request: chat not found", nil)
	case s.opt.Migrated:
		refuse(w, http.StatusBadRequest, "Bad Request: group chat was upgraded to a supergroup chat", map[string]any{"migrate_to_chat_id": moved})
	case s.opt.Kicked:
		refuse(w, http.StatusForbidden, "Forbidden: bot was kicked from the channel chat", nil)
	default:
		return true
	}
	return false
}

func (s *Server) chat(w http.ResponseWriter, _ *http.Request, in *params) {
	if s.here(w, in) {
		answer(w, s.view())
	}
}

func (s *Server) member(w http.ResponseWriter, _ *http.Request, in *params) {
	if !s.here(w, in) {
		return
	}
	one := map[string]any{"status": "administrator", "can_post_messages": true, "user": map[string]any{"id": botID}}
	if s.opt.NoRights {
		one = map[string]any{"status": "member", "user": map[string]any{"id": botID}}
	}
	answer(w, one)
}

func (s *Server) send(w http.ResponseWriter, r *http.Request, in *params) {
	trouble := s.queue.Take()
	switch trouble {
	case faulty.ResetBefore:
		faulty.HangUp(w, true)
		return
	case faulty.Limit:
		refuse(w, http.StatusTooManyRequests, "Too Many Requests: retry after 35", map[string]any{"retry_after": 35})
		return
	case faulty.Expire:
		refuse(w, http.StatusUnauthorized, "Unauthorized", nil)
		return
	}
	if !s.here(w, in) {
		return
	}
	s.mu.Lock()
	made, why := s.make(in)
	s.mu.Unlock()
	switch {
	case why != "":
		refuse(w, http.StatusBadRequest, why, nil)
	case !faulty.Answer(w, r, trouble):
		s.tell(w, in, made)
	}
}

func (s *Server) tell(w http.ResponseWriter, in *params, made []Message) {
	views := make([]map[string]any, len(made))
	for i, m := range made {
		views[i] = map[string]any{"message_id": m.ID, "date": s.opt.Now().Unix(), "chat": s.view()}
		if m.Text != "" {
			views[i]["text"] = m.Text
		}
	}
	if in.method == "sendmediagroup" {
		answer(w, views)
		return
	}
	answer(w, views[0])
}

const noRights = "Bad Request: not enough rights to send text messages to the chat"

// make keeps the messages that in asks for, or says why not.
func (s *Server) make(in *params) (made []Message, why string) {
	var reply struct {
		ID int `json:"message_id"`
	}
	in.object("reply_parameters", &reply)
	var preview struct {
		Off bool `json:"is_disabled"`
	}
	in.object("link_preview_options", &preview)
	topic, _ := strconv.Atoi(in.text("message_thread_id"))
	base := Message{
		ReplyTo: reply.ID, Topic: topic, ParseMode: in.text("parse_mode"), Silent: in.text("disable_notification") == "true",
		Protected: in.text("protect_content") == "true", NoPreview: preview.Off,
	}
	switch {
	case s.opt.NoRights && s.opt.Type == "channel":
		return nil, noRights
	case reply.ID != 0 && !s.has(reply.ID):
		return nil, "Bad Request: message to be replied not found"
	}
	if made, why = in.messages(base); why != "" {
		return nil, why
	}
	for i := range made {
		s.last++
		made[i].ID = s.last
	}
	s.messages = append(s.messages, made...)
	return made, ""
}

func (s *Server) has(id int) bool {
	for _, m := range s.messages {
		if m.ID == id {
			return true
		}
	}
	return false
}

// The limits of the API.
const (
	maxText    = 4096
	maxCaption = 1024
	maxPhoto   = 10 << 20
	maxVideo   = 50 << 20
	maxAlbum   = 10
)

func (in *params) messages(base Message) ([]Message, string) {
	switch in.method {
	case "sendmessage":
		base.Text = in.text("text")
		switch {
		case strings.TrimSpace(base.Text) == "":
			return nil, "Bad Request: message text is empty"
		case textcount.In(social.Codepoints, base.Text) > maxText:
			return nil, "Bad Request: message is too long"
		}
		return []Message{base}, entities(base.Text, base.ParseMode)
	case "sendmediagroup":
		return in.album(base)
	}
	kind := strings.TrimPrefix(in.method, "send")
	base.Text = in.text("caption")
	file, why := in.file(kind, kind)
	if why == "" && textcount.In(social.Codepoints, base.Text) > maxCaption {
		why = "Bad Request: message caption is too long"
	}
	if why != "" {
		return nil, why
	}
	base.Files = []File{file}
	return []Message{base}, entities(base.Text, base.ParseMode)
}

func (in *params) album(base Message) (made []Message, why string) {
	var items []struct{ Type, Media, Caption, ParseMode string }
	var raw []map[string]string
	in.object("media", &raw)
	for _, one := range raw {
		items = append(items, struct{ Type, Media, Caption, ParseMode string }{one["type"], one["media"], one["caption"], one["parse_mode"]})
	}
	if len(items) < 2 || len(items) > maxAlbum {
		return nil, "Bad Request: wrong number of media in the album"
	}
	for i, item := range items {
		name, ok := strings.CutPrefix(item.Media, "attach://")
		if !ok {
			return nil, "Bad Request: wrong file identifier/HTTP URL specified"
		}
		file, why := in.file(name, item.Type)
		if why == "" {
			why = entities(item.Caption, item.ParseMode)
		}
		if why == "" && textcount.In(social.Codepoints, item.Caption) > maxCaption {
			why = "Bad Request: message caption is too long"
		}
		if why != "" {
			return nil, why
		}
		one := base
		one.Text, one.ParseMode, one.Files, one.Album = item.Caption, item.ParseMode, []File{file}, "1"
		if i > 0 {
			one.ReplyTo = 0
		}
		made = append(made, one)
	}
	return made, ""
}

func (in *params) file(field, kind string) (File, string) {
	file, ok := in.files[field]
	switch {
	case !ok:
		return File{}, fmt.Sprintf("Bad Request: there is no %s in the request", kind)
	case kind == "photo" && file.Bytes > maxPhoto, file.Bytes > maxVideo:
		return File{}, "Bad Request: file is too big"
	case file.Bytes == 0:
		return File{}, "Bad Request: file must be non-empty"
	}
	return file, ""
}

// entities refuses formatting that does not close, as far as a test needs it.
func entities(text, mode string) string {
	const cannot = "Bad Request: can't parse entities: "
	switch mode {
	case "":
		return ""
	case "HTML":
		if strings.Count(text, "<") != strings.Count(text, ">") || strings.Count(text, "<b>") != strings.Count(text, "</b>") {
			return cannot + "Can't find end tag corresponding to start tag \"b\""
		}
	case "MarkdownV2":
		for i, c := range text {
			if strings.ContainsRune(".!-=+|{}()#>", c) && (i == 0 || text[i-1] != '\\') {
				return cannot + fmt.Sprintf("Character '%c' is reserved and must be escaped with the preceding '\\'", c)
			}
		}
	default:
		return "Bad Request: unsupported parse_mode"
	}
	return ""
}
