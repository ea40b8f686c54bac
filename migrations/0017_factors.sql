-- Second factors, the questions for them, and the devices people signed in on.
-- Like the rest of what is a person's they are of no tenant: carillon_system
-- alone reaches them.

-- +goose Up

alter table users add column short_password boolean not null default false; -- too short to be the only factor

alter table sessions
  add column name             text not null default '',
  add column device           bytea not null default '\x',   -- hash of the device's token
  add column methods          text[] not null default '{password}',
  add column authenticated_at timestamptz not null default now();
-- Sessions of before: when they began is when their person last proved who they are.
update sessions set authenticated_at = created_at;

-- The purposes are a list in the program, where each has its prefix.
alter table one_time_tokens drop constraint one_time_tokens_purpose;
alter table one_time_tokens add constraint one_time_tokens_purpose check (purpose ~ '^[a-z_]{1,40}$');

-- An authenticator app that counts, and one that waits for its first code.
create table totp_apps (
  user_id      text collate "C" not null references users on delete cascade,
  confirmed    boolean not null,
  id           text collate "C" not null,          -- what the secret is sealed for
  sealed       bytea not null,
  created_at   timestamptz not null,
  confirmed_at timestamptz,
  used_at      timestamptz,
  step         bigint not null default 0,          -- no code of it or before works again
  primary key (user_id, confirmed),
  constraint totp_apps_confirmed check (confirmed = (confirmed_at is not null))
);

create table recovery_codes (
  user_id text collate "C" not null references users on delete cascade,
  hash    bytea not null,                          -- SHA-256 of 120 random bits
  primary key (user_id, hash)
);

create table passkeys (
  id         text collate "C" not null primary key,
  user_id    text collate "C" not null references users on delete cascade,
  party      text collate "C" not null,            -- the host it was made for
  credential bytea not null,
  record     bytea not null,                       -- public key, flags and counter, as JSON
  name       text not null,
  created_at timestamptz not null,
  used_at    timestamptz,
  suspect_at timestamptz,
  constraint passkeys_credential unique (party, credential)
);
create index passkeys_user on passkeys (user_id, id);

-- A question that waits for its answer, for minutes.
create table challenges (
  hash       bytea not null primary key,           -- SHA-256 of 256 random bits
  question   text not null,
  user_id    text collate "C" references users on delete cascade,
  session_id text collate "C" references sessions on delete cascade,
  first      text not null,
  party      text collate "C" not null,
  state      bytea,
  expires_at timestamptz not null
);
create index challenges_user on challenges (user_id);
create index challenges_session on challenges (session_id);
create index challenges_expiry on challenges (expires_at);

create table devices (
  hash    bytea not null,                          -- SHA-256 of 256 random bits
  user_id text collate "C" not null references users on delete cascade,
  seen_at timestamptz not null,
  primary key (user_id, hash)
);
create index devices_seen on devices (seen_at);

grant select, insert, update, delete on totp_apps, recovery_codes, passkeys, challenges, devices to carillon_system;

-- +goose Down
drop table devices;
drop table challenges;
drop table passkeys;
drop table recovery_codes;
drop table totp_apps;
delete from one_time_tokens where purpose not in ('verify', 'reset');
alter table one_time_tokens drop constraint one_time_tokens_purpose;
alter table one_time_tokens add constraint one_time_tokens_purpose check (purpose in ('verify', 'reset'));
alter table sessions drop column authenticated_at, drop column methods, drop column device, drop column name;
alter table users drop column short_password;
