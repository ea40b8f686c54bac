package httpapi

import (
	"testing"

	"github.com/carillonhq/carillon/ports/fault"
)

func TestReadRange(t *testing.T) {
	for header, want := range map[string]struct {
		span
		part, none bool
	}{
		"":                            {span{0, 100}, false, false},
		"bytes=0-9":                   {span{0, 10}, true, false},
		"bytes=90-":                   {span{90, 10}, true, false},
		"bytes=90-500":                {span{90, 10}, true, false},
		"bytes=-10":                   {span{90, 10}, true, false},
		"bytes=-500":                  {span{0, 100}, true, false},
		"bytes=99-99":                 {span{99, 1}, true, false},
		"bytes=100-":                  {span{0, 100}, false, true},
		"bytes=-0":                    {span{0, 100}, false, true},
		"bytes=9-5":                   {span{0, 100}, false, false},
		"bytes=0-1,5-9":               {span{0, 100}, false, false},
		"bytes=-":                     {span{0, 100}, false, false},
		"bytes=+1-2":                  {span{0, 100}, false, false},
		"bytes=0--5":                  {span{0, 100}, false, false},
		"lines=0-9":                   {span{0, 100}, false, false},
		"bytes=99999999999999999999-": {span{0, 100}, false, false},
	} {
		got, part, err := readRange(header, 100)
		if got != want.span || part != want.part || want.none != fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %+v, %v, %v", header, got, part, err)
		}
	}
}

func FuzzRange(f *testing.F) {
	f.Add("bytes=0-9", int64(100))
	f.Add("bytes=-1", int64(1))
	f.Fuzz(func(t *testing.T, header string, size int64) {
		if size < 1 {
			return
		}
		if s, _, err := readRange(header, size); err == nil && (s.from < 0 || s.length < 1 || s.from > size-s.length) {
			t.Errorf("%q of %d: %+v", header, size, s)
		}
	})
}
