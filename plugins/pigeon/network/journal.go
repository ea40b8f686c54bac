package network

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// A journal is a file of JSON lines, each the newest version of one thing. A
// line cut short by a crash was never answered for and is dropped.
type journal struct {
	dir  string
	file *os.File // nil in memory
}

type entry struct {
	Kind  string          `json:"kind"`
	Value json.RawMessage `json:"value"`
}

func openJournal(dir string, restore func(entry) error) (*journal, error) {
	if dir == "" {
		return &journal{}, nil
	}
	if err := os.MkdirAll(filepath.Join(dir, "media"), 0o700); err != nil {
		return nil, fmt.Errorf("network: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(dir, "journal.jsonl"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("network: %w", err)
	}
	whole, err := replay(file, restore)
	if err == nil {
		err = errors.Join(file.Truncate(whole), seek(file, whole))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("network: journal: %w", err), file.Close())
	}
	return &journal{dir: dir, file: file}, nil
}

// replay hands every whole line to restore and returns where they end.
func replay(r io.Reader, restore func(entry) error) (whole int64, err error) {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return whole, nil
		}
		if err != nil {
			return whole, err
		}
		var e entry
		if err := json.Unmarshal(bytes.TrimSpace(line), &e); err != nil {
			return whole, err
		}
		if err := restore(e); err != nil {
			return whole, err
		}
		whole += int64(len(line))
	}
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
