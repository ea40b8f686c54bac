package httpapi_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/carillonhq/carillon/adapters/postgres"
	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/tenants"
)

// bodies are sound bodies of the operations that need one. An operation that
// takes a body and has none here fails the matrix.
var bodies = map[string]string{
	"updateTenant": `{"name":"New"}`, "createChildTenant": `{"name":"New","kind":"workspace"}`,
	"changePassword": `{"current":"four unrelated words here","password":"another four unrelated words"}`,
	"renameSession":  `{"name":"Desk"}`, "renamePasskey": `{"name":"Phone"}`, "confirmTotp": `{"code":"287082"}`,
	"addPasskey": `{"challenge":"cch_x","name":"Phone","passkey":{"id":"x"}}`, "stepUp": `{"method":"password","password":"four unrelated words here"}`,
	"finishProvider": `{"state":"cst_x","code":"c"}`, "finishProviderStepUp": `{"state":"cst_x","code":"c"}`, "startIdentity": `{"provider":"there"}`, "finishIdentity": `{"provider":"there","state":"cst_x","code":"c"}`,
	"addMember": `{"email":"nobody@example.com","role":"viewer"}`, "setMemberRole": `{"role":"editor"}`,
	"createRole": `{"name":"tester","title":"Tester","actions":["post.read"]}`, "updateRole": `{"title":"Tester","actions":["post.read"]}`,
	"giveWorkspaces":   `{"workspaces":[{"tenant_id":"ten_00000000000000000000000001","role":"viewer"}]}`,
	"createInvitation": `{"email":"guest@example.com","role":"viewer"}`, "acceptInvitation": `{"token":"civ_x"}`,
	"offerOwnership": `{"user_id":"usr_00000000000000000000000001"}`,
	"requestAccess":  `{"role":"viewer","reason":"Help","hours":1}`, "grantAccess": `{"role":"viewer","reason":"Help","hours":1}`,
	"eraseTenant":     `{"name":"workspace of a test"}`,
	"createExport":    `{"include_children":true}`,
	"setBrand":        `{"accent":"#7a2048"}`,
	"setBrandPicture": `a picture`, "checkSender": `{"dkim_selector":"mail"}`,
	"addDomain": `{"host":"social.example.com"}`,
	"createKey": `{"name":"k","scopes":["post.read"]}`, "rotateKey": `{"grace_hours":1}`,
	"startConnection": `{"platform":"test.platform"}`, "continueConnection": `{"input":{"a":"b"}}`,
	"updatePublishingSettings": `{"missed_after_s":3600}`,
	"updateChannel":            `{"name":"New"}`, "updateMedia": `{"alt":"New"}`,
	"createPost": `{"segments":[{"text":"hello"}]}`, "batchPosts": `{"posts":[{"segments":[{"text":"hello"}]}]}`, "validatePost": `{"segments":[{"text":"hello"}]}`, "updatePost": `{"segments":[{"text":"new"}]}`,
	"schedulePost": `{"local_time":"2027-03-01T09:00:00","timezone":"Europe/Lisbon"}`, "settleSegment": `{"verdict":"send_again"}`,
	"createWebhook": `{"url":"https://example.com/hook"}`, "updateWebhook": `{"description":"New"}`, "replayWebhook": `{"since":"` + time.Now().Add(-time.Hour).UTC().Format(time.RFC3339) + `"}`,
	"operatorSuspendUser": `{"reason":"because"}`, "operatorSuspendTenant": `{"reason":"because"}`,
	"grantTier":    `{"tier":"pro","reason":"because","until":"` + time.Now().Add(time.Hour).UTC().Format(time.RFC3339) + `"}`,
	"overrideFlag": `{"on":true}`, "setFlag": `{"on":true}`, "setMaintenance": `{"on":false}`,
	"addBlock": `{"range":"2001:db8::1","reason":"because"}`, "impersonate": `{"user":"{user}","tenant":"{tenant}","reason":"because"}`,
	"addPlugin": `not a bundle`, "approvePlugin": `{"digest":"` + strings.Repeat("b", 64) + `"}`, "dismissPlugin": `{}`, "rollbackPlugin": `{}`, "setPluginChannel": `{"channel":"pinned"}`,
	"setPluginSettings": `{"values":{"token":"x"}}`, "setPluginGrants": `{"tiers":["pro"]}`, "trustPluginKey": `{"name":"Example","public":` + strconv.Quote(pluginKey) + `}`,
	"pausePublishing": ``, "suspendTenant": ``, "pauseChannel": ``, "uploadMedia": `not a picture`,
}

