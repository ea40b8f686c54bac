package plugins_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// anInstallation runs in a terminal of its own.
func anInstallation(r *reader) {
	r.follow(block{Lang: "sh", Words: map[string]string{"terminal": "installation"}, Text: "carillon dev\n"})
	r.follow(block{Lang: "text", Text: "  Carillon is running. …"})
}

// anInstallationAndAClub also has the folder of a declarative plugin.
func anInstallationAndAClub(r *reader) {
	anInstallation(r)
	r.copy("plugins/telegram", "plugin.yaml")
	r.commands(block{Text: `mkdir club
sed 's/^id: .*/id: org.example.club/; s/^name: .*/name: Club/' plugin.yaml >club/plugin.yaml
echo 'settings: {type: object, properties: {sign_off: {type: string}}}' >>club/plugin.yaml
`})
}

func (r *reader) copy(from string, names ...string) {
	r.Helper()
	for _, name := range names {
		raw, err := os.ReadFile(filepath.Join(repository(r.T), from, name))
		must(r.T, err)
		text := strings.Replace(string(raw), `["go", "run", "../chirpfake/cmd/chirpfake"]`, `["`+filepath.Join(programs, "chirpfake")+`"]`, 1)
		must(r.T, os.WriteFile(filepath.Join(r.dir, name), []byte(text), 0o644))
	}
}

// sdks are built, and the interpreters that run them are the first ones found.
func (r *reader) sdks() {
	r.Helper()
	for _, verb := range []string{"build", "path"} {
		out, err := exec.Command(filepath.Join(repository(r.T), "tools/sdks.sh"), verb).Output()
		if err != nil {
			r.Fatalf("tools/sdks.sh %s: %v", verb, err)
		}
		if verb == "path" {
			r.env = append(r.env, "PATH="+filepath.Join(r.home, "bin")+":"+strings.TrimSpace(string(out)))
		}
	}
}

// theGoExample is a module that builds against this source, with nothing in it.
func theGoExample(r *reader) {
	r.commands(block{Text: `carillon plugin new chirp --replace ~/carillon >written
cd chirp
rm -r main.go api.go fake
`})
	r.copy("plugins/examples/go-chirp", "carillon.yaml")
}

func thePythonExample(r *reader) {
	r.sdks()
	r.env = append(r.env, "PYTHONPATH="+filepath.Join(repository(r.T), "plugins/sdk-py/src")) // installed
	r.copy("plugins/examples/py-chirp", "carillon.yaml")
	// What builds is the document's own command.
	r.commands(block{Text: "sed -i.old '/build:/d' carillon.yaml"})
}

func theTypeScriptExample(r *reader) {
	r.sdks()
	r.copy("plugins/examples/ts-chirp", "carillon.yaml", "package.json", "tsconfig.json")
	must(r.T, os.Symlink(filepath.Join(repository(r.T), "plugins/examples/ts-chirp/node_modules"), filepath.Join(r.dir, "node_modules")))
}
