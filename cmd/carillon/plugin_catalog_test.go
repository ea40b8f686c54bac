package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/carillonhq/carillon/core/catalog"
	"github.com/carillonhq/carillon/ports/fault"
)

// desk is an author's and an operator's shell beside a running installation.
type desk struct {
	*testing.T
	in  *installation
	dir string
}

func sitDown(t *testing.T) desk {
	in := install(t, func(*config) {})
	for name, value := range map[string]string{
		"DATABASE_URL": in.d.cfg.DatabaseURL, "CARILLON_MASTER_KEY": in.masterText(),
		"CARILLON_BLOB_URL": in.d.cfg.BlobURL, "CARILLON_STATE_DIR": in.d.cfg.StateDir, "CARILLON_PIGEON_URL": in.d.cfg.PigeonURL,
	} {
		t.Setenv(name, value)
	}
	return desk{t, in, t.TempDir()}
}

// says runs a command, which has to succeed and to say each of words.
func (d desk) says(line string, words ...string) {
	d.Helper()
	said, err := command(d.T, "plugin "+strings.ReplaceAll(line, "@", d.dir+"/"))
	if err != nil {
		d.Fatalf("plugin %s: %v\n%s", line, err, said)
	}
	for _, w := range words {
		if !strings.Contains(said, w) {
			d.Errorf("plugin %s: no %q in\n%s", line, w, said)
		}
	}
}

func (d desk) fails(line, why string) (said string) {
	d.Helper()
	said, err := command(d.T, "plugin "+strings.ReplaceAll(line, "@", d.dir+"/"))
	if err == nil || !strings.Contains(err.Error(), why) {
		d.Errorf("plugin %s: %v, want something about %q\n%s", line, err, why, said)
	}
	return said
}

// project writes a declarative plugin's folder.
func (d desk) project(name, version string, change ...string) {
	d.Helper()
	raw, err := os.ReadFile("../../plugins/telegram/plugin.yaml")
	must(d.T, err)
	change = append(change, "id: org.telegram", "id: org.example.club", "version: 1.0.0", "version: "+version)
	must(d.T, os.MkdirAll(filepath.Join(d.dir, name), 0o755))
	must(d.T, os.WriteFile(filepath.Join(d.dir, name, "plugin.yaml"), []byte(strings.NewReplacer(change...).Replace(string(raw))), 0o644))
}

// waiting is the digest that is shown of the version that waits.
func (d desk) waiting(id string) string {
	d.Helper()
	said, err := command(d.T, "plugin show "+id)
	must(d.T, err)
	_, digest, _ := strings.Cut(said, "plugin approve "+id+" ")
	digest, _, _ = strings.Cut(digest, "\n")
	return strings.TrimSpace(digest)
}

// runs waits until the installation runs that version; "" is none.
func (d desk) runs(version string) {
	d.Helper()
	ctx, stop := context.WithTimeout(d.Context(), time.Minute)
	defer stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		p, err := d.in.k.plugins.Platform(ctx, "org.example.club")
		if version == "" && fault.Is(err, fault.NotFound) || err == nil && p.Manifest().Version == version {
			return
		}
		select {
		case <-ctx.Done():
			d.Fatalf("it does not run version %q: %v\n%s", version, err, d.in.log.String())
		case <-tick.C:
		}
	}
}

