// Package mailbox keeps mail instead of sending it, for development.
//
// A folder of files is the whole of it, so a worker can put mail there and a
// server, a test or a person can read it, each in a process of its own. The
// mail holds links that open accounts: the folder is for its owner alone, and
// none of this belongs in production.
package mailbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/ports/mail"
)

// Keep is how many messages are kept; older ones go when new ones come.
const Keep = 200

// Box is a folder of mail. It is safe for concurrent use, also by several
// processes.
type Box struct {
	dir string
	now func() time.Time
}

// Entry is a message as it is kept.
type Entry struct {
	ID      string    `json:"id"` // sorts by time of arrival
	At      time.Time `json:"at"`
	Kind    string    `json:"kind"`
	From    string    `json:"from,omitempty"` // empty: the installation's own
	ReplyTo string    `json:"reply_to,omitempty"`
	To      string    `json:"to"`
	Subject string    `json:"subject"`
	Text    string    `json:"text"`
	HTML    string    `json:"html,omitempty"`
}

// Open makes the folder if it is not there.
func Open(dir string, now func() time.Time) (*Box, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("mailbox: %w", err)
	}
	return &Box{dir: dir, now: now}, nil
}

// Send implements mail.Sender. A message that comes again replaces nothing:
// letters may arrive twice, and so may these.
func (b *Box) Send(_ context.Context, m mail.Message) error {
	now := b.now().UTC()
	e := Entry{ID: id.At("msg", now), At: now, Kind: m.Kind, To: m.To, Subject: m.Subject, Text: m.Text, HTML: m.HTML, ReplyTo: m.ReplyTo}
	if e.From = m.FromName; m.From != "" {
		e.From = strings.TrimSpace(e.From + " <" + m.From + ">")
	}
	if err := b.put(e); err != nil {
		return fault.New(fault.Unavailable, "mail.unavailable", "The mailbox cannot take messages right now.").Because(err)
	}
	return nil
}

// put writes a whole file or none: a reader never sees half a message.
func (b *Box) put(e Entry) error {
	body, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(b.dir, ".new-*") // readable by its owner alone
	if err != nil {
		return err
	}
	_, err = f.Write(body)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), b.file(e.ID))
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return b.prune()
}

func (b *Box) file(name string) string { return filepath.Join(b.dir, name+".json") }

// names lists what is there, latest first.
func (b *Box) names() ([]string, error) {
	files, err := os.ReadDir(b.dir)
	if err != nil {
		return nil, err
	}
	var list []string
	for _, f := range files {
		if name, ok := strings.CutSuffix(f.Name(), ".json"); ok && id.Is("msg", name) {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	slices.Reverse(list)
	return list, nil
}

func (b *Box) prune() error {
	list, err := b.names()
	if err != nil || len(list) <= Keep {
		return err
	}
	for _, name := range list[Keep:] {
		if err := os.Remove(b.file(name)); err != nil && !errors.Is(err, fs.ErrNotExist) { // another process was faster
			return err
		}
	}
	return nil
}

// List returns every message, latest first.
func (b *Box) List() ([]Entry, error) {
	names, err := b.names()
	if err != nil {
		return nil, err
	}
	list := make([]Entry, 0, len(names))
	for _, name := range names {
		e, err := b.Get(name)
		if fault.Is(err, fault.NotFound) { // pruned meanwhile
			continue
		}
		if err != nil {
			return nil, err
		}
		list = append(list, *e)
	}
	return list, nil
}

// Get returns one message, or fault.NotFound.
func (b *Box) Get(name string) (*Entry, error) {
	none := fault.New(fault.NotFound, "mail.not_found", "There is no such message.")
	if !id.Is("msg", name) { // which also makes it safe in a path
		return nil, none
	}
	body, err := os.ReadFile(b.file(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, none
	}
	if err != nil {
		return nil, err
	}
	e := new(Entry)
	return e, json.Unmarshal(body, e)
}
