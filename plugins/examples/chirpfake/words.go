package chirpfake

import (
	"strings"

	"github.com/carillonhq/carillon/plugins/internal/faulty"
)

// Words are what a text says to have its post meet a trouble.
var Words = map[string]faulty.Trouble{
	"#429":              faulty.Limit,
	"#expire":           faulty.Expire,
	"#reset":            faulty.ResetBefore,
	"#drop-reply":       faulty.DropReply,
	"#500-after-accept": faulty.FailAfterAccept,
	"#garble":           faulty.Garble,
	"#stall":            faulty.Stall,
}

func said(text string) faulty.Trouble {
	for _, word := range strings.Fields(text) {
		if t, ok := Words[word]; ok {
			return t
		}
	}
	return faulty.None
}
