package httpapi_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/core/admin"
	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/core/publishing"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/ports/secret"
	"github.com/carillonhq/carillon/tenants"
)

// unaudited are the operations that change something and leave no entry, each
// with its reason. Any other leaves one in the transaction of the change.
var unaudited = map[string]string{
	"registerUser":       "anybody may type any address: what counts begins when it is verified, and that is recorded",
	"resendVerification": "a letter is sent again; nothing changes, and nobody is signed in",
	"forgotPassword":     "a letter is sent, or not: nothing changes, and an entry would tell which",
	"refreshSession":     "a token is exchanged every few minutes, by programs; a stolen one is recorded",
	"validatePost":       "it only looks, and keeps nothing",
	"checkSender":        "it only looks, and keeps nothing",
	"lookAtInvitation":   "it only looks, and keeps nothing",
	"startProvider":      startsElsewhere, "startIdentity": startsElsewhere, "startProviderStepUp": startsElsewhere,
	"beginPasskey":       "a question is kept for minutes; what its answer changes is recorded",
	"beginPasskeyLogin":  "a question is kept for minutes; what its answer changes is recorded",
	"askStepUp":          "a question is kept for minutes; what its answer changes is recorded",
	"createStreamTicket": "nothing is kept: the ticket is signed",
}

const startsElsewhere = "somebody leaves for a provider: what comes of it is recorded when they are back"

// unseen are the operations whose transaction leaves no row to be seen by: what
// it wrote about is gone, or was written again since.
var unseen = map[string]bool{
	"linkExport": true, "verifyEmail": true, "registerInvited": true,
	"removeMember": true, "deleteRole": true, "deleteWebhook": true, "logout": true, "revokeSession": true, "revokeOtherSessions": true,
	"endImpersonation": true, "operatorLogout": true, "dropBlock": true, "dropOverride": true, "dropFlag": true,
	"disownSession": true, "removeTotp": true, "removePasskey": true,
	"distrustPluginKey": true, "deleteMedia": true, "unlinkIdentity": true, "removeDomain": true,
}

// A stage is what an operation finds, and how it is called.
type stage struct {
	*world
	tenant, agency tenants.ID
	owner          tenants.UserID
	token          string
	names          map[string]string
	body           string
}

// sets change the stage for operations that would not succeed on the usual one.
var sets = map[string]func(*stage){
	"addMember": func(s *stage) {
		colleague, _ := s.member(s.agency, tenants.Viewer)
		postgrestest.Exec(s.t, s.db, "insert into memberships (tenant_id, user_id, role, granted_by) values ($1, $2, 'admin', 'system')", s.agency, s.owner)
		s.body = fmt.Sprintf(`{"email":%q,"role":"viewer"}`, s.email(colleague))
	},
	"acceptInvitation": acceptable, "registerInvited": registrable, "giveWorkspaces": givable, "revokeAccess": granted,
	"leaveTenant": leavable, "offerOwnership": heir, "acceptOwnership": offered, "endOwnershipOffer": offered,
	"confirmTotp": appWaits, "removeTotp": appCounts, "addPasskey": passkeyMade, "loginWithPasskey": passkeyShown,
	"answerChallenge": secondAsked, "stepUp": passwordAlone, "disownSession": disowned,
	"setMemberRole": another,
	"removeMember":  another,
	"createChildTenant": func(s *stage) {
		s.tenant, s.names["tenant"] = s.agency, string(s.agency)
		s.owner, s.token = s.member(s.agency, tenants.Owner)
	},
	"suspendTenant": func(*stage) {},
	"createExport":  noExport, "linkExport": archived, "cancelErasure": erasing, "eraseTenant": childless,
	"setBrand": labelled("pending"), "setBrandPicture": labelled("pending"), "removeBrandPicture": labelled("pending"), "addDomain": labelled("pending"), "verifyDomain": labelled("pending"), "removeDomain": labelled("pending"), "makeDomainCanonical": labelled("proven"),
	"updatePost":   planned(publishing.Draft),
	"deletePost":   planned(publishing.Draft),
	"schedulePost": planned(publishing.Draft),
	"publishPost":  planned(publishing.Draft),
	"cancelPost":   planned(publishing.Scheduled),
	"addPlugin":    func(s *stage) { s.body = sample("org.example."+strings.ToLower(id.New("x")[2:]), "1.0.0") },
	"login": func(s *stage) {
		email := id.New("usr") + "@example.com"
		s.register(email, "four unrelated words here")
		s.body = fmt.Sprintf(`{"email":%q,"password":"four unrelated words here"}`, email)
	},
	"resetPassword": func(s *stage) {
		token, err := s.world.names.Link(s.t.Context(), s.owner)
		must(s.t, err)
		s.body = fmt.Sprintf(`{"token":%q,"password":"another four unrelated words"}`, token.Reveal())
	},
	"finishProvider": func(s *stage) { s.body = s.arriving("/auth/providers/there:start", "", id.New("usr")+"@example.com") },
	"finishIdentity": func(s *stage) {
		s.body = s.arriving("/me/identities:start", `{"provider":"there"}`, id.New("usr")+"@example.com")
	},
	"startProviderStepUp": func(s *stage) { s.stranger() },
	"finishProviderStepUp": func(s *stage) {
		s.body = s.arriving("/auth/step-up/providers/there:start", "", s.stranger())
	},
	"verifyEmail": func(s *stage) { s.body = s.registration() },
	"addBlock":    func(s *stage) { s.body = `{"range":"2001:db8::2","reason":"because"}` },
	"operatorLogin": func(s *stage) {
		email, password := id.New("opr")+"@example.com", "four unrelated words here"
		must(s.t, s.admin.Enlist(s.t.Context(), admin.Shell(), email, "Olga", secret.Secret(password)))
		code, err := s.admin.Code(s.t.Context(), admin.Shell(), email)
		must(s.t, err)
		s.body = fmt.Sprintf(`{"email":%q,"password":%q,"code":%q}`, email, password, code)
	},
	"operatorPassword": func(s *stage) {
		_, token, err := s.admin.AddOperator(s.t.Context(), admin.Shell(), id.New("opr")+"@example.com", "Olga")
		must(s.t, err)
		s.body = fmt.Sprintf(`{"token":%q,"password":"four unrelated words here"}`, token.Reveal())
	},
}