// pluginKey is somebody's public key.
const pluginKey = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n"

// queries are the parameters that an operation insists on. One that it insists
// on and that is not here fails the matrix.
var queries = map[string]string{
	"downloadExport": "?token=x",
	"getCalendar":    "?scheduled_at[gte]=2027-03-01T00:00:00Z&scheduled_at[lt]=2027-04-01T00:00:00Z",
}

// A route is one operation of the contract.
type route struct {
	op           *openapi3.Operation
	method, path string
}

// contract reads every operation off the contract.
func contract(t testing.TB) (*openapi3.T, []route) {
	t.Helper()
	raw, err := os.ReadFile("openapi.yaml")
	must(t, err)
	doc, err := openapi3.NewLoader().LoadFromData(raw)
	must(t, err)
	must(t, doc.Validate(context.Background()))
	var all []route
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			all = append(all, route{op, method, path})
		}
	}
	return doc, all
}

// fill writes names into a path. A parameter without a fixture fails.
func (r route) fill(t testing.TB, names map[string]string) string {
	t.Helper()
	path := "/api/v1" + r.path
	for _, p := range r.op.Parameters {
		if p.Value.In == "query" && p.Value.Required && queries[r.op.OperationID] == "" {
			t.Fatalf("%s: no query", r.op.OperationID)
		}
		if p.Value.In != "path" {
			continue
		}
		name, ok := names[p.Value.Name]
		if !ok {
			t.Fatalf("%s: no fixture for {%s}", r.op.OperationID, p.Value.Name)
		}
		path = strings.ReplaceAll(path, "{"+p.Value.Name+"}", name)
	}
	return path + queries[r.op.OperationID]
}

// named writes names into a body.
func named(body string, names map[string]string) string {
	return strings.NewReplacer("{user}", names["user"], "{tenant}", names["tenant"]).Replace(body)
}

func (r route) body(t testing.TB) string {
	t.Helper()
	body, ok := bodies[r.op.OperationID]
	if !ok && r.op.RequestBody != nil && r.op.Extensions["x-action"] != nil {
		t.Fatalf("%s: no body", r.op.OperationID)
	}
	return body
}

// strangers are names of the same kinds that nothing has.
func strangers(names map[string]string) map[string]string {
	out := map[string]string{}
	for k, v := range names {
		out[k] = "nothing"
		if prefix := id.Prefix(v); prefix != "" {
			out[k] = id.New(prefix)
		}
	}
	return out
}

// A principal is somebody who must learn nothing of the victim's tenant.
type principal struct {
	bearer string
	tenant tenants.ID      // what they name
	own    map[string]bool // they are in the victim's tenant, and may do this there; nil: they are not
}

// principals are everybody who has no business there.
func (w *world) principals(victim, agency tenants.ID) map[string]principal {
	w.t.Helper()
	elsewhere, sibling := postgrestest.Tenant(w.t, w.db), postgrestest.Child(w.t, w.db, agency, tenants.Workspace)
	_, stranger := w.member(elsewhere, tenants.Owner)
	_, neighbour := w.member(sibling, tenants.Owner)
	_, parent := w.member(agency, tenants.Owner)
	_, root := w.member(postgrestest.Operator, tenants.Owner)
	_, nobody := w.person()
	_, client := w.member(victim, tenants.Client)
	closed := postgrestest.Tenant(w.t, w.db)
	_, suspended := w.member(closed, tenants.Owner)
	postgrestest.Exec(w.t, w.db, "update tenants set state = 'suspended' where tenant_id = $1", closed)
	return map[string]principal{
		"foreign owner at home":        {stranger, elsewhere, nil},
		"foreign owner over there":     {stranger, victim, nil},
		"sibling at home":              {neighbour, sibling, nil},
		"sibling over there":           {neighbour, victim, nil},
		"parent at home":               {parent, agency, nil},
		"parent without grant":         {parent, victim, nil},
		"operator without grant":       {root, victim, nil},
		"member of nothing":            {nobody, victim, nil},
		"anonymous":                    {"", victim, nil},
		"forged bearer":                {"x.y.z", victim, nil},
		"suspended at home":            {suspended, closed, nil},
		"suspended over there":         {suspended, victim, nil},
		"key of another tenant":        {w.key(elsewhere), "", nil},
		"key that names the victim":    {w.key(elsewhere), victim, nil},
		"lower role":                   {client, victim, seenByClients},
		"key scoped for another thing": {w.key(victim), "", map[string]bool{"metrics.read": true}},
	}
}

