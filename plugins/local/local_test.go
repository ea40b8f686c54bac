package local_test

import (
	"bytes"
	"encoding/json"
	"image/png"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/carillonhq/carillon/plugins/local"
	"github.com/carillonhq/carillon/plugins/sdk"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/model"
	"github.com/carillonhq/carillon/ports/model/modeltest"
)

const brief = "Write a caption about our new cold brew for hot summer days. It is brewed for 18 hours. Members get 20% off until Sunday. " +
	"We roast the beans ourselves in a small workshop. https://brew.example/cold"

func ask(text string, params map[string]any) model.RunRequest {
	return model.RunRequest{
		Task: model.Chat, Model: local.Writer, Params: params,
		Messages: []model.Message{{Role: "system", Parts: []model.Part{{Text: "Be nice."}}}, {Role: "user", Parts: []model.Part{{Text: text}}}},
	}
}

// answer is the text of each variant.
func answer(t *testing.T, req model.RunRequest) []string {
	t.Helper()
	var out []string
	step, err := local.New().Run(t.Context(), req, func(e model.Event) error {
		for len(out) <= e.Delta.Index {
			out = append(out, "")
		}
		out[e.Delta.Index] += e.Delta.Text
		return nil
	})
	if err != nil || step.Done == nil || !strings.Contains(step.Done.Model, "template") {
		t.Fatalf("%+v, %v", step.Done, err)
	}
	return out
}

func TestTheContract(t *testing.T) {
	if _, err := sdk.Describe(local.New()); err != nil {
		t.Fatal(err)
	}
	modeltest.Run(t, func(*testing.T) modeltest.Subject {
		return modeltest.Subject{Vendor: local.New(), Request: ask(brief, nil), Free: true, Charges: func() int { return 0 }}
	})
}

func TestACaptionSaysTheBrief(t *testing.T) {
	for name, tc := range map[string]struct {
		brief  string
		params map[string]any
		has    []string
		hasNot []string
		most   int
	}{
		"a request":       {brief, nil, []string{"our new cold brew for hot summer days", "18 hours", "20% off", "https://brew.example/cold"}, []string{"Write", "caption about"}, 2200},
		"short":           {brief, map[string]any{"length": "short"}, []string{"cold brew", "https://brew.example/cold"}, []string{"workshop"}, 2200},
		"within a limit":  {brief, map[string]any{"platform": "x"}, []string{"cold brew", "https://brew.example/cold"}, nil, 280},
		"required":        {brief, map[string]any{"platform": "x", "brand": map[string]any{"required": []string{"#ad"}}}, []string{"#ad"}, nil, 280},
		"banned":          {brief, map[string]any{"brand": map[string]any{"banned": []string{"20%"}}}, []string{"18 hours"}, []string{"20%"}, 2200},
		"an audience":     {brief, map[string]any{"brand": map[string]any{"audience": "everyone who likes it cold"}}, []string{"For everyone who likes it cold."}, nil, 2200},
		"statements":      {"We open on Monday at nine! Come by for a free cookie.", nil, []string{"We open on Monday at nine!", "free cookie"}, []string{"{}"}, 2200},
		"a bare topic":    {"Our autumn sale", map[string]any{"tone": "professional"}, []string{"our autumn sale"}, nil, 2200},
		"German":          {"Schreibe einen Beitrag über unsere neue Sommerkarte. Sie ist ab Montag da.", nil, []string{"unsere neue Sommerkarte", "ab Montag"}, []string{"Schreibe", "Meet", "Tell us"}, 2200},
		"French, asked":   {"Notre nouvelle carte est prête. Réservez dès lundi.", map[string]any{"language": "fr-CA"}, []string{"Notre nouvelle carte est prête.", "lundi"}, []string{"news"}, 2200},
		"no templates":    {"新しいコーヒーが出ました。金曜日からです。", map[string]any{"language": "ja"}, []string{"新しいコーヒーが出ました。", "金曜日からです。"}, []string{"news", "Tell"}, 2200},
		"right to left":   {"افتتحنا متجرنا الجديد اليوم. أهلا بكم جميعا.", nil, []string{"افتتحنا متجرنا الجديد اليوم."}, []string{"news"}, 2200},
		"announcing that": {"Announce that we ship to Canada now. Delivery takes 5 days.", nil, []string{"we ship to Canada now", "5 days"}, []string{"Announce that"}, 2200},
	} {
		t.Run(name, func(t *testing.T) {
			got := answer(t, ask(tc.brief, tc.params))[0]
			t.Log(got)
			for _, s := range tc.has {
				if !strings.Contains(strings.ToLower(got), strings.ToLower(s)) {
					t.Errorf("no %q in %q", s, got)
				}
			}
			for _, s := range tc.hasNot {
				if strings.Contains(got, s) {
					t.Errorf("%q in %q", s, got)
				}
			}
			if n := utf8.RuneCountInString(got); n > tc.most {
				t.Errorf("%d characters", n)
			}
		})
	}
}