// labelled has an agency that may have hosts of its own, and one.
func labelled(state string) func(*stage) {
	return func(s *stage) {
		postgrestest.Exec(s.t, s.db, "update tenants set tier = 'agency' where tenant_id = $1", s.agency)
		s.tenant, s.names["tenant"] = s.agency, string(s.agency)
		s.owner, s.token = s.member(s.agency, tenants.Owner)
		s.names["domain"] = s.domain(s.agency, state)
		s.brand(s.agency)
	}
}

func another(s *stage) {
	user, _ := s.member(s.tenant, tenants.Viewer)
	s.names["user"] = string(user)
}

// planned has a post in a state, that goes nowhere yet.
func planned(state publishing.State) func(*stage) {
	return func(s *stage) {
		s.t.Helper()
		if state == publishing.Scheduled {
			s.names["post"], _ = s.postIn(s.tenant, channels.ID(s.names["channel"]), state)
			return
		}
		p := publishing.NewPost(publishing.Content{
			Parts: []publishing.Part{{Text: "hello"}}, Variants: []publishing.Variant{{Channel: channels.ID(s.names["channel"])}},
		}, string(s.owner))
		must(s.t, s.db.Posts().Update(s.t.Context(), s.tenant, func(ctx context.Context, tx publishing.Tx) error { return tx.SavePost(ctx, p) }))
		s.names["post"] = string(p.ID)
	}
}

// registration is one that waits for its link to be followed.
func (s *stage) registration() string {
	s.t.Helper()
	link, err := s.world.names.Link(s.t.Context(), s.owner)
	must(s.t, err)
	token := secret.Secret("cvf_" + strings.TrimPrefix(link.Reveal(), "crs_"))
	now := time.Now()
	p := identity.Pending{
		ID: identity.PendingID(id.New("reg")), User: tenants.UserID(id.New("usr")), Email: id.New("usr") + "@example.com", Name: "New",
		Hash: "four unrelated words here", CreatedAt: now, ExpiresAt: now.Add(time.Hour),
	}
	must(s.t, s.db.Identity().Update(s.t.Context(), func(tx identity.Tx) error {
		if err := tx.AddPending(s.t.Context(), &p); err != nil {
			return err
		}
		return tx.AddOneTime(s.t.Context(), &identity.OneTime{
			Hash: sha256.Sum256([]byte(token.Reveal())), Purpose: identity.ForVerify, Subject: string(p.ID), ExpiresAt: now.Add(time.Hour),
		})
	}))
	return fmt.Sprintf(`{"token":%q,"password":"four unrelated words here"}`, token.Reveal())
}