// key makes a key that is good for reading metrics, and nothing else.
func (w *world) key(tenant tenants.ID) string {
	w.t.Helper()
	owner, _ := w.member(tenant, tenants.Owner)
	who, err := w.registry.Resolve(w.t.Context(), owner, tenant)
	must(w.t, err)
	k, err := w.keys.Create(w.t.Context(), who, identity.NewKey{Name: "k", Scopes: []tenants.Action{"metrics.read"}})
	must(w.t, err)
	return k.Secret.Reveal()
}

// Whoever asks for what is not theirs gets, byte for byte, the answer to a
// name that nothing has: on every route, with both walls and with either alone.
func TestCrossTenantMatrix(t *testing.T) {
	for name, open := range map[string]func(testing.TB) *postgres.DB{
		"both walls": postgrestest.Open, "row-level security alone": postgrestest.RowSecurityAlone, "filters alone": postgrestest.FiltersAlone,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			matrix(t, open(t))
		})
	}
}

func matrix(t *testing.T, db *postgres.DB) {
	w := newWorld(t, db)
	agency := postgrestest.Child(t, w.db, postgrestest.Operator, tenants.Agency)
	victim := postgrestest.Child(t, w.db, agency, tenants.Workspace)
	owner, _ := w.member(victim, tenants.Owner)
	names := w.victim(victim, owner)
	nothing := strangers(names)
	_, routes := contract(t)
	cast := w.principals(victim, agency)
	for _, r := range routes {
		if r.op.Extensions["x-action"] == nil {
			continue
		}
		// Platforms, plugins and the places for pictures are the same for everybody:
		// nobody's own tenant is another's to see in them.
		common := strings.Contains(r.path, "{platform}") || strings.Contains(r.path, "{plugin}") || strings.Contains(r.path, "{picture}")
		for as, p := range cast {
			if !common || p.own != nil || p.tenant == victim {
				w.cell(r, as, p, names, nothing)
			}
		}
	}
}

// cell is one route for one principal. Whoever is inside gets what they may, and
// a refusal of all else, also where a route has no name in it.
func (w *world) cell(r route, as string, p principal, names, nothing map[string]string) {
	w.t.Helper()
	victim := tenants.ID(names["tenant"])
	if p.own == nil && p.tenant != victim && !strings.Contains(r.path, "{") {
		return // their own to see
	}
	real, made := w.ask(r, p, p.tenant, names), w.ask(r, p, p.tenant, nothing)
	if p.own == nil && p.tenant == victim {
		made = w.ask(r, p, tenants.ID(nothing["tenant"]), nothing)
	}
	switch {
	case p.own[fmt.Sprint(r.op.Extensions["x-action"])]:
		if strings.HasPrefix(real, "401") || strings.HasPrefix(real, "403") {
			w.t.Errorf("%s as %s, who may: %s", r.op.OperationID, as, real)
		}
	case p.own != nil && !strings.HasPrefix(real, "403"):
		w.t.Errorf("%s as %s: %s", r.op.OperationID, as, real)
	case real != made:
		w.t.Errorf("%s as %s: %s\nbut of nothing: %s", r.op.OperationID, as, real, made)
	case !strings.HasPrefix(real, "4"):
		w.t.Errorf("%s as %s: %s", r.op.OperationID, as, real)
	}
}

// seenByClients is what the role that may least may do.
var seenByClients = map[string]bool{"tenant.read": true, "brand.read": true, "channel.read": true, "media.read": true, "post.read": true, "metrics.read": true}

func (w *world) ask(r route, p principal, tenant tenants.ID, names map[string]string) string {
	w.t.Helper()
	headers := map[string]string{"Carillon-Tenant": string(tenant), "Idempotency-Key": id.New("x"), "If-Match": `"v1"`}
	if p.bearer != "" {
		headers["Authorization"] = "Bearer " + p.bearer
	}
	body := named(r.body(w.t), names)
	if r.op.OperationID == "uploadMedia" || r.op.OperationID == "setBrandPicture" {
		headers["Content-Type"] = "image/png"
	}
	if r.op.OperationID == addPlugin {
		headers["Content-Type"] = "application/octet-stream"
	}
	code, _, answer := w.call(r.method, r.fill(w.t, names), headers, body)
	return fmt.Sprint(code, " ", answer)
}
