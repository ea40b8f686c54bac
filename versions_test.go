package carillon_test

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

// floors are the oldest versions that may be built with: those before have
// known flaws that would reach us. A floor rises and never falls.
var floors = map[string]string{
	"github.com/gofiber/fiber/v2":              "2.52.15",
	"github.com/valyala/fasthttp":              "1.70.0", // the one that fiber asks for has an authorisation bypass
	"github.com/uptrace/bun":                   "1.3.0",  // before, `-?` with a negative number began a comment: injection
	"github.com/uptrace/bun/dialect/pgdialect": "1.3.0",
	"github.com/jackc/pgx/v5":                  "5.9.2",
	"github.com/redis/go-redis/v9":             "9.7.3",
	"github.com/golang-jwt/jwt/v5":             "5.2.2",
	"golang.org/x/image":                       "0.43.0", // decodes what strangers upload
}

// required reads go.mod: each module's version, and which are not indirect.
func required(t *testing.T) (versions map[string]string, direct map[string]bool) {
	t.Helper()
	file, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	versions, direct = map[string]string{}, map[string]bool{}
	for line := range strings.Lines(string(file)) {
		f := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), "require "))
		if len(f) < 2 || !strings.HasPrefix(f[1], "v") {
			continue
		}
		versions[f[0]] = strings.TrimPrefix(f[1], "v")
		direct[f[0]] = !strings.HasSuffix(strings.TrimSpace(line), "// indirect")
	}
	return versions, direct
}

func TestNoModuleIsOlderThanItsFloor(t *testing.T) {
	versions, direct := required(t)
	for module, floor := range floors {
		if have := versions[module]; have == "" || !direct[module] {
			t.Errorf("%s is not required directly, so nothing holds it at v%s or later", module, floor)
		} else if older(have, floor) {
			t.Errorf("%s v%s: at least v%s", module, have, floor)
		}
	}
}

// River's modules are released together and check nothing of each other.
func TestRiverIsOneVersion(t *testing.T) {
	versions, _ := required(t)
	want := versions["github.com/riverqueue/river"]
	for module, have := range versions {
		if strings.HasPrefix(module, "github.com/riverqueue/river") && have != want {
			t.Errorf("%s v%s beside river v%s", module, have, want)
		}
	}
}

func TestOlder(t *testing.T) {
	for pair, want := range map[[2]string]bool{
		{"1.9.0", "1.10.0"}: true, {"1.10.0", "1.9.0"}: false, {"2.52.15", "2.52.15"}: false, {"2.52.9", "2.52.15"}: true,
		{"0.43.0-rc.1", "0.43.0"}: true, {"0.44.0-rc.1", "0.43.0"}: false,
	} {
		if older(pair[0], pair[1]) != want {
			t.Errorf("older(%s, %s) is not %t", pair[0], pair[1], want)
		}
	}
}

// older compares two versions without their v. A pre-release comes before the
// release; floors are releases.
func older(have, floor string) bool {
	release, _, pre := strings.Cut(have, "-")
	a, b := strings.Split(release, "."), strings.Split(floor, ".")
	for i := range b {
		x, _ := strconv.Atoi(a[i])
		y, _ := strconv.Atoi(b[i])
		if x != y {
			return x < y
		}
	}
	return pre
}
