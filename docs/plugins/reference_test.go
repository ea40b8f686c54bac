package plugins_test

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/carillonhq/carillon/adapters/bundle"
	"github.com/carillonhq/carillon/adapters/pluginhost"
	pb "github.com/carillonhq/carillon/plugins/proto/pluginv1"
	"github.com/carillonhq/carillon/plugins/sdk"
	"github.com/carillonhq/carillon/plugins/sdk/wire"
	"github.com/carillonhq/carillon/ports/social"

	"github.com/carillonhq/carillon/core/publishing"
)

func text(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile(name)
	must(t, err)
	return string(raw)
}

// sections are the first columns of a document's tables, by the heading above.
func sections(document string) map[string][]string {
	out := map[string][]string{}
	heading := ""
	row := regexp.MustCompile("^\\| `([a-zA-Z0-9_.]+)` \\|")
	for line := range strings.Lines(document) {
		if title, ok := strings.CutPrefix(line, "#"); ok {
			heading = strings.TrimSpace(strings.TrimLeft(title, "#"))
			out[heading] = nil
		}
		if m := row.FindStringSubmatch(line); m != nil {
			out[heading] = append(out[heading], m[1])
		}
	}
	return out
}

// reached are m and all messages in it, but for those of other kinds of plugins.
func reached(m protoreflect.MessageDescriptor, into map[string]protoreflect.MessageDescriptor) {
	name := string(m.Name())
	if m.IsMapEntry() || m.ParentFile().Package() != pb.File_carillon_plugin_v1_plugin_proto.Package() || name == "ModelManifest" || into[name] != nil {
		return
	}
	into[name] = m
	for i := range m.Fields().Len() {
		if f := m.Fields().Get(i); f.Message() != nil {
			reached(f.Message(), into)
		}
	}
}

func TestTheContractHasEveryCallAndField(t *testing.T) {
	said := sections(text(t, "contract.md"))
	messages, calls := map[string]protoreflect.MessageDescriptor{}, []string{}
	for _, service := range []protoreflect.ServiceDescriptor{
		pb.File_carillon_plugin_v1_plugin_proto.Services().Get(0), pb.File_carillon_plugin_v1_social_proto.Services().Get(0),
	} {
		for i := range service.Methods().Len() {
			m := service.Methods().Get(i)
			calls = append(calls, string(m.Name()))
			reached(m.Input(), messages)
			reached(m.Output(), messages)
		}
	}
	same(t, "Calls", said["Calls"][:len(calls)], calls)
	for name, m := range messages {
		var fields []string
		for i := range m.Fields().Len() {
			fields = append(fields, string(m.Fields().Get(i).Name()))
		}
		same(t, name, said[name], fields)
	}
}

func TestTheContractHasEveryKind(t *testing.T) {
	doc := text(t, "contract.md")
	kinds := words(pb.Fault_KIND_UNSPECIFIED.Descriptor(), "KIND_")
	same(t, "Faults", sections(doc)["Faults"], kinds)
	for _, k := range kinds {
		if refused := social.Kind(k).Refused(); refused == (k == string(social.Ambiguous)) {
			t.Errorf("%s: refused is %t", k, refused)
		}
	}
	same(t, "Recovery", sections(doc)["Recovery"], words(pb.SocialManifest_DEDUP_UNSPECIFIED.Descriptor(), "DEDUP_"))
	for _, enum := range []struct {
		of     protoreflect.EnumDescriptor
		prefix string
	}{
		{pb.Auth_KIND_UNSPECIFIED.Descriptor(), "KIND_"}, {pb.QuotaScope_QUOTA_SCOPE_UNSPECIFIED.Descriptor(), "QUOTA_SCOPE_"},
		{pb.TextRule_COUNT_UNSPECIFIED.Descriptor(), "COUNT_"}, {pb.MediaKind_MEDIA_KIND_UNSPECIFIED.Descriptor(), "MEDIA_KIND_"},
		{pb.Receipt_STATUS_UNSPECIFIED.Descriptor(), "STATUS_"}, {pb.FindResponse_VERDICT_UNSPECIFIED.Descriptor(), "VERDICT_"},
		{pb.Fault_SOURCE_UNSPECIFIED.Descriptor(), "SOURCE_"},
	} {
		for _, word := range words(enum.of, enum.prefix) {
			if !strings.Contains(doc, "`"+word+"`") {
				t.Errorf("%s: nothing says what %q is", enum.of.Name(), word)
			}
		}
	}
}

