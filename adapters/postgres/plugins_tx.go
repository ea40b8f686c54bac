package postgres

import (
	"context"

	"github.com/carillonhq/carillon/core/catalog"
	"github.com/carillonhq/carillon/tenants"
)

type pluginTx struct{ tx }

func (tx pluginTx) Plugin(ctx context.Context, id string) (*catalog.Plugin, error) {
	var r pluginRow
	if err := one(tx.find(&r).Where("p.id = ?", id).Scan(ctx), catalog.ErrNotFound); err != nil {
		return nil, err
	}
	p := r.plugin()
	var words []wordRow
	if err := tx.find(&words).Where("w.plugin = ?", id).Scan(ctx); err != nil {
		return nil, err
	}
	p.Grants.Tenants = map[tenants.ID]bool{}
	for _, w := range words {
		p.Grants.Tenants[tenants.ID(w.About)] = w.Allowed
	}
	return p, nil
}

func (tx pluginTx) Plugins(ctx context.Context) ([]catalog.Plugin, error) {
	var rows []pluginRow
	if err := tx.find(&rows).Order("p.id").Scan(ctx); err != nil {
		return nil, err
	}
	var words []wordRow
	if err := tx.find(&words).Scan(ctx); err != nil {
		return nil, err
	}
	byPlugin := map[string]map[tenants.ID]bool{}
	for _, w := range words {
		if byPlugin[w.Plugin] == nil {
			byPlugin[w.Plugin] = map[tenants.ID]bool{}
		}
		byPlugin[w.Plugin][tenants.ID(w.About)] = w.Allowed
	}
	out := make([]catalog.Plugin, len(rows))
	for i, r := range rows {
		out[i] = *r.plugin()
		out[i].Grants.Tenants = byPlugin[r.ID]
	}
	return out, nil
}

func (tx pluginTx) SavePlugin(ctx context.Context, p *catalog.Plugin) error {
	if err := p.Check(); err != nil {
		return err
	}
	r := pluginToRow(p)
	if p.Row == 0 {
		res, err := tx.NewInsert().Model(r).On("conflict (tenant_id, id) do nothing").Exec(ctx)
		if err := hit(res, err, catalog.ErrStale); err != nil {
			return err
		}
	} else {
		res, err := tx.change(r).ExcludeColumn("id", "name", "created_at", "updated_at").Set("updated_at = now()").
			Where("p.id = ?", p.ID).Where("p.version = ?", p.Row).Exec(ctx)
		if err := hit(res, err, catalog.ErrStale); err != nil {
			return err
		}
	}
	if err := tx.saveWords(ctx, p); err != nil {
		return err
	}
	p.Row++
	return nil
}

func (tx pluginTx) saveWords(ctx context.Context, p *catalog.Plugin) error {
	if _, err := tx.remove((*wordRow)(nil)).Where("w.plugin = ?", p.ID).Exec(ctx); err != nil || len(p.Grants.Tenants) == 0 {
		return err
	}
	var rows []wordRow
	for t, allowed := range p.Grants.Tenants {
		rows = append(rows, wordRow{Plugin: p.ID, About: string(t), Allowed: allowed})
	}
	_, err := tx.NewInsert().Model(&rows).Exec(ctx)
	return err
}

func (tx pluginTx) Version(ctx context.Context, plugin, digest string) (*catalog.Version, error) {
	var r versionRow
	if err := one(tx.find(&r).Where("v.plugin = ?", plugin).Where("v.digest = ?", digest).Scan(ctx), catalog.ErrNotFound); err != nil {
		return nil, err
	}
	return r.version()
}

func (tx pluginTx) Versions(ctx context.Context, plugin string) ([]catalog.Version, error) {
	var rows []versionRow
	if err := tx.find(&rows).Where("v.plugin = ?", plugin).Order("v.added_at desc", "v.digest").Scan(ctx); err != nil {
		return nil, err
	}
	out := make([]catalog.Version, len(rows))
	for i, r := range rows {
		v, err := r.version()
		if err != nil {
			return nil, err
		}
		out[i] = *v
	}
	return out, nil
}

func (tx pluginTx) SaveVersion(ctx context.Context, v *catalog.Version) error {
	r, err := versionToRow(v)
	if err != nil {
		return err
	}
	_, err = tx.NewInsert().Model(r).On("conflict (tenant_id, plugin, digest) do update").
		Set("level = excluded.level").Set("key_id = excluded.key_id").Set("ran = v.ran or excluded.ran").Exec(ctx)
	return err
}

func (tx pluginTx) DropVersion(ctx context.Context, plugin, digest string) error {
	_, err := tx.remove((*versionRow)(nil)).Where("v.plugin = ?", plugin).Where("v.digest = ?", digest).Exec(ctx)
	return err
}

func (tx pluginTx) Keys(ctx context.Context) ([]catalog.Key, error) {
	var rows []keyOfPluginRow
	if err := tx.find(&rows).Order("k.id").Scan(ctx); err != nil {
		return nil, err
	}
	out := make([]catalog.Key, len(rows))
	for i, r := range rows {
		out[i] = catalog.Key{ID: r.ID, Name: r.Name, Public: r.Public, AddedBy: r.AddedBy, AddedAt: r.AddedAt.UTC()}
	}
	return out, nil
}

func (tx pluginTx) SaveKey(ctx context.Context, k catalog.Key) error {
	r := &keyOfPluginRow{ID: k.ID, Name: k.Name, Public: k.Public, AddedBy: k.AddedBy, AddedAt: k.AddedAt}
	_, err := tx.NewInsert().Model(r).On("conflict (tenant_id, id) do update").
		Set("name = excluded.name").Set("public = excluded.public").Set("added_by = excluded.added_by").Set("added_at = excluded.added_at").Exec(ctx)
	return err
}

func (tx pluginTx) DropKey(ctx context.Context, id string) error {
	res, err := tx.remove((*keyOfPluginRow)(nil)).Where("k.id = ?", id).Exec(ctx)
	return hit(res, err, catalog.ErrNotFound)
}

func (tx pluginTx) Choices(ctx context.Context) (map[string]catalog.Choice, error) {
	var rows []choiceRow
	if err := tx.find(&rows).Scan(ctx); err != nil {
		return nil, err
	}
	out := map[string]catalog.Choice{}
	for _, r := range rows {
		out[r.Plugin] = catalog.Choice{On: r.Wanted, By: r.ChosenBy, At: r.ChosenAt.UTC()}
	}
	return out, nil
}

func (tx pluginTx) SaveChoice(ctx context.Context, plugin string, c catalog.Choice) error {
	r := &choiceRow{Plugin: plugin, Wanted: c.On, ChosenBy: c.By, ChosenAt: c.At}
	_, err := tx.NewInsert().Model(r).On("conflict (tenant_id, plugin) do update").
		Set("wanted = excluded.wanted").Set("chosen_by = excluded.chosen_by").Set("chosen_at = excluded.chosen_at").Exec(ctx)
	return err
}

func (tx pluginTx) Emit(ctx context.Context, event, subject string, data any) error {
	return tx.emit(ctx, event, subject, data)
}
