-- People, their sessions, what is mailed to them, and the keys of programs.
--
-- A person is of no tenant: these tables are global, and carillon_system alone
-- reaches them. Keys belong to a tenant.

-- +goose Up

create table users (
  id            text collate "C" not null primary key,
  email         text collate "C" not null,         -- lower case, ASCII
  name          text not null,
  password_hash text not null,
  home_tenant   text collate "C",                  -- the agency made for them
  created_at    timestamptz not null,
  constraint users_email unique (email),
  constraint users_email_form check (email = lower(email) and char_length(email) <= 254)
);

-- A registration is not a person until its link is followed. Several may wait
-- for one address, each with the password that was proposed with it.
create table registrations (
  id            text collate "C" not null primary key,
  user_id       text collate "C" not null,         -- who they will be
  email         text collate "C" not null,
  name          text not null,
  password_hash text not null,
  created_at    timestamptz not null,
  expires_at    timestamptz not null
);
create index registrations_email on registrations (email, created_at desc);
create index registrations_expiry on registrations (expires_at);

create table sessions (
  id         text collate "C" not null primary key,
  user_id    text collate "C" not null references users on delete cascade,
  agent      text not null,
  address    text not null,
  created_at timestamptz not null,
  seen_at    timestamptz not null,
  expires_at timestamptz not null
);
create index sessions_user on sessions (user_id, id desc);
create index sessions_expiry on sessions (expires_at);

-- Every refresh token a session ever had: seeing a used one is how theft shows.
create table refresh_tokens (
  hash       bytea not null primary key,           -- SHA-256 of 256 random or derived bits
  session_id text collate "C" not null references sessions on delete cascade,
  used_at    timestamptz,
  used_by    text not null default ''
);
create index refresh_tokens_session on refresh_tokens (session_id);

create table one_time_tokens (
  hash       bytea not null primary key,           -- SHA-256 of 256 random bits
  purpose    text not null,
  subject    text collate "C" not null,            -- a registration or a user
  expires_at timestamptz not null,
  constraint one_time_tokens_purpose check (purpose in ('verify', 'reset'))
);
create index one_time_tokens_subject on one_time_tokens (subject, purpose);
create index one_time_tokens_expiry on one_time_tokens (expires_at);

-- How often a stranger tried something at an address. The key is a keyed hash:
-- people type passwords into the wrong field.
create table guards (
  key   text collate "C" not null primary key,
  count integer not null default 0,
  at    timestamptz,
  until timestamptz
);
create index guards_at on guards (at);

grant select, insert, update, delete
  on users, registrations, sessions, refresh_tokens, one_time_tokens, guards to carillon_system;

create table api_keys (
  tenant_id    text collate "C" not null default app_tenant(),
  id           text collate "C" not null,
  name         text not null,
  hash         bytea not null,                     -- SHA-256 of the token, which holds 256 random bits
  scopes       text[] not null,
  created_by   text collate "C" not null,
  role         text not null,                      -- the maker's when it was made, for the record
  api_version  text not null,
  created_at   timestamptz not null,
  expires_at   timestamptz,
  last_used_at timestamptz,
  revoked_at   timestamptz,
  primary key (tenant_id, id),
  foreign key (tenant_id) references tenants,
  constraint api_keys_scopes check (cardinality(scopes) between 1 and 100)
);
-- A request brings a key's name before anyone knows its tenant. Not unique:
-- that could not be had across the nodes of a cluster, and the names are random.
create index api_keys_id on api_keys (id);

alter table api_keys enable row level security;
alter table api_keys force row level security;
create policy tenant on api_keys
  using (tenant_id = (select app_tenant())) with check (tenant_id = (select app_tenant()));
create policy system on api_keys for select to carillon_system using (true);
grant select, insert, update on api_keys to carillon_app;
grant select on api_keys to carillon_system;

-- +goose Down
drop table api_keys;
drop table guards;
drop table one_time_tokens;
drop table refresh_tokens;
drop table sessions;
drop table registrations;
drop table users;
