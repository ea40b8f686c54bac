package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// peer is the running reference server.
type peer struct {
	URL     string `json:"url"`
	Server  string `json:"server"`
	Version string `json:"version"`
	Node    string `json:"node"`
	cmd     *exec.Cmd
	stdin   io.Closer // it ends when this closes, however we end
}

// startPeer runs the server that is installed in servers. It keeps what it
// stores in dir and calls itself origin.
func startPeer(ctx context.Context, servers, dir, origin string) (*peer, error) {
	p := &peer{cmd: exec.CommandContext(ctx, "node", filepath.Join(servers, "pds.cjs"), dir, origin)}
	p.cmd.Stderr = os.Stderr
	in, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	p.stdin = in
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	first, err := bufio.NewReader(out).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(first, p)
	}
	if err != nil {
		p.close()
		return nil, fmt.Errorf("it did not start: %w; is it installed? run: %s", err, filepath.Join(servers, "install.sh"))
	}
	return p, nil
}

func (p *peer) close() {
	_ = p.stdin.Close()
	_ = p.cmd.Wait()
}

// account is one on the server, as its owner would sign in with.
type account struct{ did, handle, appPassword string }

// newAccount makes an account and an app password for it.
func (p *peer) newAccount(ctx context.Context) (account, error) {
	var made struct {
		DID    string `json:"did"`
		Handle string `json:"handle"`
		Access string `json:"accessJwt"`
	}
	name := "bell" + strings.ToLower(rand.Text()[:8])
	err := p.call(ctx, http.MethodPost, "com.atproto.server.createAccount", "", map[string]string{
		"handle": name + ".test", "email": name + "@example.test", "password": rand.Text(),
	}, &made)
	if err != nil {
		return account{}, err
	}
	var app struct {
		Password string `json:"password"`
	}
	err = p.call(ctx, http.MethodPost, "com.atproto.server.createAppPassword", made.Access, map[string]string{"name": "carillon"}, &app)
	return account{made.DID, made.Handle, app.Password}, err
}

// A record is a post in a repository.
type record struct {
	URI   string `json:"uri"`
	CID   string `json:"cid"`
	Value struct {
		Text  string                      `json:"text"`
		Reply *struct{ Root, Parent ref } `json:"reply"`
		Embed struct {
			Images []image `json:"images"`
		} `json:"embed"`
	} `json:"value"`
}

type ref struct{ URI, CID string }

type image struct {
	Alt  string `json:"alt"`
	Blob struct {
		Ref struct {
			Link string `json:"$link"`
		} `json:"ref"`
		Type string `json:"mimeType"`
		Size int    `json:"size"`
	} `json:"image"`
}

// records lists every post in a repository, by record key.
func (p *peer) records(ctx context.Context, did string) (all []record, err error) {
	query := url.Values{"repo": {did}, "collection": {"app.bsky.feed.post"}, "reverse": {"true"}, "limit": {"100"}}
	for {
		var page struct {
			Cursor  string   `json:"cursor"`
			Records []record `json:"records"`
		}
		if err := p.call(ctx, http.MethodGet, "com.atproto.repo.listRecords?"+query.Encode(), "", nil, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Records...)
		if page.Cursor == "" || len(page.Records) == 0 {
			return all, nil
		}
		query.Set("cursor", page.Cursor)
	}
}

// blob fetches a file of an account.
func (p *peer) blob(ctx context.Context, did, cid string) ([]byte, error) {
	return p.do(ctx, http.MethodGet, "com.atproto.sync.getBlob?"+url.Values{"did": {did}, "cid": {cid}}.Encode(), "", nil)
}

func (p *peer) call(ctx context.Context, verb, method, token string, in, out any) error {
	b, err := p.do(ctx, verb, method, token, in)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, out)
}

func (p *peer) do(ctx context.Context, verb, method, token string, in any) ([]byte, error) {
	var body io.Reader = http.NoBody
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, verb, p.URL+"/xrpc/"+method, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := web.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxBody))
	if err == nil && res.StatusCode != http.StatusOK {
		err = errors.New(method + " answered " + res.Status + " " + string(answer))
	}
	return answer, err
}
