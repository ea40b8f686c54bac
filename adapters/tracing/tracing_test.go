package tracing

import "testing"

func TestStatementsAreNamedWithoutTheirArguments(t *testing.T) {
	for sql, want := range map[string]string{
		`select "p"."post_id" from "posts" as "p" where p.tenant_id = 'ten_1'`:   "select posts",
		`/* publishing.claim */ with due as (select 1 from segments s) update x`: "with segments",
		"insert into events (tenant_id) values ('secret from users')":            "insert events",
		"begin; set local app.tenant_id = 'ten_1'":                               "begin",
		"update river.river_job set state = 'x'":                                 "update river.river_job",
		"delete from one_time_tokens where hash = 'x'":                           "delete one_time_tokens",
		"select 'from Canary-1'":                                                 "select",
		"-- a remark\nselect now()":                                              "select",
		"":                                                                       "statement",
		"'; drop":                                                                "statement",
	} {
		if got := nameOf(sql); got != want {
			t.Errorf("%s: named %q, want %q", sql, got, want)
		}
	}
}

func TestOnlyACollectorsAddressIsTaken(t *testing.T) {
	for _, bad := range []string{"", "localhost:4318", "grpc://h:4317", "http://", "::"} {
		if _, err := Start(t.Context(), bad, "dev", "here"); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func FuzzStatementName(f *testing.F) {
	f.Add("select 'a' from b")
	f.Fuzz(func(t *testing.T, sql string) {
		if name := nameOf(sql); len(name) > 160 {
			t.Errorf("%q", name)
		}
	})
}
