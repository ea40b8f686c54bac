package main

import (
	"context"
	"fmt"
	"os"
	"strings"
)

// forgetStatements starts a new account of what the database is busy with.
func (h *house) forgetStatements(ctx context.Context) {
	if h.opt.statements {
		_, _ = h.Admin.Exec(ctx, "create extension if not exists pg_stat_statements")
		_, _ = h.Admin.Exec(ctx, "select pg_stat_statements_reset()")
	}
}

// printStatements says which statements took the database's time.
func (h *house) printStatements(ctx context.Context) {
	if !h.opt.statements {
		return
	}
	rows, err := h.Admin.Query(ctx, `select calls, total_plan_time, total_exec_time,
		(shared_blks_hit + shared_blks_read) / calls, wal_bytes::float8 / calls, query from pg_stat_statements where calls > 0
		order by total_plan_time + total_exec_time desc limit 25`)
	if err != nil {
		return
	}
	defer rows.Close()
	fmt.Fprintln(os.Stderr, "   calls   plan ms   exec ms  pages    wal  statement")
	for rows.Next() {
		var calls, pages int64
		var plan, exec, wal float64
		var query string
		if rows.Scan(&calls, &plan, &exec, &pages, &wal, &query) == nil {
			query = strings.Join(strings.Fields(query), " ")
			fmt.Fprintf(os.Stderr, "%8d %9.0f %9.0f %6d %6.0f  %.200s\n", calls, plan, exec, pages, wal, query)
		}
	}
}
