package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httputil"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// judge looks at answers and counts them.
type judge struct {
	rig  *rig
	seed uint64
	sent atomic.Int64

	mu       sync.Mutex
	statuses map[int]int64
	reached  map[string]bool  // operations that succeeded
	found    map[string]int64 // what should not be, by kind
	known    map[string]bool  // reasons: whether they have a page
}

// verdict is what was proved.
type verdict struct {
	Pass     bool             `json:"pass"`
	Seed     uint64           `json:"seed"`
	Requests int64            `json:"requests"`
	Rate     int              `json:"per_second"`
	Seconds  int              `json:"seconds"`
	Statuses map[int]int64    `json:"statuses"`
	Reached  int              `json:"operations_that_succeeded"`
	Found    map[string]int64 `json:"found"`
	Log      int              `json:"errors_logged"`
}

func newJudge(r *rig, seed uint64) *judge {
	return &judge{rig: r, seed: seed, statuses: map[int]int64{}, reached: map[string]bool{}, found: map[string]int64{}, known: map[string]bool{}}
}

// patience is how long an answer may take; a stream of events goes on for ever,
// and is left soon.
func (q *request) patience() time.Duration {
	if q.op.ID == "streamEvents" {
		return 150 * time.Millisecond
	}
	return 25 * time.Second
}

// most is how much of an answer is read.
const most = 4 << 20

// hear sends a request and judges the answer.
func (j *judge) hear(ctx context.Context, s *stage, q *request) {
	ctx, cancel := context.WithTimeout(ctx, q.patience())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, q.method, j.rig.api+q.path+"?"+q.query, bytes.NewReader(q.body))
	if err != nil {
		return // it cannot be sent
	}
	req.Header = q.header
	res, err := j.rig.http.Do(req)
	var body []byte
	if err == nil {
		body, err = io.ReadAll(io.LimitReader(res.Body, most))
		_ = res.Body.Close()
	}
	j.sent.Add(1)
	switch {
	case err != nil && errors.Is(ctx.Err(), context.Canceled):
	case err != nil && q.op.ID == "streamEvents" && ctx.Err() != nil:
	case err != nil && len(q.body) > 1<<20: // the server hung up on a body that is too large
	case err != nil:
		j.find(q, "no answer", nil, []byte(err.Error()))
	default:
		j.judge(s, q, res, body)
		j.react(ctx, s, q, res.StatusCode, body)
	}
}

// react learns from an answer, signs in again who was signed out, and ends what
// an operator did to everybody.
func (j *judge) react(ctx context.Context, s *stage, q *request, status int, body []byte) {
	switch {
	case status < 300 && q.as.side != nil:
		q.as.side.learn(body)
	case status == http.StatusUnauthorized && (q.as.email != "" || q.as == s.operator && q.op.Realm) && !q.anonymous:
		_ = s.signIn(ctx, q.as) // somebody may have shut them out
	case maintenance(body) || blocked(body):
		if was := s.calmed.Load(); time.Now().UnixNano()-was > int64(time.Second) && s.calmed.CompareAndSwap(was, time.Now().UnixNano()) {
			_ = j.rig.kernel.calm(ctx) // it is tried again
		}
	}
}

func maintenance(body []byte) bool {
	return bytes.Contains(body, []byte(`"code":"server.maintenance"`))
}

func blocked(body []byte) bool { return bytes.Contains(body, []byte(`"code":"address.blocked"`)) }

// away are the reasons for a 503 that is not the server's own failure.
var away = map[string]string{
	"server.maintenance": "an operator said so",
	"oauth.unreachable":  "the request named a platform's server that is not there",
}

func outside(body []byte) bool {
	var p struct{ Code string }
	return json.Unmarshal(body, &p) == nil && away[p.Code] != ""
}

// judge asks everything of an answer that is asked of it.
func (j *judge) judge(s *stage, q *request, res *http.Response, body []byte) {
	j.mu.Lock()
	j.statuses[res.StatusCode]++
	if res.StatusCode < 300 && q.method == q.op.Method {
		j.reached[q.op.ID] = true
	}
	j.mu.Unlock()
	for _, m := range q.as.blind {
		if bytes.Contains(body, []byte(m)) && !strings.Contains(q.path+q.query, m) && !bytes.Contains(q.body, []byte(m)) {
			j.find(q, "a word of another tenant", res, body)
		}
	}
	if res.Header.Get("Carillon-Request-Id") == "" || res.Header.Get("X-Content-Type-Options") != "nosniff" || res.Header.Get("Content-Security-Policy") == "" {
		j.find(q, "headers are missing", res, body)
	}
	switch {
	case res.StatusCode == http.StatusServiceUnavailable && (outside(body) || q.method == http.MethodHead): // which does not say why
	case res.StatusCode >= 500:
		j.find(q, "a failure", res, body)
	case res.StatusCode >= 400 && q.method != http.MethodHead:
		j.problem(q, res, body)
	case res.StatusCode >= 300 || q.method != q.op.Method || q.op.Public:
	case q.anonymous:
		j.find(q, "let in without a credential", res, body)
	case q.elsewhere && q.op.Acts:
		j.find(q, "let into another tenant", res, body)
	}
}

