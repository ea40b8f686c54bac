-- Which plugins the installation runs, in which version, and who may use them.

-- +goose Up

-- The catalog is the operator's: its rows are that tenant's, and rows of any
-- other count for nothing.
create table plugins (
  tenant_id  text collate "C" not null default app_tenant(),
  id         text collate "C" not null,      -- the manifest's
  name       text collate "C" not null,      -- plg_…: what events are about
  level      text not null,
  channel    text not null,
  state      text not null,
  active     text collate "C" not null default '', -- digests of bundles; '': none
  pending    text collate "C" not null default '',
  previous   text collate "C" not null default '',
  signer     text collate "C" not null default '',
  hosts      text[] not null default '{}',   -- approved
  scopes     text[] not null default '{}',   -- approved
  tiers      text[] not null default '{}',   -- the plans that include it
  opt_in     boolean not null default false,
  version    integer not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, id),
  foreign key (tenant_id) references tenants,
  constraint plugins_level check (level in ('builtin', 'verified', 'community', 'local')),
  constraint plugins_channel check (channel in ('pinned', 'stable', 'latest')),
  constraint plugins_state check (state in ('enabled', 'disabled', 'removed'))
);

create table plugin_versions (
  tenant_id text collate "C" not null default app_tenant(),
  plugin    text collate "C" not null,
  digest    text collate "C" not null,
  version   text not null,
  level     text not null,
  key_id    text collate "C" not null default '', -- that it was signed with
  platform  text not null,
  manifest  jsonb not null,
  added_by  text collate "C" not null,
  added_at  timestamptz not null,
  ran       boolean not null default false, -- so that there is a way back to it
  primary key (tenant_id, plugin, digest),
  foreign key (tenant_id) references tenants
);

-- Keys whose signature this installation trusts.
create table plugin_keys (
  tenant_id text collate "C" not null default app_tenant(),
  id        text collate "C" not null,
  name      text not null,
  public    bytea not null,
  added_by  text collate "C" not null,
  added_at  timestamptz not null,
  primary key (tenant_id, id),
  foreign key (tenant_id) references tenants,
  constraint plugin_keys_public check (octet_length(public) = 32)
);

-- The operator's word about a tenant and all below it, whatever their plan.
create table plugin_words (
  tenant_id text collate "C" not null default app_tenant(),
  plugin    text collate "C" not null,
  about     text collate "C" not null,       -- a tenant; no foreign key: no reference crosses tenants
  allowed   boolean not null,
  primary key (tenant_id, plugin, about),
  foreign key (tenant_id) references tenants
);

-- A tenant's own word, for itself and all below it.
create table plugin_choices (
  tenant_id text collate "C" not null default app_tenant(),
  plugin    text collate "C" not null,
  wanted    boolean not null,
  chosen_by text collate "C" not null,
  chosen_at timestamptz not null,
  primary key (tenant_id, plugin),
  foreign key (tenant_id) references tenants
);

-- +goose StatementBegin
do $$
declare t text;
begin
  foreach t in array array['plugins', 'plugin_versions', 'plugin_keys', 'plugin_words', 'plugin_choices'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format('create policy tenant on %I using (tenant_id = (select app_tenant())) with check (tenant_id = (select app_tenant()))', t);
    execute format('grant select, insert, update, delete on %I to carillon_app', t);
  end loop;
  -- Every process runs what is in the catalog, and asks who may use it.
  foreach t in array array['plugins', 'plugin_versions', 'plugin_words', 'plugin_choices'] loop
    execute format('create policy instance on %I for select to carillon_system using (true)', t);
    execute format('grant select on %I to carillon_system', t);
  end loop;
end $$;
-- +goose StatementEnd

-- Why a tenant may not use a platform; null if it may. A platform that the
-- catalog has nothing on is builtin and for everybody. Only the system role can
-- see enough to ask.
-- +goose StatementBegin
create function platform_closed(tenant text, platform text) returns text stable parallel safe cost 10000 language sql as $$
  select case
           when p.state <> 'enabled' or (p.level <> 'builtin' and p.active = '') then 'platform.disabled'
           when not coalesce(w.allowed, p.id is null or coalesce(up.tier, 'free') = any (p.tiers)) then 'platform.not_included'
           when c.refused or (p.opt_in and not coalesce(c.wanted, false)) then 'platform.switched_off'
         end
    from tenants t
    left join (plugins p join tenants o on o.tenant_id = p.tenant_id and o.kind = 'operator') on p.id = $2
    cross join lateral (
      select (array_agg(a.tier order by cardinality(a.ancestors) desc) filter (where a.tier is not null))[1] as tier
        from tenants a where a.tenant_id = any (t.ancestors)) up
    cross join lateral (
      select (array_agg(w.allowed order by cardinality(a.ancestors) desc))[1] as allowed
        from plugin_words w join tenants a on a.tenant_id = w.about
       where w.tenant_id = p.tenant_id and w.plugin = p.id and w.about = any (t.ancestors)) w
    cross join lateral (
      select bool_or(not c.wanted) as refused, bool_or(c.wanted) as wanted
        from plugin_choices c where c.tenant_id = any (t.ancestors) and c.plugin = $2) c
   where t.tenant_id = $1
$$;
-- +goose StatementEnd
grant execute on function platform_closed(text, text) to carillon_system;

-- The platforms that are closed to somebody, so that whoever asks about
-- thousands of channels asks only about those of these.
create view platforms_restricted with (security_invoker = true) as
  select p.id from plugins p
   where p.state <> 'enabled' or p.active = '' or p.opt_in or not p.tiers @> array['free', 'creator', 'pro', 'agency']
  union select w.plugin from plugin_words w where not w.allowed
  union select c.plugin from plugin_choices c where not c.wanted;
grant select on platforms_restricted to carillon_system;

-- +goose Down
drop view platforms_restricted;
drop function platform_closed(text, text);
drop table plugin_choices;
drop table plugin_words;
drop table plugin_keys;
drop table plugin_versions;
drop table plugins;
