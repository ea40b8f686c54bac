package httpapi_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"github.com/carillonhq/carillon/adapters/httpapi/api"
	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/core/publishing"
	"github.com/carillonhq/carillon/policies"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/tenants"
)

// elsewise are the operations that an owner cannot complete in the world of
// these tests, with the code they end with.
var elsewise = map[string]string{
	"startProviderStepUp":  "identity.step_up_otherwise", // the owner has a password
	"finishProviderStepUp": "identity.step_up_otherwise", //
	"addMember":            "user.not_found",             // nobody has that address
	"setMemberRole":        "member.last_owner",          // the owner is the only one
	"removeMember":         "member.last_owner",          //
	"leaveTenant":          "member.last_owner",          //
	"acceptInvitation":     "invitation.link",            // nobody has that link
	"revokeAccess":         "access.closed",              // it was asked for, and not granted
	"offerOwnership":       "member.not_found",           // there is nobody to offer it to
	"getOwnershipOffer":    "ownership.not_found",        //
	"acceptOwnership":      "ownership.not_found",        //
	"endOwnershipOffer":    "ownership.not_found",        //
	"getErasure":           "erasure.not_found",          // it is to stay
	"cancelErasure":        "erasure.not_found",          //
	"eraseTenant":          "erasure.children",           // there is one below
	"createExport":         "export.running",             // there is one already
	"linkExport":           "export.not_ready",           // nobody makes it
	"downloadExport":       "export.bad_link",            // it is no link
	"finishIdentity":       "sign_in.stale",              // nobody left to come back
	"getThemePicture":      "brand.no_picture",           // the row was written without its bytes
	"getMediaContent":      "blob.not_found",             // the row was written without its bytes
	"schedulePost":         "post.in_flight",             // it is out, perhaps: somebody has to look
	"publishPost":          "post.in_flight",             //
	"updatePost":           "post.in_flight",             //
	"deletePost":           "post.in_flight",             //
	"cancelPost":           "post.not_planned",           //
	"addPlugin":            "bundle.malformed",           // there is no bundle
	"addPasskey":           "challenge.closed",           // nobody asked for one
	"confirmTotp":          "totp.not_waiting",           // no app waits
	"removeTotp":           "not_found",                  // there is none
	"stepUp":               "challenge.method",           // there is a passkey, so the password does not do
}

// What every operation answers to an owner is what the contract says, and so
// is every problem.
func TestEveryOperationAnswersByContract(t *testing.T) {
	doc, routes := contract(t)
	w := newWorld(t, postgrestest.Open(t))
	for _, r := range routes {
		t.Run(r.op.OperationID, func(t *testing.T) {
			w.t = t
			agency := postgrestest.Child(t, w.db, postgrestest.Operator, tenants.Agency)
			tenant := postgrestest.Child(t, w.db, agency, tenants.Workspace)
			owner, token := w.member(tenant, tenants.Owner)
			if r.op.OperationID == "createChildTenant" {
				tenant = agency
				owner, token = w.member(agency, tenants.Owner)
			}
			names := w.victim(tenant, owner)
			names["session"] = w.session(token)
			if owned := map[string]string{"setBrand": "pending", "setBrandPicture": "pending", "removeBrandPicture": "pending", "checkSender": "pending", "addDomain": "pending", "verifyDomain": "pending", "makeDomainCanonical": "proven"}[r.op.OperationID]; owned != "" {
				tenant = agency // on a plan with hosts of its own
				postgrestest.Exec(t, w.db, "update tenants set tier = 'agency' where tenant_id = $1", agency)
				_, token = w.member(agency, tenants.Owner)
				names["domain"] = w.domain(agency, owned)
				w.brand(agency)
			}
			if r.op.Extensions["x-action"] == "plugin.manage" { // the operator's own
				tenant = postgrestest.Operator
				_, token = w.member(tenant, tenants.Owner)
			}
			if r.op.Extensions["x-operator"] != nil {
				token = w.realm(names)
			}
			w.byContract(doc, r, token, tenant, names)
		})
	}
}

func (w *world) byContract(doc *openapi3.T, r route, token string, tenant tenants.ID, names map[string]string) {
	w.t.Helper()
	headers := map[string]string{"Idempotency-Key": id.New("x"), "If-Match": `"v1"`, "Carillon-Tenant": string(tenant), "Authorization": "Bearer " + token}
	if r.op.OperationID == "uploadMedia" || r.op.OperationID == "setBrandPicture" {
		headers["Content-Type"] = "image/png"
	}
	if r.op.OperationID == addPlugin {
		headers["Content-Type"] = "application/octet-stream"
	}
	code, answer, body := w.call(r.method, r.fill(w.t, names), headers, named(r.body(w.t), names))
	if r.op.Extensions["x-public"] == nil {
		w.expected(r, code, body)
	}
	if code == 201 {
		w.fetched(r, answer.Get("Location"), headers)
	}
	for _, at := range instants.FindAllString(body, -1) {
		if !settled.MatchString(at) {
			w.t.Errorf("%s is no time as all others are", at)
		}
	}
	response := r.op.Responses.Status(code)
	if response == nil {
		response = r.op.Responses.Default()
	}
	kind, _, _ := strings.Cut(answer.Get("Content-Type"), ";")
	content := response.Value.Content.Get(kind)
	switch {
	case content == nil && body == "" && len(response.Value.Content) == 0:
	case content == nil:
		w.t.Errorf("%d with %q is not in the contract: %s", code, kind, body)
	case kind == "application/x-ndjson":
		for line := range strings.Lines(body) {
			w.shaped(doc.Components.Schemas["AuditEntry"], line)
		}
	case strings.HasSuffix(kind, "json"):
		w.shaped(content.Schema, body)
	}
}

