-- Signing in with accounts elsewhere (OpenID Connect, GitHub).
--
-- Like the people they sign in, these are of no tenant: carillon_system alone
-- reaches them.

-- +goose Up

-- An account elsewhere is that account by issuer and subject. The address is
-- what the provider had when it was linked, for its owner to recognise.
create table externals (
  id         text collate "C" not null primary key,
  user_id    text collate "C" not null references users on delete cascade,
  provider   text not null,
  issuer     text collate "C" not null,
  subject    text collate "C" not null,
  email      text not null,
  created_at timestamptz not null,
  used_at    timestamptz,
  constraint externals_account unique (issuer, subject)
);
create index externals_user on externals (user_id, id);

-- A sign-in that is under way: hashes of what the provider sends back and of
-- what the browser keeps. What else belongs to it is derived, not kept.
create table sign_in_attempts (
  state      bytea not null primary key,           -- SHA-256 of 256 random bits
  binder     bytea not null,                       -- likewise
  provider   text not null,
  aim        text not null,
  user_id    text collate "C" not null,            -- who is on the way; '' signs in
  session_id text collate "C" not null,
  expires_at timestamptz not null,
  constraint sign_in_attempts_aim check (aim in ('sign_in', 'link', 'step_up'))
);
create index sign_in_attempts_expiry on sign_in_attempts (expires_at);

grant select, insert, update, delete on externals, sign_in_attempts to carillon_system;

-- +goose Down
drop table sign_in_attempts;
drop table externals;
