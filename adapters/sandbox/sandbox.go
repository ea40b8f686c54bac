// Package sandbox runs a program that is not ours to trust so that it reaches
// its own files, one proxy and nothing else.
//
// A program cannot be confined from outside once it runs, and Go cannot fork
// without executing something. So the host executes itself: the copy, called
// the shim, gives up every right it has and then becomes the guest. Every
// program that starts guests calls Main first.
//
// Each thing that is denied is denied by two mechanisms where the kernel has
// two, because each has holes: Landlock knows ports but no addresses and no
// sockets by path, a system call filter sees no path at all, and namespaces
// are forbidden on many machines. What is really in force is found out by
// trying it, see Effective, and never assumed.
//
// Start with Wrap, which the host calls, then shim_linux.go, which is what
// happens on the other side.
package sandbox

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// Mode says what to do when a part of the sandbox is not to be had.
type Mode string

// The modes. Required refuses to start a guest unless every part is in force,
// and Required with groups of parts, "required:network,files", unless those
// are; Best takes what there is and says what is missing; Off leaves it out.
const (
	Best     Mode = "best"
	Required Mode = "required"
	Off      Mode = "off"
)

// groupsOfParts are what a mode may require, by the names for it.
var groupsOfParts = map[string][]string{
	"files": {files}, "disk": {disk}, "network": {paths, abstract, tcp, protocols}, "processes": {others, ending, processes},
	"memory": {memory, total}, "rights": {privileges, calls},
}

// ParseMode reads a mode. Empty means Best.
func ParseMode(text string) (Mode, error) {
	switch m := Mode(text); m {
	case "":
		return Best, nil
	case Best, Required, Off:
		return m, nil
	}
	named, some := strings.CutPrefix(text, string(Required)+":")
	for name := range strings.SplitSeq(named, ",") {
		if groupsOfParts[name] == nil {
			some = false
		}
	}
	if !some {
		return "", fmt.Errorf("%q is none of required, best and off, nor required: with some of %s", text,
			strings.Join(slices.Sorted(maps.Keys(groupsOfParts)), ", "))
	}
	return Mode(text), nil
}

// lacks says what m requires and l has not, empty if nothing.
func (m Mode) lacks(l Level) string {
	if m == Required && l.Name() != "full" {
		return l.String()
	}
	var out []string
	named, _ := strings.CutPrefix(string(m), string(Required)+":")
	for name := range strings.SplitSeq(named, ",") {
		for _, p := range l.Parts {
			if p.Missing != "" && slices.Contains(groupsOfParts[name], p.Name) {
				out = append(out, fmt.Sprintf("%s: %s (%s)", name, p.Name, p.Missing))
			}
		}
	}
	return strings.Join(out, ", ")
}

// Policy is what a guest may do. All paths are absolute.
type Policy struct {
	// ReadOnly are files and folders that may be read and executed, besides
	// the system's libraries, programs and certificates.
	ReadOnly []string
	// ReadWrite are folders that may be written and have sockets made in them.
	ReadWrite []string
	// Sockets is an empty folder that is the guest's own to write and make
	// sockets in. What it puts there is in memory and bounded, where that can be
	// had, and not on the host's disk: see Cage.At.
	Sockets string
	// Connect are the "address:port" of this machine that may be reached.
	Connect []string
	// Open leaves the network as it is, and Connect aside.
	Open bool
	// Scratch is an empty folder of the host's that guests never see.
	Scratch string

	Memory    uint64 // bytes of its own that one process may have; 0 means 1 GiB
	Total     uint64 // bytes of memory that all its processes may have together; 0 means 1 GiB
	Processes uint64 // processes and threads; 0 means 128
	Files     uint64 // open files; 0 means 512
	FileSize  uint64 // bytes of one file; 0 means 64 MiB
}

func (p Policy) orDefaults() Policy {
	for at, def := range map[*uint64]uint64{&p.Memory: 1 << 30, &p.Total: 1 << 30, &p.Processes: 128, &p.Files: 512, &p.FileSize: 64 << 20} {
		if *at == 0 {
			*at = def
		}
	}
	return p
}

// A Part is one thing that the sandbox denies.
type Part struct {
	Name    string // such as "files"
	Denies  string // for people
	Missing string // why it is not in force; empty if it is
}

// Level is what is in force.
type Level struct {
	Parts []Part
	By    []string // the mechanisms at work, such as "landlock 7"
}

// Name is "full", "partial" or "none".
func (l Level) Name() string {
	missing := len(l.Missing())
	switch {
	case len(l.Parts) == 0 || missing == len(l.Parts):
		return "none"
	case missing > 0:
		return "partial"
	}
	return "full"
}

// Missing names the parts that are not in force, with the reason.
func (l Level) Missing() []string {
	var out []string
	for _, p := range l.Parts {
		if p.Missing != "" {
			out = append(out, p.Name+" ("+p.Missing+")")
		}
	}
	return out
}

// Without is l with the parts of those names missing, for that reason.
func (l Level) Without(reason string, names ...string) Level {
	l.Parts = slices.Clone(l.Parts)
	for i, p := range l.Parts {
		if slices.Contains(names, p.Name) && p.Missing == "" {
			l.Parts[i].Missing = reason
		}
	}
	return l
}

// String is one line for a log: the name, what is missing, and by what.
func (l Level) String() string {
	text := l.Name()
	if m := l.Missing(); len(m) > 0 && text != "none" {
		text += ", without " + strings.Join(m, ", ")
	} else if text == "none" && len(l.Parts) > 0 {
		text += " (" + l.Parts[0].Missing + ")"
	}
	if len(l.By) > 0 {
		text += "; by " + strings.Join(l.By, ", ")
	}
	return text
}

// The parts, in the order in which people care.
const (
	files      = "files"
	disk       = "disk"
	paths      = "unix sockets by path"
	abstract   = "abstract unix sockets"
	tcp        = "tcp"
	protocols  = "other protocols"
	others     = "other processes"
	ending     = "outliving its host"
	processes  = "process count"
	memory     = "memory"
	total      = "memory in total"
	privileges = "privileges"
	calls      = "system calls"
)

func parts() []Part {
	return []Part{
		{Name: files, Denies: "reading or writing any file but the plugin's own and the system's libraries"},
		{Name: disk, Denies: "filling the host's disk"},
		{Name: paths, Denies: "sockets of other programs that are files"},
		{Name: abstract, Denies: "sockets of other programs that are no files"},
		{Name: tcp, Denies: "every address but the egress proxy's and the media gateway's"},
		{Name: protocols, Denies: "UDP, MPTCP, raw, packet, netlink and vsock sockets"},
		{Name: others, Denies: "seeing, tracing and signalling other processes"},
		{Name: ending, Denies: "going on when the plugin or its host has ended"},
		{Name: processes, Denies: "more processes and threads than it may have"},
		{Name: memory, Denies: "more memory than one process may have"},
		{Name: total, Denies: "more memory than all its processes may have together"},
		{Name: privileges, Denies: "gaining any right, and capabilities"},
		{Name: calls, Denies: "system calls that a plugin has no use for"},
	}
}

// nothing is the level of a machine where none of it works.
func nothing(why string) Level {
	all := parts()
	for i := range all {
		all[i].Missing = why
	}
	return Level{Parts: all}
}

// IsScript reports whether a program names the interpreter that runs it, which
// opens it again.
func IsScript(program io.ReaderAt) bool {
	head := make([]byte, 2)
	n, err := program.ReadAt(head, 0)
	return n == 2 && err == nil && string(head) == "#!"
}
