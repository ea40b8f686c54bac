package local

import (
	"cmp"
	"encoding/json"
	"hash/fnv"
	"math/rand/v2"
	"strings"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/model"
)

// maxBrief is as much as is read, in bytes.
const maxBrief = 32 << 10

// order is what is asked for.
type order struct {
	Operation string         `json:"operation"`
	Platform  string         `json:"platform"`
	Language  string         `json:"language"`
	Tone      string         `json:"tone"`
	Length    string         `json:"length"`
	MaxChars  int            `json:"max_chars"`
	Count     int            `json:"count"`
	Seed      int64          `json:"seed"`
	Link      string         `json:"link"`
	Brand     brand          `json:"brand"`
	History   []used         `json:"history"`
	Schema    map[string]any `json:"response_schema"`

	brief string
	words *words // of the language
}

type brand struct {
	Name     string   `json:"name"`
	Audience string   `json:"audience"`
	Required []string `json:"required"`
	Banned   []string `json:"banned"`
}

// used is how a hashtag did.
type used struct {
	Tag        string  `json:"tag"`
	Uses       float64 `json:"uses"`
	Engagement float64 `json:"engagement"` // of the posts with it over the others', 1: the same
}

func parse(req model.RunRequest) (order, error) {
	o := order{}
	raw, err := json.Marshal(req.Params)
	if err == nil {
		err = json.Unmarshal(raw, &o)
	}
	if err != nil {
		return o, fault.New(fault.Invalid, "local.bad_params", "The parameters are not what this model takes.").On("/params").Because(err)
	}
	for _, m := range req.Messages {
		if m.Role != "user" {
			continue
		}
		var said []string
		for _, p := range m.Parts {
			said = append(said, p.Text)
		}
		o.brief = strings.TrimSpace(strings.Join(said, "\n"))
	}
	if o.brief == "" || len(o.brief) > maxBrief {
		return o, fault.New(fault.Invalid, "local.no_brief", "Say in up to 32 KiB what to write about.").On("/messages")
	}
	o.words = languageOf(o.Language, o.brief)
	if _, ok := o.words.lead[o.Tone]; !ok {
		o.Tone = "friendly"
	}
	if o.MaxChars <= 0 {
		o.MaxChars = limitOf(o.Platform)
	}
	return o, nil
}

// limits are what platforms take, in characters, where it is less than
// defaultLimit: by their names and by the ids of their plugins.
var limits = map[string]int{
	"x": 280, "twitter": 280, "bluesky": 300, "app.bsky": 300, "mastodon": 500, "org.joinmastodon": 500,
	"threads": 500, "pinterest": 500, "discord": 2000, "com.discord": 2000,
}

const defaultLimit = 2200

func limitOf(platform string) int { return cmp.Or(limits[strings.ToLower(platform)], defaultLimit) }

// dice is the chance of the n-th version of this order.
func (o order) dice(n int) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(o.brief + "\x00" + o.Platform + "\x00" + o.Tone + "\x00" + o.Brand.Name))
	return rand.New(rand.NewPCG(h.Sum64()^uint64(o.Seed), uint64(n))) //nolint:gosec // it has to be the same again
}

func pick(r *rand.Rand, list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[r.IntN(len(list))]
}
