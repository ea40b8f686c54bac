package mastodonfake

import (
	"html"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// timeline answers newest first, between since_id and max_id.
func (s *Server) timeline(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	query := r.URL.Query()
	limit, err := strconv.Atoi(query.Get("limit"))
	if err != nil || limit < 1 || limit > 40 {
		limit = 20
	}
	if s.opt.Short > 0 {
		limit = min(limit, s.opt.Short)
	}
	list := []any{}
	for i := len(s.statuses) - 1; i >= 0 && len(list) < limit; i-- {
		one := s.statuses[i]
		if (s.opt.NoSince || newer(one.ID, query.Get("since_id"))) && (query.Get("max_id") == "" || newer(query.Get("max_id"), one.ID)) {
			list = append(list, s.view(one, r))
		}
	}
	answer(w, http.StatusOK, list)
}

// newer compares snowflakes: the longer, then the greater.
func newer(a, b string) bool { return len(a) > len(b) || len(a) == len(b) && a > b }

func (s *Server) status(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.byID(r.PathValue("id"))
	if one == nil {
		refuse(w, http.StatusNotFound, "Record not found")
		return
	}
	answer(w, http.StatusOK, s.view(one, r))
}

func (s *Server) batch(w http.ResponseWriter, r *http.Request) {
	if s.opt.NoBatch {
		refuse(w, http.StatusNotFound, "Record not found")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []any{}
	for _, id := range r.URL.Query()["id[]"] {
		if one := s.byID(id); one != nil {
			list = append(list, s.view(one, r))
		}
	}
	answer(w, http.StatusOK, list)
}

func (s *Server) source(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.byID(r.PathValue("id"))
	if one == nil || s.opt.NoSource {
		refuse(w, http.StatusNotFound, "Record not found")
		return
	}
	answer(w, http.StatusOK, map[string]string{"id": one.ID, "text": one.Text, "spoiler_text": one.Spoiler})
}

func (s *Server) view(one *Status, r *http.Request) map[string]any {
	media := []any{}
	for _, id := range one.Media {
		media = append(media, map[string]string{"id": id, "type": "image", "description": s.media[id].alt})
	}
	age := s.opt.Now().Sub(one.At).Minutes()
	view := map[string]any{
		"id": one.ID, "created_at": one.At.Format(time.RFC3339Nano), "url": "http://" + r.Host + "/@ann/" + one.ID,
		"uri": "http://" + r.Host + "/users/ann/statuses/" + one.ID, "content": s.html(one.Text), "spoiler_text": one.Spoiler,
		"visibility": one.Visibility, "in_reply_to_id": nil, "media_attachments": media,
		"favourites_count": int(age), "reblogs_count": int(age / 4), "replies_count": 0, "quotes_count": 0,
	}
	if one.InReplyTo != "" {
		view["in_reply_to_id"] = one.InReplyTo
	}
	return view
}

var (
	urlPattern = regexp.MustCompile(`https?://[^\s<>"]+`)
	tagPattern = regexp.MustCompile(`(^|\s)#(\w+)`)
	atPattern  = regexp.MustCompile(`(^|\s)@(\w+)@([\w.-]+\w)`)
)

// html is a text as Mastodon shows it: paragraphs, and links whose scheme is
// there but hidden.
func (s *Server) html(text string) string {
	if s.opt.Markdown {
		text = strings.NewReplacer("*", "", "- ", "• ").Replace(text)
	}
	out := html.EscapeString(text)
	out = urlPattern.ReplaceAllStringFunc(out, func(link string) string {
		scheme, rest, _ := strings.Cut(link, "://")
		return `<a href="` + link + `" rel="nofollow noopener"><span class="invisible">` + scheme + `://</span><span class="ellipsis">` +
			rest[:len(rest)/2] + `</span><span class="invisible">` + rest[len(rest)/2:] + `</span></a>`
	})
	out = tagPattern.ReplaceAllString(out, `$1<a href="/tags/$2" class="mention hashtag" rel="tag">#<span>$2</span></a>`)
	out = atPattern.ReplaceAllString(out, `$1<span class="h-card"><a href="https://$3/@$2" class="u-url mention">@<span>$2</span></a></span>`)
	out = strings.ReplaceAll(out, "\n\n", "</p><p>")
	return "<p>" + strings.ReplaceAll(out, "\n", "<br />") + "</p>"
}

func shortened(text string) string {
	text = atPattern.ReplaceAllString(text, "$1@$2")
	return urlPattern.ReplaceAllString(text, strings.Repeat("x", 23))
}