func (w *world) stage(t *testing.T, r route) *stage {
	t.Helper()
	w.t = t
	agency := postgrestest.Child(t, w.db, postgrestest.Operator, tenants.Agency)
	s := &stage{world: w, agency: agency, tenant: postgrestest.Child(t, w.db, agency, tenants.Workspace)}
	s.owner, s.token = w.member(s.tenant, tenants.Owner)
	s.names = w.victim(s.tenant, s.owner)
	s.names["session"] = w.session(s.token)
	if r.op.Extensions["x-action"] == "plugin.manage" { // the operator's own
		s.tenant = postgrestest.Operator
		s.owner, s.token = w.member(s.tenant, tenants.Owner)
	}
	if r.op.Extensions["x-operator"] != nil {
		s.token = w.realm(s.names)
	}
	set, special := sets[r.op.OperationID]
	if special {
		set(s)
	}
	if s.body == "" {
		s.body = named(r.body(t), s.names)
	}
	return s
}

// act does it, and returns the name of the request.
func (s *stage) act(r route) string {
	s.t.Helper()
	headers := map[string]string{"Idempotency-Key": id.New("x"), "If-Match": `"v1"`, "Carillon-Tenant": string(s.tenant), "Authorization": "Bearer " + s.token}
	switch r.op.OperationID {
	case "uploadMedia", "setBrandPicture":
		headers["Content-Type"] = "image/png"
	case addPlugin:
		headers["Content-Type"] = "application/octet-stream"
	}
	code, answer, body := s.call(r.method, r.fill(s.t, s.names), headers, s.body)
	if code >= 300 {
		s.t.Fatalf("%d %s: set the stage so that it succeeds", code, body)
	}
	return answer.Get("Carillon-Request-Id")
}

// Every operation that changes something is in the audit, by the transaction
// that changed it.
func TestEveryChangeIsAudited(t *testing.T) {
	_, routes := contract(t)
	w := newWorld(t, postgrestest.Open(t))
	known := map[string]bool{}
	for _, r := range routes {
		known[r.op.OperationID] = true
		if reason := unaudited[r.op.OperationID]; r.method == http.MethodGet || reason != "" {
			continue
		}
		t.Run(r.op.OperationID, func(t *testing.T) {
			s := w.stage(t, r)
			request := s.act(r)
			if n, apart := s.recorded(request); n == 0 {
				t.Errorf("%s left no entry in the audit", request)
			} else if apart && !unseen[r.op.OperationID] {
				t.Error("the entry is in another transaction than the change")
			}
		})
	}
	for op, reason := range unaudited {
		if !known[op] || len(strings.Fields(reason)) < 4 {
			t.Errorf("%s: known = %v, reason = %q", op, known[op], reason)
		}
	}
}

// recorded counts the entries of a request, and says whether the transactions
// that wrote them wrote nothing else.
func (w *world) recorded(request string) (n int, apart bool) {
	w.t.Helper()
	c, err := pgx.Connect(w.t.Context(), postgrestest.Of(w.t, w.db).Admin)
	must(w.t, err)
	defer func() { _ = c.Close(context.WithoutCancel(w.t.Context())) }()
	rows, err := c.Query(w.t.Context(), "select xmin::text from audit_entries where request_id = $1", request)
	must(w.t, err)
	xids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	must(w.t, err)
	rows, err = c.Query(w.t.Context(), `select c.oid::regclass::text from pg_class c where c.relkind = 'r'
		and c.relnamespace in ('public'::regnamespace, 'river'::regnamespace) and c.relname not like 'audit%'`)
	must(w.t, err)
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	must(w.t, err)
	parts := make([]string, len(tables))
	for i, table := range tables {
		parts[i] = "select xmin::text as x from " + table
	}
	found := 0
	must(w.t, c.QueryRow(w.t.Context(), "select count(distinct x) from ("+strings.Join(parts, " union all ")+") all_rows where x = any ($1)", xids).Scan(&found))
	distinct := map[string]bool{}
	for _, x := range xids {
		distinct[x] = true
	}
	return len(xids), found < len(distinct)
}
