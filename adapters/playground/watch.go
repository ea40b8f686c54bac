package playground

import (
	"fmt"
	"hash/fnv"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
)

// made are folders that builds write to, and others that are nobody's source.
var made = []string{"bin", "dist", "node_modules", "__pycache__", "target", "build"}

// snapshot is a digest of what the files of dir are called, their sizes and
// when they changed. Looking is slower than being told, and works everywhere,
// on network drives and in containers, too.
func snapshot(dir string) uint64 {
	h := fnv.New64a()
	if dir == "" {
		return 0
	}
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // a file that went away meanwhile is a change by its absence
		}
		name := d.Name()
		if d.IsDir() && path != dir && (slices.Contains(made, name) || strings.HasPrefix(name, ".")) {
			return filepath.SkipDir
		}
		if info, err := d.Info(); err == nil && !d.IsDir() && !strings.HasPrefix(name, ".") && !strings.HasSuffix(name, "~") {
			fmt.Fprintln(h, path, info.Size(), info.ModTime().UnixNano())
		}
		return nil
	})
	return h.Sum64()
}
