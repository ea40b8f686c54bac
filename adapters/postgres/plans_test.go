package postgres_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/carillonhq/carillon/adapters/postgres"
	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
)

// ofTable are the tables that grow; a tenant has few channels.
var ofTable = regexp.MustCompile(`on (segments|posts|deliveries|attempts|events) `)

// A plan made while the tables are nearly empty is kept while they fill up, so
// it has to be the right one for full tables from the start: by an index whose
// condition names the row, not only its tenant.
func TestPlansMadeOnEmptyTablesStayGood(t *testing.T) {
	db := postgrestest.Isolated(t)
	us := postgrestest.Tenant(t, db)
	ch := channelOf(t, db, us)
	for range 3 {
		duePost(t, db, us, ch, time.Now().Add(time.Hour))
	}
	postgrestest.Exec(t, db, "analyze")
	for name, sql := range postgres.Hot {
		t.Run(name, func(t *testing.T) {
			lines, err := db.GenericPlan(t.Context(), us, sql)
			if err != nil {
				t.Fatal(err)
			}
			plan := strings.Join(lines, "\n")
			for i, line := range lines {
				if !ofTable.MatchString(line) || strings.Contains(line, "Update on") || strings.Contains(line, "Insert on") {
					continue
				}
				if strings.Contains(line, "Seq Scan") || i+1 == len(lines) || !strings.Contains(lines[i+1], " AND ") {
					t.Errorf("%s\nin\n%s", strings.TrimSpace(line), plan)
				}
			}
		})
	}
}
