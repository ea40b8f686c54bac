package declarative

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/carillonhq/carillon/plugins/sdk"
	"github.com/carillonhq/carillon/plugins/sdk/wire"
	"github.com/carillonhq/carillon/ports/social"
)

// A reply is a platform's answer, whatever its status.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// call is one use of the plugin: what expressions see, and what to hide.
type call struct {
	*plugin
	scope   *scope
	media   []social.Media
	secrets wire.Secrets
}

func (p *plugin) call(c social.Call, a social.Account) *call {
	out := &call{plugin: p, scope: scopeOf(c, a)}
	out.hide(c.Secrets(&p.manifest)...)
	return out
}

// minSecret keeps a short value from turning ordinary words into ***.
const minSecret = 4

func (c *call) hide(secrets ...string) {
	c.secrets = wire.NewSecrets(minSecret, append(secrets, c.secrets...)...)
}

// redact strikes secrets out of a text and then cuts it to most bytes: what is
// left of a secret that was cut is not known as one.
func (c *call) redact(text string, most int) string {
	if text = c.secrets.Strike(text); len(text) > most {
		text = text[:most]
	}
	return strings.ToValidUTF8(text, "?")
}

// choose is the first of a step's requests that fits.
func (c *call) choose(list []*Request) (*Request, error) {
	for _, r := range list {
		if r.When.holds(c.scope, true) {
			return r, nil
		}
	}
	return nil, c.broken("no_request", errors.New("no request of this step fits"))
}

// broken is the fault for what the file made impossible: nothing was sent.
func (c *call) broken(what string, err error) *social.Fault {
	f := social.Fail(social.Permanent, c.short+"."+what, "The request to %s could not be made.", c.file.Name)
	f.Source, f.Err = social.FromPlugin, errors.New(c.redact(err.Error(), 300))
	return f
}

// do makes one request and reads the answer into the scope. Its error is a
// fault: nothing was sent, or it is sdk.Commit's.
func (c *call) do(ctx context.Context, r *Request, commit bool) (*reply, error) {
	target, err := r.URL.render(c.scope, segment)
	if err == nil {
		target, err = c.locate(target)
	}
	if err != nil {
		return nil, c.broken("url", err)
	}
	body, contentType, size, err := c.body(ctx, r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = body.Close() }()
	ctx = sdk.NotedAs(ctx, pathOf(c.secrets.Strike(r.URL.masked(c.scope))))
	req, err := http.NewRequestWithContext(ctx, r.Method, target, body)
	if err == nil {
		err = c.furnish(req, r, contentType)
	}
	if err != nil {
		return nil, c.broken("request", err)
	}
	if size == 0 {
		req.Body = http.NoBody
	}
	req.ContentLength = size
	got, err := c.send(ctx, req, commit)
	if err != nil {
		return nil, err
	}
	c.heard(got)
	return got, nil
}

// pathOf is the path of a URL, for what is noted of a request.
func pathOf(target string) string {
	_, rest, _ := strings.Cut(target, "://")
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		return rest[i:]
	}
	return "/"
}

// locate puts the account's own server, or a simulator, in the place of the
// host that the file names.
func (c *call) locate(target string) (string, error) {
	rest := strings.TrimPrefix(target, "https://")
	host, path, _ := strings.Cut(rest, "/")
	if to, ok := c.upstream[host]; ok {
		return strings.TrimRight(to, "/") + "/" + path, nil
	}
	if host != social.OwnServer {
		return target, nil
	}
	instance := strings.TrimRight(c.scope.Credential.Public["instance"], "/")
	scheme, bare, ok := strings.Cut(instance, "://")
	if !ok {
		scheme, bare = "https", instance
		if h, _, _ := strings.Cut(instance, ":"); h == "127.0.0.1" || h == "localhost" {
			scheme = "http"
		}
	}
	u, err := url.Parse(scheme + "://" + bare)
	if err != nil || u.Host == "" || u.Host != bare || scheme != "https" && scheme != "http" {
		return "", errors.New("the account's server has no address")
	}
	return scheme + "://" + bare + "/" + path, nil
}

