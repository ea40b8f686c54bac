package catalog

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
)

// Settings is what an operator set for a plugin.
type Settings struct {
	Schema  []byte         // the manifest's; nil: there is nothing to set
	Values  map[string]any // without secrets
	Secrets []string       // names of those that are set, ascending
}

// hidden stands for a secret that stays, while the rest is looked at.
const hidden = "hidden"

// Settings returns what is set for a plugin, for everybody.
func (s *Service) Settings(ctx context.Context, who tenants.Scope, id string) (Settings, error) {
	if err := s.Authz.Allow(ctx, who, ActManage); err != nil {
		return Settings{}, err
	}
	e, err := s.get(ctx, who, id)
	if err != nil {
		return Settings{}, err
	}
	plain, secrets, err := s.Apps.App(ctx, who, id)
	if err != nil {
		return Settings{}, err
	}
	out := Settings{Schema: e.Manifest.SettingsSchema, Values: map[string]any{}, Secrets: slices.Sorted(slices.Values(secrets))}
	types := typesOf(out.Schema)
	for name, text := range plain {
		out.Values[name] = types.value(name, text)
	}
	return out, nil
}

// SetSettings replaces what is set for a plugin, held to its manifest's schema.
// A secret that values does not name stays; null deletes it. Errors:
// fault.Invalid with the violations below "/values".
func (s *Service) SetSettings(ctx context.Context, who tenants.Scope, id string, values map[string]any) (Settings, error) {
	now, err := s.Settings(ctx, who, id)
	if err != nil {
		return Settings{}, err
	}
	if now.Schema == nil {
		return Settings{}, fault.New(fault.Invalid, "plugin.no_settings", "This plugin has nothing to set.").On("/values")
	}
	types := typesOf(now.Schema)
	whole := maps.Clone(values)
	maps.DeleteFunc(whole, func(_ string, v any) bool { return v == nil })
	kept := map[string]bool{}
	for _, name := range now.Secrets {
		if _, named := values[name]; !named && types[name].secret() {
			whole[name], kept["/values/"+escape(name)] = hidden, true
		}
	}
	found := slices.DeleteFunc(s.Rules.Settings(now.Schema, whole, "/values"), func(v fault.Violation) bool { return kept[v.Field] })
	if len(found) > 0 {
		f := fault.New(fault.Invalid, "plugin.bad_settings", "These settings are not what the plugin takes.")
		f.Violations = found
		return Settings{}, f
	}
	plain, secrets, err := types.split(values)
	if err != nil {
		return Settings{}, err
	}
	if err := s.Apps.SetApp(ctx, who, id, plain, secrets); err != nil {
		return Settings{}, err
	}
	// Every process hears of the save, and reads the settings anew.
	if _, err := s.change(ctx, who, id, "plugin.set_settings", func(context.Context, Tx, *Plugin) (*Version, []string, error) {
		return nil, []string{EventUpdated}, nil
	}); err != nil {
		return Settings{}, err
	}
	return s.Settings(ctx, who, id)
}

// escape is RFC 6901, section 3.
func escape(segment string) string { return strings.NewReplacer("~", "~0", "/", "~1").Replace(segment) }

// property is what matters here of a member of a schema.
type property struct {
	Type   any    `json:"type"`
	Format string `json:"format"`
}

func (p property) secret() bool { return p.Format == "password" }

// properties are the members of a schema by name.
type properties map[string]property

func typesOf(schema []byte) properties {
	var s struct {
		Properties map[string]json.RawMessage `json:"properties"`
	}
	out := properties{}
	if json.Unmarshal(schema, &s) != nil {
		return out // who compiles it says so
	}
	for name, raw := range s.Properties {
		var p property
		if json.Unmarshal(raw, &p) == nil {
			out[name] = p
		}
	}
	return out
}

// value reads a value as it is kept.
func (p properties) value(name, text string) any {
	if p[name].Type == "string" || p[name].Type == nil {
		return text
	}
	var v any
	if json.Unmarshal([]byte(text), &v) != nil {
		return text
	}
	return v
}

// split tells secrets from the rest, all of them as texts: plugins take no
// other. A null deletes.
func (p properties) split(values map[string]any) (plain, secrets map[string]string, err error) {
	plain, secrets = map[string]string{}, map[string]string{}
	for name, v := range values {
		text, isText := v.(string)
		if !isText && v != nil {
			raw, err := json.Marshal(v)
			if err != nil {
				return nil, nil, fault.New(fault.Invalid, "plugin.bad_settings", "This cannot be a setting.").On("/values/" + escape(name))
			}
			text = string(raw)
		}
		switch {
		case p[name].secret():
			secrets[name] = text
		case v != nil:
			plain[name] = text
		}
	}
	return plain, secrets, nil
}
