package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/carillonhq/carillon/ports/id"
)

// A request is one that is about to be sent.
type request struct {
	number    int64
	op        *operation
	as        *principal
	method    string
	path      string // escaped
	query     string
	header    http.Header
	body      []byte
	anonymous bool // its credential was taken away or is none
	elsewhere bool // it names the other side's tenant
}

// compose makes the request that an operation asks for and spoils it a little,
// or not at all.
func compose(d *rand.Rand, c *contract, s *stage) *request {
	op := pick(d, c.lots)
	for op.ID == "setMaintenance" && !chance(d, 10) && len(c.operations) > 1 { // which ends for everybody what there is to see
		op = pick(d, c.lots)
	}
	q := &request{op: op, as: pick(d, s.cast), method: op.Method, header: http.Header{}}
	if op.Realm && !chance(d, 8) || chance(d, 100) {
		q.as = s.operator
	}
	q.anonymous = !q.as.someone
	q.address(d, s)
	q.head(d)
	body := q.fill(d, s)
	for range pick(d, []int{0, 0, 1, 1, 1, 1, 2, 3}) {
		switch n := d.IntN(20); {
		case n < 12 && body != nil:
			body = spoil(d, body)
		case n == 12:
			q.method = pick(d, []string{"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
		case n < 6 || n > 15:
			q.spoilHeader(d, s)
		default:
			q.spoilQuery(d)
		}
	}
	if body != nil {
		q.body = encode(d, body)
	}
	return q
}

// home is the side whose things a request is about, mostly that of who asks.
func (q *request) home(d *rand.Rand, s *stage) *side {
	if q.as.side != nil && !chance(d, 12) {
		return q.as.side
	}
	return pick(d, []*side{s.red, s.blue})
}

// address writes names into the path and some parameters into the query.
func (q *request) address(d *rand.Rand, s *stage) {
	q.path = "/api/v1" + q.op.Path
	query := url.Values{}
	for _, p := range q.op.Params {
		switch {
		case p.In == "path":
			q.path = strings.ReplaceAll(q.path, "{"+p.Name+"}", url.PathEscape(q.value(d, s, p)))
		case p.In == "query" && (p.Required && !chance(d, 20) || chance(d, 3)):
			query.Set(p.Name, q.value(d, s, p))
		case p.In == "header" && (p.Required || chance(d, 2)):
			q.header.Set(p.Name, printable(q.value(d, s, p)))
		}
	}
	q.query = query.Encode()
}

// named are good values of parameters that are no ids.
var named = map[string][]string{
	"platform": {"org.carillonhq.pigeon", "org.joinmastodon"}, "plugin": {"org.carillonhq.pigeon", "org.joinmastodon", "app.bsky"}, "provider": {"google", "there"},
	"plugin_key": {"0123456789abcdef"}, "flag": {"calendar.next", "x"}, "role": {"owner", "viewer"}, "reassign_to": {"viewer", "custom:x"}, "q": {"mutate", "usr_", "w"},
	"include": {"media", "metrics", "media,metrics"}, "ticket": {"x.y"}, "type": {"post.*", "post.scheduled"}, "action": {"post.*", "post.create"}, "actor": {"system"},
	"If-Match": {`"v1"`, `"v1"`, `"v1"`, `"v2"`, `"v3"`, `"v0"`}, "If-None-Match": {`"v1"`, "*"}, "Range": {"bytes=0-10", "bytes=5-", "bytes=-3"}, "If-Range": {`"x"`},
	"Prefer": {"wait=0", "wait=1"}, "Last-Event-ID": {"0", "1"}, "alt": {"A bell"}, "name": {"bell.png"}, "subject": {"post_x"},
}

// value is one for a parameter: mostly good, now and then of another kind, of
// another tenant or none at all.
func (q *request) value(d *rand.Rand, s *stage, p parameter) string {
	home := q.home(d, s)
	switch n := d.IntN(20); {
	case n == 0:
		return pick(d, words)
	case n == 1:
		return home.some(d, pick(d, []string{"post", "chn", "usr", "ten", "whk", "key", "ses"}))
	case n == 2:
		return pick(d, numbers)
	case p.Name == "Idempotency-Key" && n < 5:
		return fmt.Sprint("again-", d.IntN(50))
	case p.Name == "Idempotency-Key":
		return id.New("x")
	case p.Name == "cursor":
		return home.some(d, "cursor")
	case p.Prefix != "":
		return home.some(d, p.Prefix)
	case p.Name == "plugin" && q.as.side == nil:
		return "org.joinmastodon" // the other one is what the cast is furnished with
	case named[p.Name] != nil:
		return pick(d, named[p.Name])
	case len(p.Schema.Enum) > 0:
		return fmt.Sprint(pick(d, p.Schema.Enum))
	case p.Schema.Format == "date-time":
		return pick(d, []string{"2026-11-23T00:00:00Z", "2026-12-01T00:00:00Z", "2027-09-01T00:00:00Z", "2027-09-20T00:00:00Z"})
	case p.Schema.Type == "boolean":
		return pick(d, []string{"true", "false"})
	case p.Schema.Type == "integer":
		return pick(d, []string{"1", "5", "20", "100"})
	}
	return pick(d, words)
}

// head sets what every request has.
func (q *request) head(d *rand.Rand) {
	if token := q.as.token(); token != "" {
		q.header.Set("Authorization", "Bearer "+token)
	}
	if q.as.tenant != "" {
		q.header.Set("Carillon-Tenant", q.as.tenant)
	}
	q.header.Set("X-Forwarded-For", fmt.Sprintf("198.51.%d.%d", d.IntN(100), 1+d.IntN(200)))
}

// fill is the body of an operation, with names of its side; nil if it takes
// none or no JSON, which is then there already.
func (q *request) fill(d *rand.Rand, s *stage) any {
	switch {
	case q.op.Kind == "" && chance(d, 20):
		q.header.Set("Content-Type", "application/json")
		return map[string]any{}
	case q.op.Kind == "":
		return nil
	case !strings.HasSuffix(q.op.Kind, "json"):
		q.header.Set("Content-Type", pick(d, []string{"image/png", "image/gif", "application/octet-stream", "multipart/form-data; boundary=b", "image/svg+xml"}))
		q.body = []byte(pick(d, files))
		return nil
	}
	q.header.Set("Content-Type", q.op.Kind)
	return rename(d, q.home(d, s), q.as.signs(), q.op.Body)
}

// files are what is uploaded: a picture, parts of one, and what is none.
var files = []string{
	"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;",
	"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff,\x00\x00", "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\xff\xff\xff\xff\x7f\xff\xff\xff\x08\x06\x00\x00\x00",
	"\xff\xd8\xff\xe1\x00\x20Exif\x00\x00MM", "RIFF\xff\xff\xff\xffWEBPVP8X\n\x00\x00\x00\x02\x00\x00\x00", "<svg onload=alert(1)>", "", "\x1f\x8b\x08\x00", "PK\x03\x04",
	"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"../x.gif\"\r\n\r\nGIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;\r\n--b--\r\n",
	"--b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n", "--b\r\n\r\n--b--", "----", "--b\r\nContent-Disposition: form-data; name=\"alt\"\r\n\r\nx\r\n--b--\r\n",
}

// signs is the marker of what p writes.
func (p *principal) signs() string {
	if p.side == nil {
		return "nobodys"
	}
	return p.side.marker
}

// rename is a copy of an example with the names of a side in it.
func rename(d *rand.Rand, home *side, sign string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for _, k := range sortedKeys(v) {
			out[k] = rename(d, home, sign, v[k])
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = rename(d, home, sign, v[i])
		}
		return out
	case string:
		return renamed(d, home, sign, v)
	}
	return v
}

func renamed(d *rand.Rand, home *side, sign, v string) string {
	switch m := nameLike.FindStringSubmatch(v); {
	case m != nil:
		return home.some(d, m[1])
	case strings.HasSuffix(v, "@example.com"):
		return fmt.Sprintf("%s-%d@example.com", sign, d.IntN(1000))
	case v == "org.joinmastodon" && !chance(d, 4):
		return "org.carillonhq.pigeon"
	case v == "copywriter" || v == "social.example.com" || v == "192.0.2.0/24":
		return strings.NewReplacer("copywriter", fmt.Sprint("r", d.IntN(1000)), "social", fmt.Sprint(sign, d.IntN(1000)), ".2.0", fmt.Sprintf(".2.%d", d.IntN(255))).Replace(v)
	}
	return v
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// encode writes a body, and now and then spoils the text of it.
func encode(d *rand.Rand, body any) []byte {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(body); err != nil {
		return []byte("{")
	}
	text := bytes.TrimSpace(out.Bytes())
	if chance(d, 10) {
		return garble(d, text)
	}
	return text
}
