package mailbox

import (
	"encoding/json"
	"html/template"
	"net/http"
	"regexp"
	"strings"
	"sync"

	"github.com/carillonhq/carillon/ports/fault"
)

// Handler shows the mail: a page at /, a message at /m/{id}, its HTML at
// /m/{id}/html, and everything as JSON at /index.json. Links in it are
// relative, so it can live under any prefix that ends in a slash.
func (b *Box) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", b.index)
	mux.HandleFunc("GET /index.json", b.json)
	mux.HandleFunc("GET /m/{id}", b.one)
	mux.HandleFunc("GET /m/{id}/html", b.html)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("Referrer-Policy", "no-referrer") // the links in here are secrets
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Content-Security-Policy", pagePolicy)
		mux.ServeHTTP(w, r)
	})
}

// A page may show itself and nothing else; a message's own HTML may not even
// run, load or link back to here.
const (
	pagePolicy = "default-src 'none'; style-src 'sha256-" + styleHash + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	mailPolicy = "sandbox allow-popups allow-top-navigation-by-user-activation; default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
)

func (b *Box) index(w http.ResponseWriter, _ *http.Request) {
	list, err := b.List()
	if err != nil {
		fail(w, err)
		return
	}
	render(w, "index", list)
}

func (b *Box) json(w http.ResponseWriter, _ *http.Request) {
	list, err := b.List()
	if err != nil {
		fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"data": list}) // the reader has gone
}

func (b *Box) one(w http.ResponseWriter, r *http.Request) {
	e, err := b.Get(r.PathValue("id"))
	if err != nil {
		fail(w, err)
		return
	}
	render(w, "message", struct {
		Entry
		Parts []part
	}{*e, parts(e.Text)})
}

func (b *Box) html(w http.ResponseWriter, r *http.Request) {
	e, err := b.Get(r.PathValue("id"))
	if err != nil || e.HTML == "" {
		fail(w, err)
		return
	}
	w.Header().Set("Content-Security-Policy", mailPolicy)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write([]byte(e.HTML)) // the reader has gone
}

func fail(w http.ResponseWriter, err error) {
	status := http.StatusNotFound
	if err != nil && !fault.Is(err, fault.NotFound) {
		status = http.StatusInternalServerError
	}
	http.Error(w, http.StatusText(status), status)
}

// A part of a text is words or a link.
type part struct {
	Text string
	Link bool
}

var links = regexp.MustCompile(`https?://[^\s<>"]+`)

// parts finds the links in a text. What is no link is shown as it is.
func parts(text string) (list []part) {
	end := 0
	for _, at := range links.FindAllStringIndex(text, -1) {
		list = append(list, part{Text: text[end:at[0]]}, part{Text: text[at[0]:at[1]], Link: true})
		end = at[1]
	}
	return append(list, part{Text: text[end:]})
}

func render(w http.ResponseWriter, name string, data any) {
	var page strings.Builder
	if err := pages().ExecuteTemplate(&page, name, data); err != nil {
		fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write([]byte(page.String())) // the reader has gone
}

// style is the pages' only one; the policy names it by its hash.
const style = `body{font:16px/1.5 system-ui,sans-serif;max-width:46em;margin:2em auto;padding:0 1em;color-scheme:light dark}
table{width:100%;border-collapse:collapse}
th,td{text-align:left;padding:.35em .75em .35em 0;border-bottom:1px solid #8884;vertical-align:top}
pre{white-space:pre-wrap;overflow-wrap:anywhere;padding:1em;border:1px solid #8884;border-radius:.4em}
`

const styleHash = "LVouCwxxW0nkCkvJmCDig2JAOYcpq27c83D76il8cS4="

var pages = sync.OnceValue(func() *template.Template { return template.Must(template.New("").Parse(pagesHTML)) })

const pagesHTML = `
{{define "top"}}<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{{.}}</title><style>` + style + `</style></head><body>{{end}}

{{define "index"}}{{template "top" "Mailbox"}}<h1>Mailbox</h1>
<p>Mail that this development server would have sent, latest first.</p>
{{if .}}<table><thead><tr><th>To</th><th>Subject</th><th>When</th></tr></thead><tbody>
{{range .}}<tr><td>{{.To}}</td><td><a href="m/{{.ID}}">{{.Subject}}</a></td><td>{{.At.Format "2006-01-02 15:04:05 MST"}}</td></tr>
{{end}}</tbody></table>{{else}}<p>Nothing yet. Register somebody.</p>{{end}}</body></html>{{end}}

{{define "message"}}{{template "top" .Subject}}<p><a href="../">All mail</a>{{if .HTML}} · <a href="{{.ID}}/html">as HTML</a>{{end}}</p>
<h1>{{.Subject}}</h1><p>{{with .From}}From {{.}}, {{end}}{{with .ReplyTo}}replies to {{.}}, {{end}}To {{.To}}, {{.At.Format "2006-01-02 15:04:05 MST"}}</p>
<pre>{{range .Parts}}{{if .Link}}<a href="{{.Text}}" rel="noreferrer">{{.Text}}</a>{{else}}{{.Text}}{{end}}{{end}}</pre></body></html>{{end}}
`
