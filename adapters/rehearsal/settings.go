package rehearsal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/carillonhq/carillon/adapters/bundle"
	"github.com/carillonhq/carillon/ports/social"
)

// Settings are the part "test" of a plugin's carillon.yaml: how the plugin
// meets the fake of its platform. In values, {upstream} stands for the fake's
// address, such as http://127.0.0.1:4711, {host} for its host and port, and
// {env:NAME} for a variable of the author's environment.
type Settings struct {
	// Env is given to the plugin. Not needed where the plugin calls the hosts of
	// its manifest: those lead to the fake by themselves.
	Env      map[string]string   `yaml:"env"`
	Upstream UpstreamSettings    `yaml:"upstream"`
	Accounts []AccountSettings   `yaml:"accounts"` // the first is the one to post to; two tenants need a second
	Connect  []map[string]string `yaml:"connect"`  // what a person enters in each screen of the sign-in
	Cases    []Case              `yaml:"cases"`    // empty: a text, and a picture where the format takes one
	// Settle is how long the fake may hide a new post: its index lag.
	Settle time.Duration `yaml:"settle"`
	// Page is how many objects a listing of the platform shows at most; 0 means 50.
	Page int `yaml:"page"`
	// Answers are the platform's own words for a refusal, by status: "401",
	// "403", "404", "422", "429", "duplicate", "500", "503". In body and
	// headers of "duplicate", {id} stands for the object that is there already.
	Answers map[string]Answer `yaml:"answers"`
	// Expect are kinds of fault that this platform's answer means besides the
	// usual ones, by the same names.
	Expect map[string][]social.Kind `yaml:"expect"`
}

// UpstreamSettings are how the fake is run.
type UpstreamSettings struct {
	// Command runs in the plugin's folder. The fake listens on the port in the
	// environment variable PORT, or prints its address as a line of its own.
	Command []string          `yaml:"command"`
	Env     map[string]string `yaml:"env"`
	// Objects is a path of the fake that answers GET with a JSON array of what
	// is live: [{"id": …, "text": …}].
	Objects string `yaml:"objects"`
}

// AccountSettings are an account at the fake.
type AccountSettings struct {
	ID         string            `yaml:"id"`
	Handle     string            `yaml:"handle"`
	Public     map[string]string `yaml:"public"`
	App        map[string]string `yaml:"app"`
	Credential struct {
		AccessToken string            `yaml:"access_token"`
		Secrets     map[string]string `yaml:"secrets"`
		Public      map[string]string `yaml:"public"`
		Scopes      []string          `yaml:"scopes"`
	} `yaml:"credential"`
}

// A Case is one content to publish.
type Case struct {
	Name      string         `yaml:"name"`
	Format    string         `yaml:"format"` // empty: the first
	Text      string         `yaml:"text"`
	Settings  map[string]any `yaml:"settings"`
	Media     []File         `yaml:"media"`
	Languages []string       `yaml:"languages"`
}

// A File is an attachment of a case. An empty File is a small picture.
type File struct {
	File string           `yaml:"file"` // relative to the plugin's folder
	Kind social.MediaKind `yaml:"kind"` // empty: image
	MIME string           `yaml:"mime"` // empty: from the bytes
	Alt  string           `yaml:"alt"`
}

// Answer is one HTTP answer.
type Answer struct {
	Status int               `yaml:"status"`
	Header map[string]string `yaml:"headers"`
	Body   string            `yaml:"body"`
}

// known are the names that Answers and Expect may use.
var known = []string{"401", "403", "404", "422", "429", "duplicate", "500", "503"}

// Load reads the settings of the plugin in dir. A folder without any has none.
func Load(dir string) (Settings, error) {
	path := filepath.Join(dir, "carillon.yaml")
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Settings{}, nil
	}
	if err != nil {
		return Settings{}, err
	}
	s, err := parse(text)
	if err != nil {
		return Settings{}, fmt.Errorf("%s%w", path, err)
	}
	return s, nil
}

// parse reads a project's file. Its error begins with ":LINE: " where one is known.
func parse(text []byte) (Settings, error) {
	var whole struct {
		Run   yaml.Node `yaml:"run"` // package bundle reads the rest
		Files yaml.Node `yaml:"files"`
		Level yaml.Node `yaml:"level"`
		Test  Settings  `yaml:"test"`
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&whole); err != nil && !errors.Is(err, io.EOF) {
		return Settings{}, bundle.Mistake(err)
	}
	if field, err := whole.Test.check(); err != nil {
		return Settings{}, fmt.Errorf("%s%s: %w", bundle.LinesOf(text).Of(field), field, err)
	}
	return whole.Test, nil
}

// check names the field that makes no sense.
func (s Settings) check() (field string, err error) {
	for name := range s.Answers {
		if !slices.Contains(known, name) {
			return "test.answers." + name, fmt.Errorf("it is none of %v", known)
		}
	}
	for name, kinds := range s.Expect {
		if !slices.Contains(known, name) {
			return "test.expect." + name, fmt.Errorf("it is none of %v", known)
		}
		for _, k := range kinds {
			if k != social.Ambiguous && !k.Refused() {
				return "test.expect." + name, fmt.Errorf("there is no kind of fault %q", k)
			}
		}
	}
	for i, c := range s.Cases {
		for _, m := range c.Media {
			if m.File != "" && !filepath.IsLocal(m.File) {
				return "test.cases", fmt.Errorf("%d: %q is not below the plugin's folder", i, m.File)
			}
		}
	}
	if len(s.Upstream.Command) > 0 && len(s.Accounts) == 0 {
		return "test.accounts", errors.New("name an account at the fake")
	}
	return "", nil
}
