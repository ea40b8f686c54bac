package mastodon

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"time"

	"github.com/carillonhq/carillon/plugins/internal/web"
	"github.com/carillonhq/carillon/ports/social"
)

// poll is how often a server is asked whether an attachment is ready.
const poll = 2 * time.Second

// upload sends the next attachment. A repeat leaves one that nothing shows,
// which servers drop after a day.
func (m *Mastodon) upload(ctx context.Context, req social.PublishRequest, s state) (social.Step, error) {
	one := req.Content.Media[len(s.Media)]
	file, err := m.web.Open(ctx, one)
	if err != nil {
		return social.Step{}, err
	}
	defer func() { _ = file.Close() }()
	body, length, contentType, err := form(one, file)
	if err != nil {
		return social.Step{}, err
	}
	reply, err := m.web.Do(ctx, web.Request{
		Method: http.MethodPost, URL: at(req.Call, "/api/v2/media"), Token: req.Call.Credential.AccessToken,
		Body: body, Length: length, Header: map[string]string{"Content-Type": contentType},
	})
	if err != nil {
		return social.Step{}, err
	}
	up, err := m.attachment(reply, req)
	if err != nil {
		return social.Step{}, err
	}
	s.Media = append(s.Media, up)
	return next(s, wait(up), false, "uploading")
}

// form streams a file as the multipart form that Mastodon takes, so that a
// video never lies in memory.
func form(one social.Media, file io.Reader) (body io.Reader, length int64, contentType string, err error) {
	var head bytes.Buffer
	w := multipart.NewWriter(&head)
	if one.Alt != "" {
		err = w.WriteField("description", one.Alt)
	}
	header := textproto.MIMEHeader{}
	header.Set("Content-Disposition", `form-data; name="file"; filename="attachment"`)
	header.Set("Content-Type", one.MIME)
	if err == nil {
		_, err = w.CreatePart(header)
	}
	if err != nil {
		return nil, 0, "", err
	}
	tail := fmt.Sprintf("\r\n--%s--\r\n", w.Boundary())
	if one.Bytes > 0 {
		length = int64(head.Len()) + one.Bytes + int64(len(tail))
	}
	return io.MultiReader(&head, file, bytes.NewReader([]byte(tail))), length, w.FormDataContentType(), nil
}

// await asks whether attachment i can be used yet.
func (m *Mastodon) await(ctx context.Context, req social.PublishRequest, s state, i int) (social.Step, error) {
	reply, err := m.web.Do(ctx, web.Request{
		Method: http.MethodGet, URL: at(req.Call, "/api/v1/media/"+url.PathEscape(s.Media[i].ID)), Token: req.Call.Credential.AccessToken,
	})
	if err != nil {
		return social.Step{}, err
	}
	up, err := m.attachment(reply, req)
	if err != nil {
		return social.Step{}, err
	}
	s.Media[i].Ready = up.Ready
	return next(s, wait(up), false, "waiting for media to be processed")
}

func wait(up upload) time.Duration {
	if up.Ready {
		return 0
	}
	return poll
}

// attachment reads an answer about media: 200 is ready, 202 and 206 are not.
func (m *Mastodon) attachment(reply *web.Reply, req social.PublishRequest) (upload, error) {
	var answer struct {
		ID string `json:"id"`
	}
	switch {
	case reply.Status == http.StatusUnprocessableEntity:
		f := m.web.Violates("/content/media", "media.refused", 0, 0, "The server could not process an attachment.")
		f.Source, f.HTTPStatus = social.FromPlatform, reply.Status
		return upload{}, f
	case !reply.OK():
		return upload{}, m.refused(reply, req.Call, false)
	case reply.Into(&answer) != nil || answer.ID == "":
		return upload{}, m.web.Odd(false, reply, req.Call.Credential.AccessToken)
	}
	return upload{ID: answer.ID, Ready: reply.Status == http.StatusOK}, nil
}
