package httpapi_test

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/core/catalog"
	"github.com/carillonhq/carillon/core/catalog/catalogtest"
	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/core/events"
	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/core/jobs"
	"github.com/carillonhq/carillon/core/media"
	"github.com/carillonhq/carillon/core/media/mediatest"
	"github.com/carillonhq/carillon/core/publishing"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/tenants"
)

// victim fills a tenant with one of everything that has a name.
func (w *world) victim(tenant tenants.ID, owner tenants.UserID) map[string]string {
	w.t.Helper()
	ctx := w.t.Context()
	who, err := w.registry.Resolve(ctx, owner, tenant)
	must(w.t, err)
	names := map[string]string{"tenant": string(tenant), "user": string(owner), "role": "reader", "platform": "test.platform", "provider": "there", "picture": "logo", "address": strings.Repeat("a", 40), "identity": w.identity(owner), "passkey": w.passkey(owner)}
	names["export"] = w.export(tenant)
	names["impersonation"], names["block"], names["flag"] = id.New("imp"), id.New("blk"), "nothing"
	names["child"] = string(postgrestest.Child(w.t, w.db, tenant, tenants.Workspace))

	_, err = w.registry.CreateRole(ctx, who, "reader", "Reader", []tenants.Action{"post.read"})
	must(w.t, err)
	key, err := w.keys.Create(ctx, who, identity.NewKey{Name: "k", Scopes: []tenants.Action{"post.read"}})
	must(w.t, err)
	hook, _, err := w.events.CreateEndpoint(ctx, who, events.NewEndpoint{URL: "https://example.com/hook"})
	must(w.t, err)
	sent, err := w.events.Test(ctx, who, hook.ID)
	must(w.t, err)
	names["key"], names["webhook"], names["delivery"] = string(key.ID), string(hook.ID), string(sent.ID)

	inv, err := w.registry.Invite(ctx, who, "guest-of-all@example.com", tenants.Viewer)
	must(w.t, err)
	postgrestest.Exec(w.t, w.db, "update invitations set sent_at = sent_at - interval '1 hour' where id = $1", string(inv.ID))
	names["invitation"], names["access"] = string(inv.ID), w.asked(tenant)

	file := mediatest.New(time.Now(), media.Ready)
	must(w.t, w.db.Media().Update(ctx, tenant, func(tx media.Tx) error { return tx.Save(ctx, file) }))
	names["media"] = string(file.ID)
	names["channel"] = w.channel(tenant)
	names["plugin"], names["plugin_key"] = w.plugin()
	names["job"] = w.job(tenant)
	names["domain"] = w.domain(tenant, "pending")
	names["connection"] = w.connection(tenant, owner)
	names["post"], names["segment"] = w.post(tenant, channels.ID(names["channel"]))
	return names
}

// asked is a request of the tenant above for access.
func (w *world) asked(tenant tenants.ID) string {
	w.t.Helper()
	name := id.New("acg")
	postgrestest.Exec(w.t, w.db, `insert into access_grants (tenant_id, id, to_tenant, role, reason, state, hours, created_at)
		select tenant_id, $2::text, parent_id, 'viewer', 'help', 'requested', 1, now() from tenants where tenant_id = $1::text`, tenant, name)
	return name
}

// domain is a claim of tenant to a host.
func (w *world) domain(tenant tenants.ID, state string) string {
	w.t.Helper()
	name := id.New("dom")
	postgrestest.Exec(w.t, w.db, `insert into domains (tenant_id, id, host, token, state, proven_at, created_at, updated_at)
		values ($1, $2, $3, 'cdp_x', $4, now(), now(), now())`, tenant, name, strings.ToLower(id.New("h")[2:])+".example.com", state)
	return name
}

// brand gives tenant a brand.
func (w *world) brand(tenant tenants.ID) {
	w.t.Helper()
	postgrestest.Exec(w.t, w.db, `insert into brands (tenant_id, product, sender, logo, updated_at) values ($1, 'Chimes', 'hello@chimes.example',
		jsonb_build_object('id', 'pic_00000000000000000000000001', 'address', $2::text, 'mime', 'image/png', 'bytes', 9, 'width', 16, 'height', 16), now())`,
		tenant, strings.Repeat("a", 40))
}