func TestTheSameSeedSaysTheSame(t *testing.T) {
	one := func(seed int) string { return answer(t, ask(brief, map[string]any{"seed": seed, "count": 4}))[0] }
	if first, again := one(1), one(1); first != again {
		t.Error("the same seed said something else")
	}
	different := map[string]bool{}
	for seed := range 12 {
		different[one(seed)] = true
	}
	if len(different) < 3 {
		t.Errorf("12 seeds say %d things", len(different))
	}
	if got := answer(t, ask(brief, map[string]any{"count": 3})); len(got) != 3 || got[0] == got[1] || got[1] == got[2] {
		t.Errorf("variants %q", got)
	}
}

func TestHashtags(t *testing.T) {
	tags := func(params map[string]any) []string {
		params["operation"] = "hashtags"
		return strings.Fields(answer(t, ask(brief, params))[0])
	}
	if got := tags(map[string]any{"platform": "x"}); len(got) != 2 || !slices.Contains(got, "#ColdBrew") {
		t.Errorf("tags %v", got)
	}
	good := tags(map[string]any{"count": 3, "history": []any{map[string]any{"tag": "brewtime", "uses": 40, "engagement": 3}}})
	if good[0] != "#brewtime" {
		t.Errorf("what did well is not first: %v", good)
	}
	bad := tags(map[string]any{"count": 3, "history": []any{map[string]any{"tag": "ColdBrew", "uses": 60, "engagement": 0.1}}})
	if slices.Contains(bad, "#ColdBrew") {
		t.Errorf("what did badly is there: %v", bad)
	}
	if got := tags(map[string]any{"count": 8, "brand": map[string]any{"banned": []string{"coffee"}}}); slices.ContainsFunc(got, func(s string) bool { return strings.Contains(strings.ToLower(s), "coffee") }) {
		t.Errorf("a banned tag: %v", got)
	}
}

func TestOperationsTransformTheText(t *testing.T) {
	text := "We are really very happy to announce that, due to the fact that so many of you asked (thank you!), our shop is open on Sundays. " +
		"It was a long road. Opening hours are 9 to 17. Come in order to try the new cake."
	short := answer(t, ask(text, map[string]any{"operation": "shorten", "max_chars": 170}))[0]
	if utf8.RuneCountInString(short) > 170 || !strings.Contains(short, "open on Sundays") || !strings.Contains(short, "9 to 17") || strings.Contains(short, "due to the fact") {
		t.Errorf("shortened to %q", short)
	}
	for n, v := range answer(t, ask(text, map[string]any{"operation": "vary", "count": 3})) {
		if v == text || !strings.Contains(v, "9 to 17") {
			t.Errorf("%d: %q", n, v)
		}
	}
	pro := answer(t, ask("We're so happy! Don't miss it 🎉", map[string]any{"operation": "rewrite", "tone": "professional"}))[0]
	if strings.ContainsAny(pro, "!🎉") || !strings.Contains(pro, "We are") {
		t.Errorf("professional: %q", pro)
	}
}

// What is said anew claims no more than what was said.
func TestAVersionClaimsNothingElse(t *testing.T) {
	for seed := range 20 {
		for _, v := range answer(t, ask("Try our new special now. It is great.", map[string]any{"operation": "vary", "count": 3, "seed": seed})) {
			for _, added := range []string{"brand-new", "taste", "from today on", "one of a kind"} {
				if strings.Contains(v, added) {
					t.Errorf("seed %d adds %q: %q", seed, added, v)
				}
			}
		}
	}
}

