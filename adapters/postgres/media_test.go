package postgres_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/carillonhq/carillon/adapters/postgres"
	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/core/media"
	"github.com/carillonhq/carillon/core/media/mediatest"
	"github.com/carillonhq/carillon/core/publishing"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/storage/storagetest"
	"github.com/carillonhq/carillon/tenants"
)

func TestMedia(t *testing.T) {
	for name, open := range map[string]func(testing.TB) *postgres.DB{
		"both walls": postgrestest.Open, "filters alone": postgrestest.FiltersAlone, "row security alone": postgrestest.RowSecurityAlone,
	} {
		t.Run(name, func(t *testing.T) {
			db := open(t)
			mediatest.Run(t, func(t *testing.T) (media.Store, tenants.ID, tenants.ID) {
				return db.Media(), postgrestest.Tenant(t, db), postgrestest.Tenant(t, db)
			})
		})
	}
}

func TestTenantsWithStaleMediaAreFound(t *testing.T) {
	db := postgrestest.Open(t)
	us, them := postgrestest.Tenant(t, db), postgrestest.Tenant(t, db)
	for tenant, state := range map[tenants.ID]media.State{us: media.Uploading, them: media.Ready} {
		m := mediatest.New(mediatest.At, state)
		if err := db.Media().Update(t.Context(), tenant, func(tx media.Tx) error { return tx.Save(t.Context(), m) }); err != nil {
			t.Fatal(err)
		}
	}
	ids, err := db.StaleMedia(t.Context(), mediatest.At.Add(time.Second), 1000)
	if err != nil || !slices.Contains(ids, us) || slices.Contains(ids, them) {
		t.Errorf("got %v, %v; want %s and not %s", ids, err, us, them)
	}
}

// Whoever saves a draft that shows a file and whoever deletes the file do not
// both have their way.
func TestADraftAndTheDeletionOfItsFile(t *testing.T) {
	db := postgrestest.Open(t)
	us := postgrestest.Tenant(t, db)
	who := tenants.Scope{Tenant: us, User: "usr_x"}
	posts := publishing.New(db.Posts(), easy{}, easy{}, easy{}, allowAll{})
	files := media.New(db.Media(), new(storagetest.Memory), nil, nil, allowAll{}, time.Now)
	var kept, gone int
	for range 30 {
		m := mediatest.New(time.Now(), media.Ready)
		must(t, db.Media().Update(t.Context(), us, func(tx media.Tx) error { return tx.Save(t.Context(), m) }))
		content := publishing.Content{Parts: []publishing.Part{{Text: "x", Media: []publishing.Attachment{{Media: m.ID}}}}}
		var made, deleted error
		var wg sync.WaitGroup
		wg.Go(func() { _, made = posts.Create(t.Context(), who, content, publishing.Schedule{}) })
		wg.Go(func() { deleted = files.Delete(t.Context(), who, m.ID, false) })
		wg.Wait()
		switch {
		case made == nil && fault.Is(deleted, fault.Conflict):
			kept++
		case fault.Is(made, fault.Invalid) && deleted == nil:
			gone++
		default:
			t.Fatalf("made: %v, deleted: %v", made, deleted)
		}
	}
	t.Logf("%d kept, %d gone", kept, gone)
}