// plugin is one of the operator's with a version that runs, one before and one
// that waits.
func (w *world) plugin() (plugin, key string) {
	w.t.Helper()
	p := catalogtest.NewPlugin()
	p.Pending, p.Previous = strings.Repeat("b", 64), strings.Repeat("c", 64)
	must(w.t, w.db.Plugins().Update(w.t.Context(), postgrestest.Operator, func(ctx context.Context, tx catalog.Tx) error {
		for number, digest := range map[string]string{"1.0.0": p.Active, "1.1.0": p.Pending, "0.9.0": p.Previous} {
			v := catalogtest.NewVersion(p.ID, number, digest)
			v.Ran = digest != p.Pending
			if err := tx.SaveVersion(ctx, v); err != nil {
				return err
			}
		}
		key = p.Name
		return errors.Join(tx.SavePlugin(ctx, p), tx.SaveKey(ctx, catalog.Key{ID: key, Name: "Example", Public: make([]byte, 32), AddedAt: time.Now()}))
	}))
	return p.ID, key
}

// passkey is one of a person's, which nothing can answer for.
func (w *world) passkey(owner tenants.UserID) string {
	name := id.New("pky")
	postgrestest.Exec(w.t, w.db, `insert into passkeys (id, user_id, party, credential, record, name, created_at)
		values ($1, $2, 'app.example.org', convert_to($1, 'UTF8'), '{}', 'Phone', now())`, name, owner)
	return name
}

// identity is an account elsewhere that signs user in.
func (w *world) identity(user tenants.UserID) string {
	name := id.New("idn")
	postgrestest.Exec(w.t, w.db, `insert into externals (id, user_id, provider, issuer, subject, email, created_at)
		values ($1, $2, 'there', 'https://there.test', $1, '', now())`, name, user)
	return name
}

func (w *world) channel(tenant tenants.ID) string {
	grant, ch := channels.NewGrantID(), channels.NewID()
	postgrestest.Exec(w.t, w.db, "insert into channel_grants (tenant_id, id, platform, sealed, generation) values ($1, $2, 'test.platform', '\\x00', 1)", tenant, grant)
	postgrestest.Exec(w.t, w.db, `insert into channels (tenant_id, id, platform, account_id, account, name, grant_id, state, version)
		values ($1, $2, 'test.platform', $2, '{"ID":"acct"}', 'test', $3, 'connected', 1)`, tenant, ch, grant)
	return string(ch)
}

func (w *world) job(tenant tenants.ID) string {
	name := jobs.NewID()
	postgrestest.Exec(w.t, w.db, `with q as (
		insert into river.river_job (kind, args, max_attempts) values ('test', jsonb_build_object('tenant', $1::text), 1) returning id)
		insert into jobs (tenant_id, job_id, type, subject, queue_id) select $1::text, $2, 'webhook.replay', 'whk_x', id from q`, tenant, name)
	return string(name)
}

func (w *world) connection(tenant tenants.ID, owner tenants.UserID) string {
	con := channels.NewConnectionID()
	postgrestest.Exec(w.t, w.db, `insert into channel_connections (tenant_id, id, platform, stage, form, user_id, version, created_at, expires_at)
		values ($1, $2, 'test.platform', 'form', '{}', $3, 1, now(), now() + interval '10 minutes')`, tenant, con, owner)
	return string(con)
}

func (w *world) post(tenant tenants.ID, ch channels.ID) (post, segment string) {
	w.t.Helper()
	return w.postIn(tenant, ch, publishing.NeedsReview)
}

func (w *world) postIn(tenant tenants.ID, ch channels.ID, state publishing.State) (post, segment string) {
	w.t.Helper()
	p := publishing.NewPost(publishing.Content{Parts: []publishing.Part{{Text: "hello"}}, Variants: []publishing.Variant{{Channel: ch}}}, "usr_x")
	p.State = state
	s := &publishing.Segment{ID: publishing.SegmentID(id.New("seg")), State: state, Part: p.Content.Parts[0]}
	d := &publishing.Delivery{
		ID: publishing.DeliveryID(id.New("dlv")), Post: p.ID, Channel: ch, Hash: p.Content.Hash(), DueAt: time.Now().Add(time.Hour), Segments: []*publishing.Segment{s},
	}
	must(w.t, w.db.Posts().Update(w.t.Context(), tenant, func(ctx context.Context, tx publishing.Tx) error {
		if err := tx.SavePost(ctx, p); err != nil {
			return err
		}
		return tx.SaveDelivery(ctx, d)
	}))
	return string(p.ID), string(s.ID)
}