// problem checks that a refusal is a problem document.
func (j *judge) problem(q *request, res *http.Response, body []byte) {
	var p struct {
		Type, Title, Code, Class string
		Status                   int
		RequestID                string `json:"request_id"`
		Errors                   []struct{ Pointer, Code, Detail string }
	}
	err := json.Unmarshal(body, &p)
	switch {
	case err != nil || res.Header.Get("Content-Type") != "application/problem+json":
		j.find(q, "no problem document", res, body)
	case p.Status != res.StatusCode || p.RequestID != res.Header.Get("Carillon-Request-Id") || p.Title == "" || p.Class == "" || p.Type == "":
		j.find(q, "a problem with something missing", res, body)
	case !j.registered(p.Code):
		j.find(q, "the reason "+p.Code+" is not registered", res, body)
	}
	for _, e := range p.Errors {
		if !j.registered(e.Code) {
			j.find(q, "the reason "+e.Code+" of a member is not registered", res, body)
		}
	}
}

// registered asks once whether a reason has a page.
func (j *judge) registered(code string) bool {
	j.mu.Lock()
	is, asked := j.known[code]
	j.mu.Unlock()
	if asked {
		return is
	}
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, j.rig.api+"/errors/"+code, http.NoBody)
	if err != nil {
		return false
	}
	res, err := j.rig.http.Do(req)
	if err != nil {
		return true // of the server, somebody else will tell
	}
	_ = res.Body.Close()
	j.mu.Lock()
	defer j.mu.Unlock()
	if res.StatusCode != http.StatusOK && res.StatusCode != http.StatusNotFound {
		return true // it is asked again
	}
	j.known[code] = res.StatusCode == http.StatusOK
	return j.known[code]
}

// told is how many of a kind are printed.
const told = 2

// find counts what should not be and prints the first of its kind.
func (j *judge) find(q *request, what string, res *http.Response, body []byte) {
	kind := what + ": " + q.op.ID
	if res != nil {
		var p struct{ Code string }
		_ = json.Unmarshal(body, &p)
		kind += fmt.Sprintf(" %d %s", res.StatusCode, p.Code)
	}
	j.mu.Lock()
	j.found[kind]++
	n := j.found[kind]
	j.mu.Unlock()
	if n > told {
		return
	}
	head := []byte{}
	if res != nil {
		head, _ = httputil.DumpResponse(res, false) // it came from a socket
	}
	fmt.Fprintf(os.Stderr, "\n#%d of seed %d, %s, as %s\n%s %s?%s\n%v\n%.1500s\n-- %s%.1500s\n", q.number, j.seed, kind, q.as.name, q.method, q.path, q.query, q.header, q.body, head, body)
}

// summary is where it stands.
func (j *judge) summary() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return fmt.Sprint(j.statuses, ", ", len(j.reached), " operations succeeded, found ", len(j.found))
}

func (j *judge) verdict(r *rig, took time.Duration) verdict {
	j.mu.Lock()
	defer j.mu.Unlock()
	v := verdict{
		Seed: j.seed, Requests: j.sent.Load(), Seconds: int(took.Seconds()), Rate: int(float64(j.sent.Load()) / took.Seconds()),
		Statuses: j.statuses, Reached: len(j.reached), Found: j.found, Log: errorsLogged(r.Dir),
	}
	v.Pass = len(v.Found) == 0 && v.Log == 0 && v.Requests > 0
	fmt.Fprintln(os.Stderr, "succeeded:", slices.Sorted(maps.Keys(j.reached)))
	return v
}

// expected reports whether a line of the log is of what is away.
func expected(line string) bool {
	for reason := range away {
		if strings.Contains(line, reason) {
			return true
		}
	}
	return false
}

// errorsLogged counts what the server complains of itself.
func errorsLogged(dir string) (n int) {
	log, err := os.ReadFile(filepath.Join(dir, "serve.log"))
	if err != nil {
		return -1
	}
	for line := range strings.Lines(string(log)) {
		if strings.Contains(line, "panic") || strings.Contains(line, `"level":"ERROR"`) && !expected(line) {
			if n++; n <= told {
				fmt.Fprint(os.Stderr, line)
			}
		}
	}
	return n
}
