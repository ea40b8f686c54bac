package network

import (
	"embed"
	"fmt"
	"html/template"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

//go:embed assets
var assets embed.FS

// pages are read when somebody looks at one: the plugin, which shows none, has
// this package in its program too.
var pages = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("").Funcs(template.FuncMap{"ago": ago, "rich": rich, "count": count}).ParseFS(assets, "assets/*.html"))
})

// pageSize is how many threads a page shows.
const pageSize = 50

// card is a post as a page shows it, with its answers.
type card struct {
	Post     *Post
	Author   *Account
	Hue      int // of the author's colour, a twelfth of the circle
	Pictures []*Media
	Figures  map[string]float64
	Age      time.Duration
	Replies  []card
}

type page struct {
	Title, Lead string
	Cards       []card
	Total       int
	Accounts    []*Account
}

func (n *Network) timelinePage(w http.ResponseWriter, _ *http.Request) {
	n.mu.Lock()
	defer n.mu.Unlock()
	p := page{Title: "Timeline", Lead: "What everybody posted, newest first.", Total: len(n.posts), Accounts: n.accounts}
	for i := len(n.posts) - 1; i >= 0 && len(p.Cards) < pageSize; i-- {
		if n.posts[i].ReplyTo == "" {
			p.Cards = append(p.Cards, n.card(n.posts[i], 0))
		}
	}
	render(w, "page.html", p)
}

func (n *Network) profilePage(w http.ResponseWriter, r *http.Request) {
	handle, at := strings.CutPrefix(r.PathValue("handle"), "@")
	n.mu.Lock()
	defer n.mu.Unlock()
	a := n.byHandle[handle]
	if a == nil || !at {
		http.NotFound(w, r)
		return
	}
	own := n.byAuthor[a.ID]
	p := page{Title: a.Name, Lead: "@" + a.Handle, Total: len(own), Accounts: n.accounts}
	for i := len(own) - 1; i >= 0 && len(p.Cards) < pageSize; i-- {
		if own[i].ReplyTo == "" {
			p.Cards = append(p.Cards, n.card(own[i], 0))
		}
	}
	render(w, "page.html", p)
}

func (n *Network) postPage(w http.ResponseWriter, r *http.Request) {
	n.mu.Lock()
	defer n.mu.Unlock()
	post := n.byID[r.PathValue("id")]
	if post == nil {
		http.NotFound(w, r)
		return
	}
	render(w, "page.html", page{Title: "Post", Lead: "One post and what was answered.", Cards: []card{n.card(post, 0)}, Total: 1, Accounts: n.accounts})
}

// card gathers a post and its answers, as deep as a page can show.
func (n *Network) card(p *Post, depth int) card {
	now := n.opt.Now()
	c := card{Post: p, Author: n.account(p.Author), Hue: int(fraction(p.Author) * 12), Figures: n.figures(p, now), Age: now.Sub(p.CreatedAt)}
	for _, id := range p.Media {
		c.Pictures = append(c.Pictures, n.media[id])
	}
	if depth < 30 {
		for _, reply := range n.replies[p.ID] {
			c.Replies = append(c.Replies, n.card(reply, depth+1))
		}
	}
	return c
}

func (n *Network) authorizePage(w http.ResponseWriter, r *http.Request) {
	n.mu.Lock()
	defer n.mu.Unlock()
	asked, refusal := n.check(r.URL.Query())
	if refusal != nil {
		refusal.write(w)
		return
	}
	target, _ := url.Parse(asked.Redirect) // check parsed it
	w.Header().Set("Content-Security-Policy", policy(target.Scheme+"://"+target.Host))
	render(w, "authorize.html", struct {
		ask
		OpenID   bool
		App      string
		Accounts []*Account
	}{asked, asked.openID(), target.Host, n.accounts})
}

func render(w http.ResponseWriter, name string, data any) {
	var out strings.Builder
	if err := pages().ExecuteTemplate(&out, name, data); err != nil {
		http.Error(w, "This page could not be drawn.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write([]byte(out.String()))
}

func (n *Network) asset(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	if strings.HasSuffix(name, ".html") {
		http.NotFound(w, r)
		return
	}
	http.ServeFileFS(w, r, assets, "assets/"+name)
}

// rich marks links and tags in a text. Everything else is escaped.
func rich(text string) template.HTML {
	var out strings.Builder
	for i, line := range strings.Split(text, "\n") {
		if i > 0 {
			out.WriteString("<br>")
		}
		for j, word := range strings.Split(line, " ") {
			if j > 0 {
				out.WriteByte(' ')
			}
			out.WriteString(richWord(word))
		}
	}
	return template.HTML(out.String()) //nolint:gosec // richWord escapes each word
}

func richWord(word string) string {
	escaped := template.HTMLEscapeString(word)
	switch {
	case strings.HasPrefix(word, "https://"), strings.HasPrefix(word, "http://"):
		return `<a rel="nofollow noopener" href="` + escaped + `">` + escaped + `</a>`
	case len(word) > 1 && (word[0] == '#' || word[0] == '@'):
		return `<b>` + escaped + `</b>`
	}
	return escaped
}

func ago(d time.Duration) string {
	switch {
	case d < time.Minute:
		return "just now"
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d d", int(d.Hours()/24))
}

func count(n float64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%.0f %ss", n, noun)
}

// announce wakes every open page. The caller holds the lock.
func (n *Network) announce() {
	for watcher := range n.watchers {
		select {
		case watcher <- struct{}{}:
		default: // it has not drawn the last news yet
		}
	}
}

// live tells a page when to draw itself again, as server-sent events.
func (n *Network) live(w http.ResponseWriter, r *http.Request) {
	out := http.NewResponseController(w)
	_ = out.SetWriteDeadline(time.Time{}) // not every server sets one
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	watcher := make(chan struct{}, 1)
	n.watch(watcher, true)
	defer n.watch(watcher, false)
	beat := time.NewTicker(15 * time.Second)
	defer beat.Stop()
	message := ": hello\n\n"
	for {
		if _, err := w.Write([]byte(message)); err != nil || out.Flush() != nil {
			return
		}
		select {
		case <-watcher:
			message = "event: posted\ndata: {}\n\n"
		case <-beat.C:
			message = ": beat\n\n"
		case <-r.Context().Done():
			return
		case <-n.closed:
			return
		}
	}
}

func (n *Network) watch(watcher chan struct{}, on bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if on {
		n.watchers[watcher] = true
		return
	}
	delete(n.watchers, watcher)
}

// debugPosts lists every object with its client_ref, in the order of creation,
// for the crash driver to count. It answers on loopback only.
func (n *Network) debugPosts(w http.ResponseWriter, r *http.Request) {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
		http.NotFound(w, r)
		return
	}
	answer(w, http.StatusOK, map[string]any{"posts": n.Objects()})
}
