package social

import "encoding/json"

// Secrets lists what a call lends that nobody may see again, least of all in
// what a plugin says: the credential, and what the operator set under names that
// the manifest's settings schema gives the format password. manifest may be nil.
func (c Call) Secrets(manifest *Manifest) []string {
	out := make([]string, 0, 1+len(c.Credential.Secrets))
	if c.Credential.AccessToken != "" {
		out = append(out, c.Credential.AccessToken)
	}
	for _, v := range c.Credential.Secrets {
		out = append(out, v)
	}
	if manifest == nil || len(c.App) == 0 {
		return out
	}
	for _, name := range SecretSettings(manifest.SettingsSchema) {
		if v := c.App[name]; v != "" {
			out = append(out, v)
		}
	}
	return out
}

// SecretSettings names the members of a settings schema that are secret: those
// of the format password. A schema that cannot be read has none.
func SecretSettings(schema []byte) (names []string) {
	var s struct {
		Properties map[string]json.RawMessage `json:"properties"`
	}
	if len(schema) == 0 || json.Unmarshal(schema, &s) != nil {
		return nil
	}
	for name, raw := range s.Properties {
		var p struct {
			Format string `json:"format"`
		}
		if json.Unmarshal(raw, &p) == nil && p.Format == "password" {
			names = append(names, name)
		}
	}
	return names
}
