-- What a brand looks like beyond colours, and who its letters are from. A
-- picture is what it is described by; its bytes are among the blobs.

-- +goose Up
alter table brands
  add column logo        jsonb,                    -- {"id", "address", "mime", "bytes", "width", "height"}
  add column favicon     jsonb,
  add column sender_name text not null default '',
  add column sender      text not null default '', -- an address; used while its host is proven
  add column reply_to    text not null default '';
create index brands_logo on brands ((logo->>'address')) where logo is not null;
create index brands_favicon on brands ((favicon->>'address')) where favicon is not null;

-- +goose Down
alter table brands drop column logo, drop column favicon, drop column sender_name, drop column sender, drop column reply_to;
