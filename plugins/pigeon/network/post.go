package network

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/carillonhq/carillon/plugins/sdk/textcount"
	"github.com/carillonhq/carillon/ports/social"
)

// A Post is one object on the network.
type Post struct {
	ID        string    `json:"id"`
	Order     int       `json:"order"` // counts all posts, from 1
	Author    string    `json:"author"`
	Text      string    `json:"text"`
	ReplyTo   string    `json:"reply_to,omitempty"`
	Root      string    `json:"root,omitempty"` // the first of the thread, unless it is this
	Media     []string  `json:"media,omitempty"`
	ClientRef string    `json:"client_ref,omitempty"` // the application's own mark, for looking up
	CreatedAt time.Time `json:"created_at"`
}

// postView is a post as the API shows it.
type postView struct {
	Post
	URL   string `json:"url"`
	State string `json:"state"` // live or in_review
}

func (n *Network) view(p *Post, r *http.Request) postView {
	return postView{*p, origin(r) + "/posts/" + p.ID, n.stateOf(p)}
}

// The words that have a post looked at before anybody else sees it: the one
// goes live in the end, the other is taken back.
const (
	review   Trouble = "#review"
	takedown Trouble = "#takedown"
)

// withdrawn is the state of a post that is not there any more.
const withdrawn = "withdrawn"

func (n *Network) stateOf(p *Post) string {
	looked := !n.opt.Now().Before(p.CreatedAt.Add(n.opt.ReviewFor))
	switch bad := mentions(p.Text, takedown); {
	case bad && looked:
		return withdrawn
	case !looked && (bad || mentions(p.Text, review)):
		return "in_review"
	}
	return "live"
}

func (n *Network) addPost(p *Post) {
	n.posts = append(n.posts, p)
	n.byID[p.ID] = p
	n.byAuthor[p.Author] = append(n.byAuthor[p.Author], p)
	if key := p.Author + " " + p.ClientRef; p.ClientRef != "" && n.byRef[key] == nil {
		n.byRef[key] = p
	}
	if p.ReplyTo != "" {
		n.replies[p.ReplyTo] = append(n.replies[p.ReplyTo], p)
	}
}

// draft is a request to post.
type draft struct {
	Text      string   `json:"text"`
	ReplyTo   string   `json:"reply_to"`
	Media     []string `json:"media"`
	ClientRef string   `json:"client_ref"`
}

// create posts, and meets whatever trouble is due.
func (n *Network) create(w http.ResponseWriter, r *http.Request, g *grant) {
	var d draft
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	if err := json.NewDecoder(r.Body).Decode(&d); err != nil {
		fail(http.StatusBadRequest, "invalid_json", "The body is no JSON object of a post.").write(w)
		return
	}
	n.mu.Lock()
	refusal, known := n.examine(d, g.Account)
	var trouble Trouble
	if refusal == nil && known == nil {
		trouble = n.choose(d, g.Account)
	}
	n.mu.Unlock()
	switch {
	case refusal != nil:
		refusal.write(w)
	case known != nil:
		answer(w, http.StatusOK, n.view(known, r))
	case !n.before(w, trouble, g):
		n.accept(w, r, g, d, trouble)
	}
}

// accept keeps the post, then answers as the trouble has it.
func (n *Network) accept(w http.ResponseWriter, r *http.Request, g *grant, d draft, trouble Trouble) {
	if trouble == Slow {
		n.pause(n.opt.SlowFor / 2)
	}
	n.mu.Lock()
	post, err := n.keep(d, g.Account)
	n.mu.Unlock()
	if err != nil {
		broken().write(w)
		return
	}
	if !n.after(w, trouble) {
		answer(w, http.StatusCreated, n.view(post, r))
	}
}

// examine refuses what the network does not take, and finds the post that was
// already made under a native key. The caller holds the lock.
func (n *Network) examine(d draft, account string) (*problem, *Post) {
	if known := n.byRef[account+" "+d.ClientRef]; n.opt.NativeKey && d.ClientRef != "" && known != nil {
		return nil, known
	}
	switch {
	case strings.TrimSpace(d.Text) == "" && len(d.Media) == 0:
		return fail(http.StatusUnprocessableEntity, "empty", "A post needs a text or a picture.").on("text"), nil
	case textcount.In(social.Graphemes, d.Text) > MaxText:
		return fail(http.StatusUnprocessableEntity, "text_too_long", "A text has at most 500 characters.").on("text"), nil
	case len(d.Media) > MaxMedia:
		return fail(http.StatusUnprocessableEntity, "too_many_media", "A post has at most 4 pictures.").on("media"), nil
	case d.ReplyTo != "" && n.byID[d.ReplyTo] == nil:
		return fail(http.StatusNotFound, "parent_gone", "The post this answers does not exist.").on("reply_to"), nil
	case len(d.ClientRef) > 200:
		return fail(http.StatusUnprocessableEntity, "client_ref_too_long", "A client_ref has at most 200 bytes.").on("client_ref"), nil
	}
	return n.examineMedia(d.Media, account), nil
}

func (n *Network) keep(d draft, account string) (*Post, error) {
	p := &Post{
		ID: random("p"), Order: len(n.posts) + 1, Author: account, Text: d.Text, ReplyTo: d.ReplyTo,
		Media: d.Media, ClientRef: d.ClientRef, CreatedAt: n.opt.Now().UTC(),
	}
	if parent := n.byID[d.ReplyTo]; parent != nil {
		p.Root = parent.ID
		if parent.Root != "" {
			p.Root = parent.Root
		}
	}
	if err := n.journal.put("post", p); err != nil {
		return nil, err
	}
	n.addPost(p)
	n.announce()
	return p, nil
}

// list answers with an author's posts, newest first, as far as the index has
// come: GET /api/v1/posts?author=&marker=&limit=.
func (n *Network) list(w http.ResponseWriter, r *http.Request, g *grant) {
	query := r.URL.Query()
	author := query.Get("author")
	if author == "" {
		author = g.Account
	}
	limit, err := strconv.Atoi(query.Get("limit"))
	if err != nil || limit < 1 || limit > 100 {
		limit = 40
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	found := []postView{}
	own := n.byAuthor[author]
	for i := len(own) - 1; i >= 0 && len(found) < limit; i-- {
		marker, one := query.Get("marker"), n.view(own[i], r)
		if n.opt.Unmarked {
			marker, one.ClientRef = "", ""
		}
		if n.indexed(own[i]) && (marker == "" || marker == own[i].ClientRef) {
			found = append(found, one)
		}
	}
	answer(w, http.StatusOK, map[string]any{"posts": found, "indexed_until": n.opt.Now().Add(-n.opt.IndexLag).UTC()})
}

func (n *Network) indexed(p *Post) bool { return !n.opt.Now().Before(p.CreatedAt.Add(n.opt.IndexLag)) }

func (n *Network) show(w http.ResponseWriter, r *http.Request, _ *grant) {
	n.mu.Lock()
	defer n.mu.Unlock()
	p := n.byID[r.PathValue("id")]
	if p == nil || n.stateOf(p) == withdrawn {
		fail(http.StatusNotFound, "not_found", "No such post.").write(w)
		return
	}
	answer(w, http.StatusOK, n.view(p, r))
}

// Objects lists every post, oldest first, indexed or not.
func (n *Network) Objects() []Post {
	n.mu.Lock()
	defer n.mu.Unlock()
	list := make([]Post, 0, len(n.posts))
	for _, p := range n.posts {
		list = append(list, *p)
	}
	return list
}