// instants are times in an answer, and settled the one form they have.
var (
	instants = regexp.MustCompile(`"\d{4}-\d\d-\d\dT[^"]*"`)
	settled  = regexp.MustCompile(`^"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z"$`)
)

func (w *world) shaped(as *openapi3.SchemaRef, body string) {
	w.t.Helper()
	var v any
	must(w.t, json.Unmarshal([]byte(body), &v))
	if err := as.Value.VisitJSON(v, openapi3.VisitAsResponse(), openapi3.MultiErrors()); err != nil {
		w.t.Errorf("%s: %v", body, err)
	}
}

func (w *world) expected(r route, code int, body string) {
	w.t.Helper()
	if want, ok := elsewise[r.op.OperationID]; ok {
		if !strings.Contains(body, `"code":"`+want+`"`) {
			w.t.Errorf("%d %s, want %s", code, body, want)
		}
		return
	}
	if code >= 300 {
		w.t.Errorf("%d %s", code, body)
	}
}

func (w *world) session(token string) string {
	w.t.Helper()
	_, _, body := w.call("GET", "/api/v1/me/sessions", map[string]string{"Authorization": "Bearer " + token}, "")
	var list api.SessionList
	must(w.t, json.Unmarshal([]byte(body), &list))
	return list.Data[0].Id
}

// The contract names every reason that holds a post back.
func TestReasonsOfHoldingAreTheCores(t *testing.T) {
	doc, _ := contract(t)
	var named []string
	for _, v := range doc.Components.Schemas["Held"].Value.Properties["reason"].Value.Enum {
		named = append(named, fmt.Sprint(v))
	}
	slices.Sort(named)
	if diff := cmp.Diff(publishing.HeldReasons(), named); diff != "" {
		t.Errorf("-core +contract:\n%s", diff)
	}
}

// The contract, the policy and nothing besides name the same actions.
func TestActionsAreThePolicys(t *testing.T) {
	_, routes := contract(t)
	here, there := map[string]bool{}, map[string]bool{}
	for _, r := range routes {
		if a, ok := r.op.Extensions["x-action"].(string); ok {
			here[a] = true
		}
	}
	for line := range strings.Lines(policies.Policy) {
		if f := strings.Split(strings.TrimSpace(line), ", "); f[0] == "p2" {
			there[f[2]] = true
		}
	}
	for a := range here {
		if !there[a] {
			t.Errorf("%s is in the contract and in no plan of the policy", a)
		}
	}
	for a := range there {
		if !here[a] {
			t.Errorf("%s is in the policy and on no operation", a)
		}
	}
}

// What is committed is what the contract generates.
func TestGeneratedIsCommitted(t *testing.T) {
	for name, step := range map[string][]string{
		"api/openapi.gen.json": {"go", "run", "gen.go", "../openapi.yaml"},
		"openapi.json":         {"go", "run", "gen.go", "-serve", "../openapi.yaml"},
	} {
		out := t.TempDir() + "/out"
		cmd := exec.Command(step[0], append(step[1:], out)...)
		cmd.Dir = "api"
		if said, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, said)
		}
		want, err := os.ReadFile(out)
		must(t, err)
		got, err := os.ReadFile(name)
		must(t, err)
		if !bytes.Equal(want, got) {
			t.Errorf("%s is not what openapi.yaml says; run go generate ./adapters/httpapi/...", name)
		}
	}
	for dir, file := range map[string]string{"api": "api.gen.go", "client": "client.gen.go"} {
		before, err := os.ReadFile(dir + "/" + file)
		must(t, err)
		for _, op := range operationNames(t) {
			if !bytes.Contains(before, []byte(op)) {
				t.Errorf("%s/%s does not know %s; run go generate ./adapters/httpapi/...", dir, file, op)
			}
		}
	}
}

func operationNames(t *testing.T) (names []string) {
	_, routes := contract(t)
	for _, r := range routes {
		names = append(names, strings.ToUpper(r.op.OperationID[:1])+r.op.OperationID[1:])
	}
	return names
}

// A version that is not the present one names the present one, on every
// operation that takes If-Match.
func TestStaleChangesNameTheVersion(t *testing.T) {
	_, routes := contract(t)
	w := newWorld(t, postgrestest.Open(t))
	for _, r := range routes {
		if r.op.Parameters.GetByInAndName("header", "If-Match") == nil || r.op.OperationID == "cancelPost" {
			continue
		}
		t.Run(r.op.OperationID, func(t *testing.T) {
			w.t = t
			tenant := postgrestest.Tenant(t, w.db)
			owner, token := w.member(tenant, tenants.Owner)
			names := w.victim(tenant, owner)
			code, _, body := w.call(r.method, r.fill(t, names), map[string]string{
				"Authorization": "Bearer " + token, "Carillon-Tenant": string(tenant), "Idempotency-Key": id.New("x"), "If-Match": `"v7"`,
			}, r.body(t))
			present := "1"
			if r.op.OperationID == "setBrand" {
				present = "0" // nobody has set one
			}
			if code != 412 || fmt.Sprint(decode(t, body)["current_version"]) != present {
				t.Errorf("%d %s", code, body)
			}
		})
	}
}