// furnish adds the headers and the query.
func (c *call) furnish(req *http.Request, r *Request, contentType string) error {
	req.Header.Set("Accept", "application/json")
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	for _, headers := range []map[string]Text{c.file.Headers, r.Headers} {
		for name, text := range headers {
			value, err := text.render(c.scope, nil)
			if err != nil {
				return err
			}
			if strings.ContainsAny(value, "\r\n\x00") {
				return fmt.Errorf("the header %s holds a line break", name)
			}
			req.Header.Set(name, value)
		}
	}
	query, err := c.values(r.Query)
	req.URL.RawQuery = query.Encode()
	return err
}

// values renders fields, leaving out the empty ones. A list gives its name
// several times.
func (c *call) values(fields map[string]Tree) (url.Values, error) {
	out := url.Values{}
	for name, t := range fields {
		v, err := t.eval(c.scope)
		if err != nil {
			return nil, err
		}
		list, isList := v.([]any)
		if !isList {
			list = []any{v}
		}
		for _, one := range list {
			text, err := textOf(one)
			if err != nil {
				raw, _ := json.Marshal(one)
				text = string(raw)
			}
			if text != "" {
				out.Add(name, text)
			}
		}
	}
	return out, nil
}

// body is what a request sends, with its size in bytes.
func (c *call) body(ctx context.Context, r *Request) (body io.ReadCloser, contentType string, size int64, err error) {
	var raw []byte
	switch {
	case r.Multipart != nil:
		return c.multipart(ctx, r.Multipart)
	case r.Body != "":
		m := c.media[c.scope.Index]
		file, err := c.open(ctx, m)
		return file, m.MIME, m.Bytes, err
	case r.JSON.set():
		v, failed := r.JSON.eval(c.scope)
		if failed == nil {
			raw, failed = json.Marshal(v)
		}
		err, contentType = failed, "application/json"
	case r.Form != nil:
		values, failed := c.values(r.Form)
		raw, err, contentType = []byte(values.Encode()), failed, "application/x-www-form-urlencoded"
	}
	if err != nil {
		return nil, "", 0, c.broken("body", err)
	}
	return io.NopCloser(bytes.NewReader(raw)), contentType, int64(len(raw)), nil
}

func (c *call) send(ctx context.Context, req *http.Request, commit bool) (*reply, error) {
	var res *http.Response
	var err error
	if commit {
		if res, err = sdk.Commit(ctx, c.http, req); err != nil {
			var f *social.Fault
			if errors.As(err, &f) {
				c.explain(f)
			}
			return nil, err
		}
	} else if res, err = c.http.Do(req); err != nil {
		return nil, c.unreached(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return nil, c.unreached(err)
	}
	return &reply{res.StatusCode, res.Header, body}, nil
}

// explain says in the platform's name what became of a commit.
func (c *call) explain(f *social.Fault) {
	f.Key, f.Message = c.short+".unreachable", c.file.Name+" could not be reached."
	if f.Kind == social.Ambiguous {
		f.Key, f.Message = c.short+".lost", c.file.Name+" did not answer. The post may or may not be there."
	}
	if f.Err != nil {
		f.Err = errors.New(c.redact(f.Err.Error(), 300))
	}
}

// unreached is the fault of a request that may be repeated.
func (c *call) unreached(err error) *social.Fault {
	f := social.Fail(social.Transient, c.short+".unreachable", "%s could not be reached.", c.file.Name)
	f.Source, f.Err = social.FromNetwork, errors.New(c.redact(sdk.Cause(err).Error(), 300))
	return f
}

// heard puts an answer where expressions see it.
func (c *call) heard(r *reply) {
	c.scope.Status, c.scope.Answer, c.scope.Header = r.status, nil, map[string]string{}
	if len(r.body) <= maxAnswer {
		c.scope.Answer = readJSON(r.body)
	}
	for name, values := range r.header {
		c.scope.Header[strings.ToLower(name)] = values[0]
	}
}
