package telegramfake

import (
	"encoding/json"
	"mime"
	"net/http"
)

// params are the parameters of one call, however they were sent.
type params struct {
	method string
	values map[string]string // objects as JSON
	files  map[string]File
}

func (in *params) text(name string) string { return in.values[name] }

func (in *params) object(name string, into any) {
	if raw := in.values[name]; raw != "" {
		_ = json.Unmarshal([]byte(raw), into) // like the real one, what cannot be read is not there
	}
}

func read(r *http.Request) (*params, error) {
	in := &params{values: map[string]string{}, files: map[string]File{}}
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch kind {
	case "application/json":
		return in, in.readJSON(r)
	case "multipart/form-data":
		if err := r.ParseMultipartForm(64 << 20); err != nil {
			return nil, err
		}
		for name, headers := range r.MultipartForm.File {
			h := headers[0]
			in.files[name] = File{Field: name, Name: h.Filename, MIME: h.Header.Get("Content-Type"), Bytes: h.Size}
		}
	default:
		if err := r.ParseForm(); err != nil {
			return nil, err
		}
	}
	for name, values := range r.Form {
		in.values[name] = values[0]
	}
	return in, nil
}

func (in *params) readJSON(r *http.Request) error {
	var body map[string]json.RawMessage
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		return err
	}
	for name, raw := range body {
		var text string
		if json.Unmarshal(raw, &text) == nil {
			in.values[name] = text
		} else {
			in.values[name] = string(raw)
		}
	}
	return nil
}
