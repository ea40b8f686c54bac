package declarative

import (
	"bytes"
	"encoding/json"
	"errors"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/carillonhq/carillon/ports/social"
)

// scope is what expressions see. Which of it means anything is decided by
// where an expression stands; check.go has the table.
type scope struct {
	Account     account           `expr:"account"`
	Credential  credential        `expr:"credential"`
	App         map[string]string `expr:"app"`
	Input       map[string]string `expr:"input"`
	Content     content           `expr:"content"`
	State       map[string]any    `expr:"state"`
	Attachment  attachment        `expr:"attachment"`
	Item        any               `expr:"item"`
	Index       int               `expr:"index"`
	Post        ref               `expr:"post"`
	Since       int               `expr:"since"` // seconds since 1970
	Answer      any               `expr:"answer"`
	Status      int               `expr:"status"`
	Header      map[string]string `expr:"header"` // names in lower case
	Idempotency string            `expr:"idempotency"`
}

type account struct {
	ID     string            `expr:"id"`
	Handle string            `expr:"handle"`
	Name   string            `expr:"name"`
	URL    string            `expr:"url"`
	Type   string            `expr:"type"`
	Public map[string]string `expr:"public"`
}

type credential struct {
	Token   string            `expr:"token"`
	Secrets map[string]string `expr:"secrets"`
	Public  map[string]string `expr:"public"`
}

type content struct {
	Format    string         `expr:"format"`
	Text      string         `expr:"text"`
	Media     []attachment   `expr:"media"`
	Settings  map[string]any `expr:"settings"`
	ReplyTo   *ref           `expr:"reply_to"`
	Root      *ref           `expr:"root"`
	Languages []string       `expr:"languages"`
	At        string         `expr:"at"` // RFC 3339
}

type attachment struct {
	ID      string  `expr:"id" json:"id"`
	Kind    string  `expr:"kind" json:"kind"`
	MIME    string  `expr:"mime" json:"mime"`
	Bytes   int     `expr:"bytes" json:"bytes"`
	Width   int     `expr:"width" json:"width"`
	Height  int     `expr:"height" json:"height"`
	Seconds float64 `expr:"seconds" json:"seconds"`
	Alt     string  `expr:"alt" json:"alt"`
	Name    string  `expr:"name" json:"name"` // the file name that it is uploaded under
}

type ref struct {
	ID    string            `expr:"id"`
	URL   string            `expr:"url"`
	Extra map[string]string `expr:"extra"`
}

func scopeOf(call social.Call, a social.Account) *scope {
	c := call.Credential
	return &scope{
		Account:     account{a.ID, a.Handle, a.Name, a.URL, a.Type, a.Public},
		Credential:  credential{c.AccessToken, c.Secrets, c.Public},
		App:         call.App,
		State:       map[string]any{},
		Idempotency: call.Idempotency,
	}
}

func contentOf(c social.Content) content {
	out := content{
		Format: c.Format, Text: c.Text, Settings: c.Settings, ReplyTo: refOf(c.ReplyTo), Root: refOf(c.Root), Languages: c.Languages,
	}
	if !c.At.IsZero() {
		out.At = c.At.UTC().Format(time.RFC3339)
	}
	for i, m := range c.Media {
		out.Media = append(out.Media, attachment{
			ID: m.ID, Kind: string(m.Kind), MIME: m.MIME, Bytes: int(m.Bytes), Width: m.Width, Height: m.Height,
			Seconds: m.Duration.Seconds(), Alt: m.Alt, Name: "attachment-" + strconv.Itoa(i+1) + extension(m.MIME),
		})
	}
	return out
}

// extension is a file name's ending; platforms go by it.
func extension(mime string) string {
	switch kind := path.Base(strings.ToLower(mime)); kind {
	case "jpeg", "pjpeg":
		return ".jpg"
	case "png", "gif", "webp", "avif", "mp4", "webm", "ogg", "wav", "flac":
		return "." + kind
	case "quicktime":
		return ".mov"
	case "mpeg":
		return ".mp3"
	}
	return ".bin"
}

func refOf(r *social.Ref) *ref {
	if r == nil {
		return nil
	}
	return &ref{r.ID, r.URL, r.Extra}
}

// What is read of an answer.
const (
	maxAnswer = 1 << 20
	maxValues = 20_000
)

var errTooMuch = errors.New("the answer holds too many values")

// readJSON is a JSON document with whole numbers as int, so that an id of 64
// bits stays what it is. It is nil for what is not JSON.
func readJSON(raw []byte) any {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil || d.More() {
		return nil
	}
	left := maxValues
	v, err := numbers(v, &left)
	if err != nil {
		return nil
	}
	return v
}

func numbers(v any, left *int) (any, error) {
	if *left--; *left < 0 {
		return nil, errTooMuch
	}
	var err error
	switch v := v.(type) {
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return int(i), nil
		}
		return v.Float64()
	case []any:
		for i := range v {
			if v[i], err = numbers(v[i], left); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for k := range v {
			if v[k], err = numbers(v[k], left); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}

// listOf is v as a list, or nothing.
func listOf(v any) []any {
	switch v := v.(type) {
	case []any:
		return v
	case []attachment:
		out := make([]any, len(v))
		for i := range v {
			out[i] = v[i]
		}
		return out
	case []string:
		out := make([]any, len(v))
		for i := range v {
			out[i] = v[i]
		}
		return out
	}
	return nil
}
