package main

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"net/url"
	"strings"
)

// spoil changes one thing somewhere in a value.
func spoil(d *rand.Rand, v any) any {
	switch v := v.(type) {
	case map[string]any:
		if len(v) > 0 && !chance(d, 5) {
			return spoilMember(d, v)
		}
		if chance(d, 2) {
			v[pick(d, append([]string{"id", "tenant_id", "role", "version", "state", "created_at", "__proto__", "object"}, words...))] = anything(d)
			return v
		}
	case []any:
		switch n := d.IntN(6); {
		case len(v) > 0 && n < 3:
			i := d.IntN(len(v))
			v[i] = spoil(d, v[i])
			return v
		case len(v) > 0 && n == 3:
			for range d.IntN(150) {
				v = append(v, v[0])
			}
			return v
		case n == 4:
			return append(v, anything(d))
		}
	case string:
		switch d.IntN(5) {
		case 0:
			return v + pick(d, words)
		case 1:
			return pick(d, words) + v
		case 2, 3:
			return pick(d, words)
		}
	case float64, json.Number:
		if chance(d, 2) {
			return json.Number(pick(d, numbers))
		}
	}
	return anything(d)
}

// spoilMember takes a member away, calls it otherwise or spoils its value.
func spoilMember(d *rand.Rand, v map[string]any) any {
	k := pick(d, sortedKeys(v))
	switch d.IntN(12) {
	case 0:
		delete(v, k)
	case 1:
		v[strings.ToUpper(k)] = v[k]
	case 2:
		v[k] = nil
	default:
		v[k] = spoil(d, v[k])
	}
	return v
}

// garble changes the text of a body, so that it may be no JSON any more.
func garble(d *rand.Rand, text []byte) []byte {
	at := d.IntN(len(text) + 1)
	switch d.IntN(10) {
	case 0:
		return text[:at]
	case 1:
		return append(bytes.Clone(text), pick(d, []string{"{}", "]", "x", "\x00", ","})...)
	case 2:
		return append([]byte("\ufeff"), text...)
	case 3:
		return []byte(strings.Repeat("[", 1+d.IntN(20_000)))
	case 4:
		return bytes.Replace(text, []byte(`:"`), []byte(`:"\ud800`), 1)
	case 5:
		return bytes.Replace(text, []byte(`{"`), []byte(`{"a":1,"a":2,"`), 1)
	case 6:
		return []byte(pick(d, words))
	case 7:
		if chance(d, 20) {
			return append(bytes.Clone(text), bytes.Repeat([]byte(" "), 1<<20)...)
		}
	case 8:
		return nil
	}
	if len(text) == 0 {
		return text
	}
	text = bytes.Clone(text)
	text[at%len(text)] = byte(d.IntN(256)) //nolint:gosec // below 256
	return text
}

// spoilHeader changes one header.
func (q *request) spoilHeader(d *rand.Rand, s *stage) {
	switch d.IntN(12) {
	case 0:
		q.header.Del("Authorization")
		q.anonymous = true
	case 1:
		q.header.Set("Authorization", pick(d, []string{"Bearer", "Bearer x", "Basic YTpi", "Bearer\t" + q.as.token() + "x", "Bearer " + q.as.token() + "x"}))
		q.anonymous = true
	case 2:
		other := s.red
		if q.as.side == s.red {
			other = s.blue
		}
		q.header.Set("Carillon-Tenant", string(other.workspace))
		q.elsewhere = q.as.side != nil
	case 3:
		q.header.Set("Carillon-Tenant", printable(pick(d, words)))
	case 4:
		q.header.Set("Content-Type", pick(d, []string{"text/plain", "application/json; charset=utf-16", "application/xml", "application/json;", "multipart/form-data", "application/merge-patch+json", ";", "application/x-www-form-urlencoded"}))
	case 5:
		q.header.Set("If-Match", printable(pick(d, []string{"*", `W/"v1"`, `"v1", "v2"`, `"v99999999999999999999"`, `"v-1"`, "v1", `"`})))
	case 6:
		q.header.Set("Idempotency-Key", printable(pick(d, words)))
	case 7:
		q.header.Set("Carillon-Version", printable(pick(d, append([]string{"2026-11-01", "2020-01-01", "2026-13-01"}, words...))))
	case 8:
		q.header.Set("Content-Encoding", pick(d, []string{"gzip", "identity", "br", "deflate, gzip"}))
	case 9:
		q.header.Set("X-Forwarded-For", printable(pick(d, append([]string{"::1", "fe80::1%lo", "1.2.3.4, 5.6.7.8", "unknown", "1.2.3.4:80"}, words...))))
	case 10:
		q.header.Set("Cookie", printable("carillon_refresh="+pick(d, words)+"; carillon_device=x"))
	default:
		name := pick(d, []string{"Range", "Prefer", "Last-Event-Id", "Origin", "Sec-Fetch-Site", "Traceparent", "Accept", "Accept-Language", "User-Agent", "If-None-Match", "X-Http-Method-Override", "Forwarded", "X-Forwarded-Host"})
		q.header.Set(name, printable(pick(d, words)))
	}
}

// spoilQuery adds a parameter, twice what is there, or writes nonsense.
func (q *request) spoilQuery(d *rand.Rand) {
	switch d.IntN(4) {
	case 0:
		q.query += "&" + url.QueryEscape(pick(d, words)) + "=" + url.QueryEscape(pick(d, words))
	case 1:
		q.query += "&" + q.query
	case 2:
		q.query += pick(d, []string{"&", "=", "&limit=0", "&limit=-1", "&limit=1e3", "%00=%ff", "&%zz", "&a[b][c]=1", "&;", "&sort=+", "&include=a,b,,", "&dry_run=maybe", "&limit=1&limit=2"})
	default:
		for range d.IntN(300) {
			q.query += "&x=1"
		}
	}
	q.query = strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' || r == '#' {
			return -1
		}
		return r
	}, q.query)
}

// printable is s without what net/http would not send in a header.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, s)
}
