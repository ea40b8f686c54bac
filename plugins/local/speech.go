package local

import (
	"bytes"
	"context"
	"os/exec"
	"regexp"
	"strings"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/model"
)

// maxSpoken keeps a recording within an artifact, in bytes of text.
const maxSpoken = 300

var voicePattern = regexp.MustCompile(`^[a-z]{2,3}(-[a-z0-9]{2,8})?$`)

// speak answers Speech with a WAV of espeak-ng, which gets the text on its
// standard input.
func (l *Local) speak(ctx context.Context, req model.RunRequest, emit func(model.Event) error) (model.Step, error) {
	text := req.Prompt()
	if text == "" || len(text) > maxSpoken {
		return model.Step{}, fault.New(fault.Invalid, "local.bad_text", "This voice reads 1 to %d bytes at once.", maxSpoken).On("/texts/0")
	}
	voice, _ := req.Params["language"].(string)
	if voice = strings.ToLower(voice); !voicePattern.MatchString(voice) {
		voice = "en"
	}
	cmd := exec.CommandContext(ctx, l.espeak, "-v", voice, "--stdin", "--stdout") //nolint:gosec // the program is found at start, the voice by a pattern
	cmd.Stdin = strings.NewReader(text)
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := cmd.Run(); err != nil || out.Len() == 0 || out.Len() > model.MaxInline {
		return model.Step{}, fault.New(fault.Unavailable, "local.no_speech", "The voice on this machine did not answer.").Because(err)
	}
	used := model.Usage{Units: map[model.Unit]int64{model.Character: int64(len([]rune(text)))}}
	err := emit(model.Event{Usage: &used, Artifact: &model.Artifact{
		ID: "speech", MIME: "audio/wav", Data: out.Bytes(), Meta: map[string]string{"made_by": "espeak-ng", "language": voice},
	}})
	if err != nil {
		return model.Step{}, err
	}
	return done(Voice, used), nil
}
