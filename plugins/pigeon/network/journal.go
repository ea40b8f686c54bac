package network

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// A journal is a file of JSON lines, each the newest version of one thing. A
// line cut short by a crash was never answered for and is dropped. Lines that
// make no sense are left out: the file that has them is put aside as it was.
type journal struct {
	dir  string
	file *os.File // nil in memory
}

type entry struct {
	Kind  string          `json:"kind"`
	Value json.RawMessage `json:"value"`
}

func openJournal(opt Options, restore func(entry) error) (*journal, error) {
	if opt.Dir == "" {
		return &journal{}, nil
	}
	if err := os.MkdirAll(filepath.Join(opt.Dir, "media"), 0o700); err != nil {
		return nil, fmt.Errorf("network: %w", err)
	}
	path := filepath.Join(opt.Dir, "journal.jsonl")
	raw, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("network: %w", err)
	}
	whole, bad := replay(raw, restore)
	if len(bad) > 0 {
		aside := path + opt.Now().UTC().Format(".bad-20060102T150405")
		if err := putAside(path, aside, whole); err != nil {
			return nil, fmt.Errorf("network: %s: %w", path, errors.Join(append(bad, err)...))
		}
		opt.Warn(fmt.Sprintf("network: %s: left out %d lines that cannot be read (the first: %v); the file as it was is %s", path, len(bad), bad[0], aside))
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("network: %w", err)
	}
	if err := errors.Join(file.Truncate(int64(len(whole))), seek(file, int64(len(whole)))); err != nil {
		return nil, fmt.Errorf("network: %s: %w", path, errors.Join(err, file.Close()))
	}
	return &journal{dir: opt.Dir, file: file}, nil
}

// replay hands every line that ends to restore. It returns those that were
// taken, and what is wrong with each of the others.
func replay(raw []byte, restore func(entry) error) (whole []byte, bad []error) {
	for number := 1; ; number++ {
		line, rest, ended := bytes.Cut(raw, []byte("\n"))
		if !ended {
			return whole, bad
		}
		var e entry
		err := json.Unmarshal(line, &e)
		if err == nil {
			err = restore(e)
		}
		if err == nil {
			whole = append(append(whole, line...), '\n')
		} else {
			bad = append(bad, fmt.Errorf("line %d: %w", number, err))
		}
		raw = rest
	}
}

// putAside renames the file at path and writes what is left of it in its place.
// Killed in between, it leaves the whole of one of them.
func putAside(path, aside string, left []byte) error {
	if err := os.WriteFile(path+".new", left, 0o600); err != nil {
		return err
	}
	if err := os.Link(path, aside); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func seek(file *os.File, to int64) error {
	_, err := file.Seek(to, io.SeekStart)
	return err
}

// put writes the newest version of a thing. It returns once the system has it,
// so it outlives this process.
func (j *journal) put(kind string, value any) error {
	if j.file == nil {
		return nil
	}
	raw, err := json.Marshal(value)
	if err != nil {
		return err
	}
	line, err := json.Marshal(entry{Kind: kind, Value: raw})
	if err != nil {
		return err
	}
	_, err = j.file.Write(append(line, '\n'))
	return err
}

func (j *journal) close() error {
	if j.file == nil {
		return nil
	}
	return j.file.Close()
}

// restore takes back one entry. The caller holds no lock: nobody serves yet.
func (n *Network) restore(e entry) error {
	switch e.Kind {
	case "account":
		return as(e, n.addAccount)
	case "grant":
		return as(e, n.addGrant)
	case "media":
		return as(e, n.addMedia)
	case "post":
		return as(e, n.addPost)
	case "fired":
		return as(e, func(key *string) { n.fired[*key] = true })
	}
	return fmt.Errorf("unknown kind %q", e.Kind)
}

func as[T any](e entry, add func(*T)) error {
	var value T
	if err := json.Unmarshal(e.Value, &value); err != nil {
		return err
	}
	add(&value)
	return nil
}
