package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
)

// contract is what the server says about itself, as far as it is needed to ask
// for something.
type contract struct {
	operations []*operation
	lots       []*operation // each as often as it is to be drawn
}

// An operation is one method of one path.
type operation struct {
	ID     string
	Method string
	Path   string
	Params []parameter
	Kind   string // the content type of the body; empty without one
	Body   any    // an example
	Public bool
	Realm  bool // of operators
	Acts   bool // in a tenant
}

type parameter struct {
	Name     string `json:"name"`
	In       string `json:"in"`
	Required bool   `json:"required"`
	Prefix   string `json:"x-id"`
	Schema   schema `json:"schema"`
	Ref      string `json:"$ref"`
}

type schema struct {
	Ref     string `json:"$ref"`
	Type    string `json:"type"`
	Format  string `json:"format"`
	Enum    []any  `json:"enum"`
	Example any    `json:"example"`
}

// document is openapi.json.
type document struct {
	Paths map[string]map[string]struct {
		ID       string      `json:"operationId"`
		Params   []parameter `json:"parameters"`
		Public   string      `json:"x-public"`
		Operator any         `json:"x-operator"`
		Action   string      `json:"x-action"`
		Body     struct {
			Content map[string]struct {
				Schema schema `json:"schema"`
			} `json:"content"`
		} `json:"requestBody"`
	} `json:"paths"`
	Parts struct {
		Parameters map[string]parameter       `json:"parameters"`
		Schemas    map[string]json.RawMessage `json:"schemas"`
	} `json:"components"`
}

// dear are operations that cost the server tens of milliseconds on purpose: a
// password is hashed, a picture decoded, or a plugin asked. They are drawn less
// often, and one that waits for events least.
var dear = map[string]int{
	"login": 2, "registerUser": 2, "verifyEmail": 3, "resetPassword": 3, "changePassword": 2, "stepUp": 3, "operatorLogin": 2, "operatorPassword": 2,
	"registerInvited": 3, "uploadMedia": 3, "addPlugin": 3, "startConnection": 3, "continueConnection": 3, "getJob": 4,
	"streamEvents": 1, "logout": 1, "revokeOtherSessions": 1, "leaveTenant": 1, "operatorLogout": 1, "revokeSession": 2,
	"setMaintenance": 1, "addBlock": 2, "operatorSuspendUser": 1, "operatorSuspendTenant": 1, "suspendTenant": 1,
	"enablePlugin": 3, "disablePlugin": 1, "removePlugin": 1, "setPluginGrants": 1, "disownSession": 4,
}

// share is how often an operation is drawn that is not dear.
const share = 10

// readContract asks the server for it. If only is set, that operation is all.
func readContract(ctx context.Context, r *rig, only string) (*contract, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.api+"/api/v1/openapi.json", http.NoBody)
	if err != nil {
		return nil, err
	}
	res, err := r.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	return parseContract(raw, only)
}

func parseContract(raw []byte, only string) (*contract, error) {
	var doc document
	if err := json.Unmarshal(raw, &doc); err != nil {
		return nil, fmt.Errorf("contract: %w", err)
	}
	c := &contract{}
	for path, item := range doc.Paths {
		for method, said := range item {
			if only != "" && said.ID != only {
				continue
			}
			o := &operation{ID: said.ID, Method: strings.ToUpper(method), Path: path, Public: said.Public != "", Realm: said.Operator != nil, Acts: said.Action != ""}
			for _, p := range said.Params {
				o.Params = append(o.Params, doc.parameter(p))
			}
			for kind, body := range said.Body.Content {
				if o.Kind == "" || kind < o.Kind {
					o.Kind, o.Body = kind, doc.schema(body.Schema).Example
				}
			}
			c.operations = append(c.operations, o)
		}
	}
	if len(c.operations) == 0 {
		return nil, fmt.Errorf("the contract has no operation %s", only)
	}
	slices.SortFunc(c.operations, func(a, b *operation) int { return strings.Compare(a.ID, b.ID) })
	for _, o := range c.operations {
		n := share
		if few, ok := dear[o.ID]; ok {
			n = few
		}
		c.lots = append(c.lots, slices.Repeat([]*operation{o}, n)...)
	}
	return c, nil
}

func (d *document) parameter(p parameter) parameter {
	if p.Ref != "" {
		p = d.Parts.Parameters[p.Ref[strings.LastIndexByte(p.Ref, '/')+1:]]
	}
	p.Schema = d.schema(p.Schema)
	return p
}

// schema follows a reference. One that is more than this program reads is what
// it could read of it.
func (d *document) schema(s schema) schema {
	if s.Ref == "" {
		return s
	}
	var out schema
	_ = json.Unmarshal(d.Parts.Schemas[s.Ref[strings.LastIndexByte(s.Ref, '/')+1:]], &out)
	return out
}