func TestAPlatformsLimitHoldsByItsNameAndId(t *testing.T) {
	long := strings.Repeat("We roast the beans ourselves in a small workshop. ", 60)
	for platform, most := range map[string]int{"X": 280, "Bluesky": 300, "app.bsky": 300, "org.joinmastodon": 500, "com.discord": 2000, "box": 2200} {
		got := answer(t, ask(long, map[string]any{"platform": platform, "operation": "rewrite"}))[0]
		if n := utf8.RuneCountInString(got); n > most || n < most/2 {
			t.Errorf("%s: %d characters", platform, n)
		}
	}
}

func TestASchemaIsAnswered(t *testing.T) {
	schema := map[string]any{"type": "object", "required": []string{"caption", "hashtags"}, "properties": map[string]any{
		"caption": map[string]any{"type": "string", "maxLength": 120}, "hashtags": map[string]any{"type": "array", "items": map[string]any{"type": "string"}, "maxItems": 3},
		"variants": map[string]any{"type": "array", "items": map[string]any{"type": "string"}, "minItems": 2},
		"headline": map[string]any{"type": "string"}, "language": map[string]any{"enum": []string{"de", "en"}}, "score": map[string]any{"type": "integer", "minimum": 1},
	}}
	var got struct {
		Caption, Headline, Language string
		Hashtags, Variants          []string
		Score                       int
	}
	raw := answer(t, ask(brief, map[string]any{"response_schema": schema}))[0]
	if err := json.Unmarshal([]byte(raw), &got); err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	if got.Caption == "" || utf8.RuneCountInString(got.Caption) > 120 || len(got.Hashtags) != 3 || len(got.Variants) < 2 || got.Headline == "" || got.Language != "en" || got.Score != 1 {
		t.Errorf("%+v", got)
	}
}

func TestACard(t *testing.T) {
	req := model.RunRequest{
		Task: model.Image, Model: local.Painter, Texts: []string{"Good coffee takes its time, and so do we."},
		Params: map[string]any{"size": "1080x1350", "author": "Ada, roaster", "brand_name": "Brew & Co", "colours": []any{"#3b2417", "#a8743f"}},
	}
	var got *model.Artifact
	keep := func(e model.Event) error { got = e.Artifact; return nil }
	if _, err := local.New().Run(t.Context(), req, keep); err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(got.Data))
	if err != nil || img.Bounds().Dx() != 1080 || img.Bounds().Dy() != 1350 {
		t.Fatalf("%v, %v", img.Bounds(), err)
	}
	inked := 0
	for y := range 1350 {
		for x := range 1080 {
			if r, _, _, _ := img.At(x, y).RGBA(); r > 0xf000 {
				if inked++; x < 80 || x > 1000 {
					t.Fatalf("the margin is written on at %d, %d", x, y)
				}
			}
		}
	}
	if inked < 10_000 {
		t.Errorf("%d pixels are written on", inked)
	}
	for name, change := range map[string]func(*model.RunRequest){
		"no text":       func(r *model.RunRequest) { r.Texts = []string{" "} },
		"a size":        func(r *model.RunRequest) { r.Params = map[string]any{"size": "9999x1"} },
		"a colour":      func(r *model.RunRequest) { r.Params = map[string]any{"colours": []any{"red"}} },
		"another glyph": func(r *model.RunRequest) { r.Texts = []string{"新しい"} },
	} {
		t.Run(name, func(t *testing.T) {
			bad := req
			change(&bad)
			if _, err := local.New().Run(t.Context(), bad, keep); !fault.Is(err, fault.Invalid) {
				t.Errorf("err = %v", err)
			}
		})
	}
}

func FuzzCaption(f *testing.F) {
	f.Add(brief, "x", 40)
	f.Add("….!?", "", -1)
	f.Add("\xff\xfe https://", "mastodon", 20)
	f.Fuzz(func(t *testing.T, text, platform string, most int) {
		req := ask(text, map[string]any{"platform": platform, "max_chars": most, "length": "long"})
		for _, op := range []string{"caption", "shorten", "vary", "hashtags"} {
			req.Params["operation"] = op
			_, err := local.New().Run(t.Context(), req, func(model.Event) error { return nil })
			if err != nil && !fault.Is(err, fault.Invalid) {
				t.Error(err)
			}
		}
	})
}