// An author packs and signs; an operator trusts, adds, looks, takes back, and
// hands on what there is.
func TestFromAFolderToAnInstallation(t *testing.T) {
	d := sitDown(t)
	d.project("one", "1.0.0")
	d.project("two", "1.1.0", "egress: [api.telegram.org]", "egress: [api.telegram.org, evil.example]\nsettings: {type: object, properties: {sign_off: {type: string}}}")
	d.says("pack @one -o @one.carillon", "org.example.club 1.0.0 for any, 1 files")
	d.says("pack @two -o @", "org.example.club 1.1.0")
	d.says("keygen --key @author.key", "key ")
	d.fails("keygen --key @author.key", "exists")
	d.says("verify @one.carillon", "signed by nobody")
	d.fails("add @one.carillon", "Nobody signed")
	for _, file := range []string{"one.carillon", "org.example.club-1.1.0.carillon"} {
		d.says("sign --key @author.key @"+file, "signed by key")
	}
	d.says("verify --key @author.key.pub @one.carillon", "1.0.0 for any", "signed by key")

	d.says("trust --name Author @author.key.pub", "of Author is trusted")
	d.says("add @one.carillon", "verified, enabled, takes stable versions", "runs")
	d.runs("1.0.0")
	d.says("add @org.example.club-1.1.0.carillon", "1.1.0", "waits for approval", "host_added: evil.example", "settings_changed: new: sign_off")
	d.says("list", "org.joinmastodon", "builtin", "org.example.club", "1.1.0, 2 changes")
	d.says("dismiss org.example.club", "1.0.0", "runs")
	d.fails("dismiss org.example.club", "waits for approval")
	d.says("add @org.example.club-1.1.0.carillon", "waits for approval", "let it go with")
	d.fails("approve org.example.club", "nothing is approved yet")
	d.fails("approve org.example.club "+strings.Repeat("0", 64), "Look at it first")
	d.says("approve org.example.club "+d.waiting("org.example.club"), "takes stable versions")
	d.runs("1.1.0")
	d.says("rollback org.example.club", "takes pinned versions")
	d.runs("1.0.0")
	d.says("channel org.example.club latest", "takes latest versions")
	d.fails("channel org.example.club nightly", "pinned, stable or latest")
	d.says("channel org.example.club pinned", "takes pinned versions")
	d.says("grants org.example.club", "until somebody switches it off")
	d.says("grants org.example.club --tiers pro,agency --opt-in --deny ten_01jd0000000000000000000000", "plans pro, agency have it, once they switch it on", "ten_01jd0000000000000000000000  denied")
	d.says("grants org.example.club --forget ten_01jd0000000000000000000000 --opt-in=false", "plans pro, agency have it, until")
	d.fails("grants org.example.club --tiers gold", "no plan")
	d.says("disable org.example.club", "disabled")
	d.runs("")
	d.says("enable org.example.club", "enabled")
	d.runs("1.0.0")

	d.says("lock @locked", "1 keys")
	must(t, os.MkdirAll(filepath.Join(d.dir, "taken", lockFile), 0o755))
	if out := d.fails("lock @taken", lockFile); strings.Contains(out, "1 keys") {
		t.Errorf("it says that it is done: %s", out)
	}
	d.says("remove org.example.club")
	d.runs("")
	d.fails("show org.example.club", "no such plugin")
	d.says("lock --apply @locked", "org.example.club  1.0.0  enabled")
	d.runs("1.0.0")
	d.says("show org.example.club", "takes pinned versions", "verified")
}

// What is changed on the way, or on the disk, does not run.
func TestWhatIsChangedDoesNotRun(t *testing.T) {
	d := sitDown(t)
	t.Setenv("CARILLON_PLUGINS_LOCAL", "allow")
	d.project("one", "1.0.0")
	d.says("pack @one -o @one.carillon")
	raw, err := os.ReadFile(filepath.Join(d.dir, "one.carillon"))
	must(t, err)
	raw[len(raw)/2] ^= 1
	must(t, os.WriteFile(filepath.Join(d.dir, "bad.carillon"), raw, 0o600))
	d.fails("verify @bad.carillon", "bundle")
	d.fails("add @bad.carillon", "bundle")
	d.fails("settings org.example.club", "no such plugin")
	d.says("add @one", "local, enabled")
	d.runs("1.0.0")

	// A change on the disk is mended from the blobs before the next start, also
	// of one that runs.
	files, err := filepath.Glob(filepath.Join(d.in.d.cfg.StateDir, "plugins", "sha256", "*", "plugin.yaml"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	digest := filepath.Base(filepath.Dir(files[0]))
	if got := d.in.k.plugins.Bundles(); !slices.Equal(got, []string{digest}) {
		t.Errorf("runs %v", got)
	}
	spec, err := d.in.k.bundles.spec(t.Context(), catalog.Unit{ID: "org.example.club", Digest: digest})
	must(t, err)
	must(t, os.Chmod(filepath.Dir(files[0]), 0o755))
	must(t, os.Remove(files[0]))
	must(t, spec.Check(t.Context()))
	_, err = os.Stat(files[0])
	must(t, err)

	// So spoil those, too.
	d.says("disable org.example.club")
	d.runs("")
	must(t, os.Chmod(filepath.Dir(files[0]), 0o755))
	must(t, os.Remove(files[0]))
	must(t, os.RemoveAll(strings.TrimPrefix(d.in.d.cfg.BlobURL, "file://")))
	d.says("enable org.example.club")
	if err := d.in.k.deployer.Sync(t.Context()); err == nil {
		t.Error("nothing is wrong, it says")
	}
	if said, err := d.in.k.checkPlugins(t.Context()); err == nil || !strings.Contains(err.Error(), "org.example.club") {
		t.Errorf("doctor: %q, %v", said, err)
	}
	if _, err := d.in.k.plugins.Platform(t.Context(), "org.example.club"); !fault.Is(err, fault.NotFound) {
		t.Errorf("it runs: %v", err)
	}
}
