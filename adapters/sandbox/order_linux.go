package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// An order is what the host sends to the shim: everything that the guest is to
// be, and how to confine it.
type order struct {
	Policy  Policy
	Plan    plan
	UID     int      // to become, 0: stay
	Path    string   // the program; empty: the file at programFD
	Args    []string // argument 0 included
	Env     []string
	Dir     string
	Listens []string // addresses to listen on for the host, in the guest's own network
}

// A plan is which mechanisms to use. Without one of them the others stand.
type plan struct {
	Namespaces bool // mounts, processes, network, IPC
	User       bool // in a user namespace, being no root
	Landlock   int  // version of the interface, 0: none
	Seccomp    bool
}

// Descriptors of the shim, besides the guest's three.
const (
	controlFD = 3
	programFD = 4
)

// maxOrder bounds an order in bytes. A longer one would be cut by the socket.
const maxOrder = 128 << 10

// sendOrder hands o over. It does not wait: the socket takes it whole.
func sendOrder(control *os.File, o order) error {
	b, err := json.Marshal(o)
	if err != nil {
		return err
	}
	if len(b) > maxOrder {
		return errors.New("sandbox: arguments and environment are too long")
	}
	_, err = control.Write(b)
	return err
}

func receiveOrder() (o order, err error) {
	buf := make([]byte, maxOrder)
	n, err := unix.Read(controlFD, buf)
	if err != nil {
		return o, fmt.Errorf("order: %w", err)
	}
	return o, json.Unmarshal(buf[:n], &o)
}

// What the shim sends besides an error.
const (
	sentListeners = 'l'
	sentFolder    = 'f'
)

// send hands descriptors to the host.
func send(kind byte, fds ...int) error {
	return unix.Sendmsg(controlFD, []byte{kind}, unix.UnixRights(fds...), nil, 0)
}

// receive waits for the shim's next word: descriptors and their kind, an error,
// or io.EOF once it became the guest.
func receive(control *os.File) (kind byte, files []*os.File, err error) {
	raw, err := control.SyscallConn()
	if err != nil {
		return 0, nil, err
	}
	text, rights := make([]byte, 4<<10), make([]byte, unix.CmsgSpace(4*16))
	var n, oobn int
	var failed error
	if err := raw.Read(func(fd uintptr) bool {
		n, oobn, _, _, failed = unix.Recvmsg(int(fd), text, rights, unix.MSG_CMSG_CLOEXEC)
		return !errors.Is(failed, unix.EAGAIN)
	}); err != nil {
		return 0, nil, err
	}
	switch {
	case failed != nil:
		return 0, nil, failed
	case n == 0:
		return 0, nil, io.EOF
	case oobn == 0:
		return 0, nil, errors.New("sandbox: " + string(text[:n]))
	}
	files, err = parseRights(rights[:oobn])
	return text[0], files, err
}

func parseRights(oob []byte) (files []*os.File, err error) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, err
	}
	for _, m := range messages {
		fds, err := unix.ParseUnixRights(&m)
		if err != nil {
			return files, err
		}
		for _, fd := range fds {
			files = append(files, os.NewFile(uintptr(fd), "listener"))
		}
	}
	return files, nil
}