func words(enum protoreflect.EnumDescriptor, prefix string) (out []string) {
	for i := 1; i < enum.Values().Len(); i++ { // 0 is none
		out = append(out, strings.ToLower(strings.TrimPrefix(string(enum.Values().Get(i).Name()), prefix)))
	}
	return out
}

func same(t *testing.T, what string, said, want []string) {
	t.Helper()
	slices.Sort(said)
	slices.Sort(want)
	if !slices.Equal(said, want) {
		t.Errorf("%s:\n%s", what, cmp.Diff(want, said))
	}
}

// Figures of the documents, as the source has them.
func TestFigures(t *testing.T) {
	host := pluginhost.DefaultTimeouts()
	for doc, figures := range map[string]map[string]bool{
		"contract.md": {
			"at most 4 MiB":                   wire.MaxMessage == 4<<20,
			"preparing 45 s, the commit 30 s": publishing.DefaultTiming.Step == 45*time.Second && publishing.DefaultTiming.Commit == 30*time.Second,
			"at most 16 KiB":                  social.MaxState == 16<<10,
			"120 s if the manifest":           social.DefaultSettle == 120*time.Second,
			"the commit's own 30 s":           sdk.CommitTimeout == 30*time.Second,
			"under way within 10 s":           sdk.Drain == 10*time.Second,
			"10 s after it wanted to; 2 s":    host.Drain == 10*time.Second && host.Probe == 2*time.Second,
			"warned 90 days before":           social.SunsetNotice == 90*24*time.Hour,
			"`carillon-deadline`":             sdk.DeadlineKey == "carillon-deadline",
			"`carillon-proxy`":                sdk.ProxyKey == "carillon-proxy",
			"`CARILLON_PLUGIN`":               sdk.Handshake.MagicCookieKey == "CARILLON_PLUGIN",
			"`1|1|unix|SOCKET|grpc|":          sdk.Protocol == 1,
		},
		"publishing-a-plugin.md": {
			"64 MiB":  bundle.MaxArchive == 64<<20,
			"256 MiB": bundle.MaxUnpacked == 256<<20,
			"4096":    bundle.MaxFiles == 4096,
		},
	} {
		for figure, holds := range figures {
			if !holds || !strings.Contains(text(t, doc), figure) {
				t.Errorf("%s: %q: so it says, %t; so it is, %t", doc, figure, strings.Contains(text(t, doc), figure), holds)
			}
		}
	}
}

// The table of outcomes is the one that every SDK is tested with.
func TestTheOutcomesOfACommit(t *testing.T) {
	var table struct {
		Commits []struct {
			Name string
			Want struct {
				ID, Kind, Key, Scope string
				RetryAfterMS         int64 `json:"retry_after_ms"`
			}
		}
	}
	must(t, json.Unmarshal([]byte(text(t, "../../plugins/sdk/testdata/commits.json")), &table))
	var want strings.Builder
	for _, c := range table.Commits {
		kind, key, besides := "`"+c.Want.Kind+"`", "`"+strings.Replace(c.Want.Key, "test.refused", "….refused", 1)+"`", ""
		if c.Want.Kind == "" {
			kind, key = "a receipt", ""
		}
		if c.Want.RetryAfterMS > 0 {
			besides = fmt.Sprintf("%d s", c.Want.RetryAfterMS/1000)
		}
		fmt.Fprintf(&want, "| %s | %s | %s | %s |\n", c.Name, kind, key, besides)
	}
	if !strings.Contains(text(t, "errors.md"), want.String()) {
		t.Errorf("errors.md does not have this table:\n%s", &want)
	}
}
